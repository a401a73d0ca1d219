"""Darkness in the pipelines of detection and segmentation: the physical synthesis, the bright original kept."""
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from isalux_mm.functional.checks import check_fields, check_seed, is_number, shown
from isalux_mm.functional.degradation import degrade, seeded_generator
from isalux_mm.functional.degradation_draw import sample_degradation
from isalux_mm.functional.degradation_ranges import Degradation, DegradationRanges
from isalux_mm.registry import TRANSFORMS

PLAIN_SRGB = dict(slope=None, reference_toe=(1.0, 1.0))


def darkness_ranges(ranges: Mapping | None = None, gain: float | None = None) -> DegradationRanges:
    """What darkness is drawn from.

    Args:
        ranges: changes to the fields of `DegradationRanges`.
        gain: fixed exposure gain in linear light, in (0, 1], under plain sRGB: no toe is drawn unless `ranges` says
            so. White balance, blur and noise are still drawn. `None` draws exposure and toe.

    Raises:
        ValueError: if `ranges` has an unknown field or one out of its bounds, or the gain is outside (0, 1] or given
            along with an exposure in `ranges`.
    """
    if ranges is not None:
        check_fields(ranges, DegradationRanges, 'ranges')
    changes: dict[str, Any] = dict(ranges or {})
    if gain is None:
        return DegradationRanges(**changes)
    if not (is_number(gain) and 0 < gain <= 1):
        raise ValueError(f'gain must be in (0, 1], got {shown(gain)}')
    clash = sorted({'stops', 'mean_ratio'} & set(changes))
    if clash:
        raise ValueError(f'gain fixes the exposure, so ranges must not hold it, got {clash}')
    fixed = dict(mean_ratio=None, stops=(math.log2(gain), ) * 2)
    return DegradationRanges(**PLAIN_SRGB | changes | fixed)


def darken(image: np.ndarray, ranges: DegradationRanges, rng: np.random.Generator) -> tuple[np.ndarray, Degradation]:
    """A dark version of an image, and the draw that made it.

    Args:
        image: (H, W, 3), uint8, RGB.
        ranges: what to draw from.
        rng: source of chance.

    Returns:
        (H, W, 3), uint8, RGB, and the draw.
    """
    reference = image.astype(np.float32) / 255
    degradation = sample_degradation(reference, ranges, rng)
    dark = degrade(reference, degradation, rng)
    return np.round(dark * 255).astype(np.uint8), degradation


@TRANSFORMS.register_module()
class DarkenImage(BaseTransform):
    """Makes the image of an mmdet or mmseg pipeline dark; the bright one becomes `reference_img`.

    Place: after everything that moves pixels (`Resize`, `RandomFlip`, crops, `Mosaic`), so that image and reference
    agree, and before `Pad`, so that the padding stays as it is; `PackDarkDetInputs` gives the reference the image's
    padding. Directly behind `LoadImageFromFile`, with `keep_reference=False`, it gives the pixels that
    `tools/dataset_converters/darken_coco.py` writes.

    Required keys: `img`, (H, W, 3), BGR in [0, 255], and `img_id` or `img_path`. Modified: `img`, type kept. Added:
    `reference_img`, (H, W, 3), uint8, BGR.

    Args:
        ranges: changes to the fields of `DegradationRanges`.
        gain: see `darkness_ranges`.
        seed: an integer gives every image its own fixed darkness, so that two detectors are compared on the same;
            `None` draws anew every time (from numpy's global state).
        keep_reference: whether to add `reference_img`.

    Raises:
        ValueError: if a range, the gain or the seed is none, or the gain stands beside an exposure in `ranges`.
    """

    def __init__(self,
                 ranges: Mapping | None = None,
                 *,
                 gain: float | None = None,
                 seed: int | None = None,
                 keep_reference: bool = True):
        self.ranges = darkness_ranges(ranges, gain)
        check_seed(seed)
        self.seed, self.keep_reference = seed, keep_reference

    def transform(self, results: dict) -> dict:
        image = checked_image(results)
        if 'pad_shape' in results:
            raise ValueError('DarkenImage must stand before Pad, or the padding would be made dark as well')
        if self.seed is None:
            rng = np.random.default_rng(np.random.randint(2**31))
        else:
            rng = seeded_generator(self.seed, image_name(results))
        reference = np.clip(np.round(image), 0, 255).astype(np.uint8)
        dark, _ = darken(np.ascontiguousarray(reference[..., ::-1]), self.ranges, rng)
        results['img'] = np.ascontiguousarray(dark[..., ::-1]).astype(image.dtype)
        if self.keep_reference:
            results['reference_img'] = reference
        return results


def packed_reference(results: dict, transform: str) -> np.ndarray:
    """The bright original of a darkened image, (H, W, 3), uint8, BGR, for packing.

    Args:
        results: of a pipeline, at its end.
        transform: who asks, for the error.

    Raises:
        KeyError: if there is none.
    """
    if 'reference_img' not in results:
        raise KeyError(f'{transform} needs reference_img (DarkenImage or SplitReferenceImage), got {sorted(results)}')
    return results['reference_img']


def as_rgb_tensor(image: np.ndarray) -> torch.Tensor:
    """(H, W, 3), BGR, to (3, H, W), RGB, of the same type."""
    return torch.from_numpy(np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)))


def image_name(results: dict) -> str:
    """What an image's own darkness hangs on: its id, or its file's name where it has none (mmseg)."""
    return str(results['img_id']) if 'img_id' in results else Path(results['img_path']).name


def checked_image(results: dict) -> np.ndarray:
    """The image of a pipeline.

    Raises:
        ValueError: if it is not (H, W, 3).
    """
    image = results['img']
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f'img must be (H, W, 3), BGR, got {image.shape}')
    return image
