"""A plain mmdet detector on any picture, its boxes drawn: to compare before and after enhancement."""
from pathlib import Path

import numpy as np
from mmdet.apis import DetInferencer
from mmdet.visualization import DetLocalVisualizer

from isalux_mm.det.enhanced_detector import EnhancedDetector


class BoxOverlay:
    """Draws a detector's boxes on a picture: `drawn, number = BoxOverlay('retinanet.py', 'retinanet.pth')(image)`.

    Args:
        config: config file of an mmdet detector, or its name, or its content.
        checkpoint: its weights, of plain tensors.
        device: 'cpu', 'cuda:0'; the first there is by default.
        score_thr: detections below are left out; ours, as of `DetInferencer`.

    Raises:
        ValueError: if the model is an `EnhancedDetector`, which would enhance a second time.
    """

    def __init__(self, config: str | Path | dict, checkpoint: str | Path | None, *, device: str | None = None,
                 score_thr: float = 0.3):
        self.inferencer = DetInferencer(
            str(config) if isinstance(config, Path) else config, None if checkpoint is None else str(checkpoint),
            device, show_progress=False)
        if isinstance(self.inferencer.model, EnhancedDetector):
            raise ValueError('detector must be a plain detector, which gets enhanced pictures, got an EnhancedDetector')
        self.painter = DetLocalVisualizer(name=f'box_overlay_{id(self)}')
        self.painter.dataset_meta = self.inferencer.model.dataset_meta
        self.score_thr = score_thr

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, int]:
        """Detects and draws.

        Args:
            image: (H, W, 3), uint8, RGB.

        Returns:
            the picture with its boxes, same shape and order, and how many there are.
        """
        bgr = np.ascontiguousarray(image[..., ::-1])  # what mmdet's readers give
        sample, = self.inferencer(bgr, return_datasamples=True, no_save_vis=True)['predictions']
        self.painter.add_datasample('boxes', image, sample, draw_gt=False, pred_score_thr=self.score_thr)
        return self.painter.get_image(), int((sample.pred_instances.scores > self.score_thr).sum())
