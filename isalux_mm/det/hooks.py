"""Detections drawn on the enhanced image, on the input, or side by side. Stock mmdet reloads the dark file."""
from collections.abc import Sequence
from pathlib import Path

import mmcv
import numpy as np
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from isalux_mm.functional.checks import check_choice
from isalux_mm.registry import HOOKS
from isalux_mm.visualization.panels import side_by_side

FIELDS = {'input': 'input_img', 'enhanced': 'enhanced_img'}
CHOICES = {'input': ('input', ), 'enhanced': ('enhanced', ), 'both': ('input', 'enhanced')}


@HOOKS.register_module()
class EnhancedDetVisualizationHook(Hook):
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
        check_choice(draw_on, CHOICES, 'draw_on')
        if interval < 1:
            raise ValueError(f'interval must be at least 1, got {interval}')
        self.draw_on, self.interval, self.score_thr = draw_on, interval, score_thr

    def before_val_epoch(self, runner: Runner) -> None:
        """Has the predictions carry their pictures."""
        chain_of(runner.model).keep_pictures = True

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Has them carry none again."""
        chain_of(runner.model).keep_pictures = False

    before_test_epoch, after_test_epoch = before_val_epoch, after_val_epoch

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                       outputs: Sequence[DetDataSample] | None = None) -> None:
        """Draws the batch if it is due."""
        self._draw(runner, batch_idx, outputs, f'iter_{runner.iter}')

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                        outputs: Sequence[DetDataSample] | None = None) -> None:
        """Draws the batch if it is due."""
        self._draw(runner, batch_idx, outputs, 'test')

    @master_only
    def _draw(self, runner: Runner, batch_idx: int, samples: Sequence[DetDataSample] | None, folder: str) -> None:
        if batch_idx % self.interval or not samples:
            return
        sample = samples[0]
        name = Path(sample.get('img_path') or f'{batch_idx:06d}').stem
        drawn = draw_detections(sample, self.draw_on, runner.visualizer.dataset_meta, score_thr=self.score_thr)
        mmcv.imwrite(drawn[..., ::-1], str(Path(runner.work_dir) / 'vis_det' / folder / f'{name}.jpg'))
        runner.visualizer.add_image(f'{folder}/{name}', drawn, step=runner.iter)


def chain_of(model: nn.Module) -> nn.Module:
    """The chain behind distributed and test-time-augmentation wrappers.

    Raises:
        ValueError: if the model is no chain.
    """
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    if not hasattr(model, 'keep_pictures'):
        raise ValueError(f'drawing on the enhanced image needs an EnhancedDetector, got {type(model).__name__}')
    return model


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
    drawn = {}
    for caption in CHOICES[draw_on]:
        painter.add_datasample(caption, in_original_frame(sample.get(FIELDS[caption]), sample), sample,
                               draw_gt=False, draw_pred=draw_pred, pred_score_thr=score_thr)
        drawn[caption] = painter.get_image()
    return side_by_side(drawn) if len(drawn) > 1 else drawn[draw_on]


def in_original_frame(picture: Tensor, sample: DetDataSample) -> np.ndarray:
    """A picture (3, h, w), uint8, at the detector's scale, to (H, W, 3) of the image that was loaded."""
    image = np.ascontiguousarray(picture.permute(1, 2, 0).cpu().numpy())
    if sample.get('flip'):
        image = mmcv.imflip(image, sample.flip_direction)
    h, w = sample.get('ori_shape', image.shape)[:2]
    return image if image.shape[:2] == (h, w) else mmcv.imresize(image, (w, h))
