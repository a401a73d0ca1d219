"""Segmentations drawn on the enhanced image, on the input, or side by side. Stock mmseg reloads the dark file."""
from functools import partial

import numpy as np
from mmseg.structures import SegDataSample
from mmseg.visualization import SegLocalVisualizer

from isalux_mm.chain.pictures import ChainVisualizationHook, draw_on_pictures
from isalux_mm.registry import HOOKS

OPACITY = 0.5  # ours: image and mask alike


@HOOKS.register_module()
class EnhancedSegVisualizationHook(ChainVisualizationHook):
    """Writes validation and test images with their masks to `WORK_DIR/vis_seg/`, and to the visualizer's backends.

    Args:
        draw_on: 'enhanced', 'input' (what the network got, dark transforms included) or 'both', side by side.
        interval: batches from one that is drawn to the next; its first image is drawn.
        opacity: of the masks, in [0, 1].

    Raises:
        ValueError: if `draw_on` is unknown, `interval` is below 1, `opacity` is outside [0, 1], or at run time the
            model is no chain.
    """

    def __init__(self, draw_on: str = 'enhanced', *, interval: int = 50, opacity: float = OPACITY):
        if not 0 <= opacity <= 1:
            raise ValueError(f'opacity must be in [0, 1], got {opacity}')
        super().__init__('vis_seg', partial(draw_masks, draw_on=draw_on, opacity=opacity), draw_on, interval)


def draw_masks(sample: SegDataSample, draw_on: str, dataset_meta: dict, *, opacity: float = OPACITY,
               with_labels: bool = True) -> np.ndarray:
    """A prediction of an `EnhancedSegmentor` that keeps pictures, drawn in the frame of the original image.

    Args:
        sample: with `input_img` and `enhanced_img`.
        draw_on: 'enhanced', 'input' or 'both'.
        dataset_meta: class names and palette.
        opacity: of the masks, in [0, 1].
        with_labels: whether the classes' names are written.

    Returns:
        (H, W, 3), uint8, RGB; 'both' is a captioned row of two.
    """
    painter = SegLocalVisualizer(name='draw_masks', alpha=opacity)
    painter.dataset_meta = dataset_meta

    def draw(picture: np.ndarray) -> np.ndarray:
        painter.add_datasample('prediction', picture, sample, draw_gt=False, with_labels=with_labels)
        return painter.get_image()

    return draw_on_pictures(sample, draw_on, draw)
