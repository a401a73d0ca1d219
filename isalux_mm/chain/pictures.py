"""What is drawn on in a chain of enhancer and task model: the input, the enhanced image, or both, by a hook."""
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from isalux_mm.chain.task import EnhancedTask
from isalux_mm.functional.checks import check_choice
from isalux_mm.io.images import write_image
from isalux_mm.io.names import claim, fitted
from isalux_mm.visualization.panels import side_by_side

FIELDS = {'input': 'input_img', 'enhanced': 'enhanced_img'}
CHOICES = {'input': ('input', ), 'enhanced': ('enhanced', ), 'both': ('input', 'enhanced')}


class ChainVisualizationHook(Hook):
    """Writes validation and test images with their predictions to WORK_DIR, and to the visualizer's backends.

    Pictures of one name in different folders get a number. Those of a run before in the same WORK_DIR are replaced.

    Args:
        folder: below WORK_DIR.
        draw: of a prediction and `dataset_meta`, the visualizer's, to a picture (H, W, 3), uint8, RGB.
        draw_on: 'enhanced', 'input' (what the network got, dark transforms included) or 'both', side by side.
        interval: batches from one that is drawn to the next; its first image is drawn.

    Raises:
        ValueError: if `draw_on` is unknown, `interval` is below 1, or at run time the model is no chain.
    """

    def __init__(self, folder: str, draw: Callable[..., np.ndarray], draw_on: str, interval: int):
        check_choice(draw_on, CHOICES, 'draw_on')
        if interval < 1:
            raise ValueError(f'interval must be at least 1, got {interval}')
        self.folder, self.draw, self.interval = folder, draw, interval
        self._names: set[str] = set()  # of this epoch's pictures

    def before_val_epoch(self, runner: Runner) -> None:
        """Has the predictions carry their pictures."""
        chain_of(runner.model).keep_pictures = True
        self._names.clear()

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Has them carry none again."""
        chain_of(runner.model).keep_pictures = False

    before_test_epoch, after_test_epoch = before_val_epoch, after_val_epoch

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                       outputs: Sequence[BaseDataElement] | None = None) -> None:
        """Draws the batch if it is due."""
        self._draw(runner, batch_idx, outputs, f'iter_{runner.iter}')

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                        outputs: Sequence[BaseDataElement] | None = None) -> None:
        """Draws the batch if it is due."""
        self._draw(runner, batch_idx, outputs, 'test')

    @master_only
    def _draw(self, runner: Runner, batch_idx: int, samples: Sequence[BaseDataElement] | None, stage: str) -> None:
        if batch_idx % self.interval or not samples:
            return
        sample = samples[0]
        stem = Path(sample.get('img_path') or f'{batch_idx:06d}').stem
        name = claim(Path(fitted(stem, '.jpg')), self._names)
        drawn = self.draw(sample, dataset_meta=runner.visualizer.dataset_meta)
        write_image(Path(runner.work_dir) / self.folder / stage / name, drawn / np.float32(255), overwrite=True)
        runner.visualizer.add_image(f'{stage}/{name.stem}', drawn, step=runner.iter)


def chain_of(model: nn.Module) -> EnhancedTask:
    """The chain behind distributed and test-time-augmentation wrappers.

    Raises:
        ValueError: if the model is no chain.
    """
    inner: Any = model
    while is_model_wrapper(inner) or isinstance(inner, BaseTTAModel):
        inner = inner.module
    if not isinstance(inner, EnhancedTask):
        raise ValueError('drawing on the enhanced image needs an EnhancedDetector or EnhancedSegmentor, '
                         f'got {type(inner).__name__}')
    return inner


def draw_on_pictures(sample: BaseDataElement, draw_on: str,
                     draw: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A prediction on the pictures that it carries, in the frame of the original image.

    Args:
        sample: of a chain that keeps pictures, with `input_img` and `enhanced_img`.
        draw_on: 'enhanced', 'input' or 'both'.
        draw: draws the prediction on a picture (H, W, 3), uint8, RGB.

    Returns:
        (H, W, 3), uint8, RGB; 'both' is a captioned row of two.
    """
    drawn = {name: draw(in_original_frame(sample.get(FIELDS[name]), sample)) for name in CHOICES[draw_on]}
    return side_by_side(drawn) if len(drawn) > 1 else drawn[draw_on]


def in_original_frame(picture: Tensor, sample: BaseDataElement) -> np.ndarray:
    """A picture (3, h, w), uint8, at the task model's scale, to (H, W, 3) of the image that was loaded."""
    image = np.ascontiguousarray(picture.permute(1, 2, 0).cpu().numpy())
    if sample.get('flip'):
        image = mmcv.imflip(image, sample.flip_direction)
    h, w = sample.get('ori_shape', image.shape)[:2]
    return image if image.shape[:2] == (h, w) else mmcv.imresize(image, (w, h))
