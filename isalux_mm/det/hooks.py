"""Detections drawn on the enhanced image, on the input, or side by side. Stock mmdet reloads the dark file."""
from functools import partial

import numpy as np
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer

from isalux_mm.chain.pictures import ChainVisualizationHook, draw_on_pictures
from isalux_mm.registry import HOOKS


@HOOKS.register_module()
class EnhancedDetVisualizationHook(ChainVisualizationHook):
    """Writes validation and test images with their detections to `WORK_DIR/vis_det/`, and to the visualizer's
    backends (TensorBoard, say).

    Args:
        draw_on: 'enhanced', 'input' (what the network got, dark transforms included) or 'both', side by side.
        interval: batches from one that is drawn to the next; its first image is drawn.
        score_thr: detections below are left out.

    Raises:
        ValueError: if `draw_on` is unknown, `interval` is below 1, or at run time the model is no chain.
    """

    def __init__(self, draw_on: str = 'enhanced', *, interval: int = 50, score_thr: float = 0.3):
        super().__init__(
            'vis_det', partial(draw_detections, draw_on=draw_on, score_thr=score_thr), draw_on, interval)


def draw_detections(sample: DetDataSample, draw_on: str, dataset_meta: dict | None, *, score_thr: float = 0.3,
                    draw_pred: bool = True) -> np.ndarray:
    """A prediction of an `EnhancedDetector` that keeps pictures, drawn in the frame of the original image.

    Args:
        sample: with `input_img` and `enhanced_img`.
        draw_on: 'enhanced', 'input' or 'both'.
        dataset_meta: class names and palette.
        score_thr: detections below are left out.
        draw_pred: whether boxes are drawn at all.

    Returns:
        (H, W, 3), uint8, RGB; 'both' is a captioned row of two.
    """
    painter = DetLocalVisualizer(name='draw_detections')
    painter.dataset_meta = dataset_meta or {}

    def draw(picture: np.ndarray) -> np.ndarray:
        painter.add_datasample(
            'prediction', picture, sample, draw_gt=False, draw_pred=draw_pred, pred_score_thr=score_thr)
        return painter.get_image()

    return draw_on_pictures(sample, draw_on, draw)
