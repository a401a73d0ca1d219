"""Darkness for detection data: the physical synthesis in mmdet pipelines, the bright original kept as reference."""
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import mmcv
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.datasets.transforms import PackDetInputs

from isalux_mm.functional.degradation import (
    Degradation,
    DegradationRanges,
    degrade,
    sample_degradation,
    seeded_generator,
)
from isalux_mm.registry import TRANSFORMS

PLAIN_SRGB = dict(slope=None, reference_toe=(1.0, 1.0))
META_KEYS = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'flip', 'flip_direction')


def darkness_ranges(ranges: Mapping | None = None, gain: float | None = None) -> DegradationRanges:
    """What darkness is drawn from.

    Args:
        ranges: changes to the fields of `DegradationRanges`.
        gain: fixed exposure gain in linear light, in (0, 1], under plain sRGB: no toe is drawn unless `ranges` says
            so. White balance, blur and noise are still drawn. `None` draws exposure and toe.

    Raises:
        ValueError: if the gain is outside (0, 1], or given along with an exposure in `ranges`.
    """
    ranges = dict(ranges or {})
    if gain is None:
        return DegradationRanges(**ranges)
    if not 0 < gain <= 1:
        raise ValueError(f'gain must be in (0, 1], got {gain}')
    clash = sorted({'stops', 'mean_ratio'} & set(ranges))
    if clash:
        raise ValueError(f'gain fixes the exposure, so ranges must not hold it, got {clash}')
    fixed = dict(mean_ratio=None, stops=(math.log2(gain), ) * 2)
    return DegradationRanges(**PLAIN_SRGB | ranges | fixed)


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
    """Makes the image of an mmdet pipeline dark; the bright one becomes `reference_img`.

    Place: after everything that moves pixels (`Resize`, `RandomFlip`, crops, `Mosaic`), so that image and reference
    agree, and before `Pad`, so that the padding stays as it is; `PackDarkDetInputs` gives the reference the image's
    padding. Directly behind `LoadImageFromFile`, with `keep_reference=False`, it gives the pixels that
    `tools/dataset_converters/darken_coco.py` writes.

    Required keys: `img`, (H, W, 3), BGR in [0, 255], and `img_id`. Modified: `img`, type kept. Added:
    `reference_img`, (H, W, 3), uint8, BGR.

    Args:
        ranges: changes to the fields of `DegradationRanges`.
        gain: see `darkness_ranges`.
        seed: an integer gives every image its own fixed darkness, so that two detectors are compared on the same;
            `None` draws anew every time (from numpy's global state).
        keep_reference: whether to add `reference_img`.
    """

    def __init__(self,
                 ranges: Mapping | None = None,
                 *,
                 gain: float | None = None,
                 seed: int | None = None,
                 keep_reference: bool = True):
        self.ranges = darkness_ranges(ranges, gain)
        self.seed, self.keep_reference = seed, keep_reference

    def transform(self, results: dict) -> dict:
        image = _checked_image(results)
        if 'pad_shape' in results:
            raise ValueError('DarkenImage must stand before Pad, or the padding would be made dark as well')
        if self.seed is None:
            rng = np.random.default_rng(np.random.randint(2**31))
        else:
            rng = seeded_generator(self.seed, str(results['img_id']))
        reference = np.clip(np.round(image), 0, 255).astype(np.uint8)
        dark, _ = darken(np.ascontiguousarray(reference[..., ::-1]), self.ranges, rng)
        results['img'] = np.ascontiguousarray(dark[..., ::-1]).astype(image.dtype)
        if self.keep_reference:
            results['reference_img'] = reference
        return results


@TRANSFORMS.register_module()
class LoadReferenceImage(BaseTransform):
    """Loads the bright image behind a dark file of `tools/dataset_converters/darken_coco.py`.

    Place: behind `LoadImageFromFile`. The two travel as one image of six channels through transforms that do not mind
    the number of channels (`Resize`, `RandomFlip`, crops); `SplitReferenceImage` parts them.

    Args:
        ann_file: the dark set's COCO file, which names the reference of every image.
    """

    def __init__(self, ann_file: str):
        content = json.loads(Path(ann_file).read_text())
        without = [image['file_name'] for image in content['images'] if 'reference' not in image]
        if without:
            raise ValueError(f'{ann_file}: expected a reference for every image, as darken_coco.py writes it, got none '
                             f'for {len(without)} such as {without[0]}')
        folder = Path(ann_file).parent
        self.references = {image['id']: folder / image['reference'] for image in content['images']}

    def transform(self, results: dict) -> dict:
        image = _checked_image(results)
        path = self.references[results['img_id']]
        reference = mmcv.imread(path)
        if reference is None or reference.shape != image.shape:
            raise ValueError(f'{path}: expected a reference of shape {image.shape}, '
                             f'got {"no image" if reference is None else reference.shape}')
        results['img'] = np.concatenate([image, reference.astype(image.dtype)], axis=2)
        return results


@TRANSFORMS.register_module()
class SplitReferenceImage(BaseTransform):
    """Parts the six channels of `LoadReferenceImage` into `img` and `reference_img`; before `Pad`."""

    def transform(self, results: dict) -> dict:
        stacked = results['img']
        if stacked.ndim != 3 or stacked.shape[2] != 6:
            raise ValueError(f'img must be (H, W, 6), from LoadReferenceImage, got {stacked.shape}')
        results['img'] = np.ascontiguousarray(stacked[..., :3])
        results['reference_img'] = np.clip(np.round(stacked[..., 3:]), 0, 255).astype(np.uint8)
        return results


@TRANSFORMS.register_module()
class PackDarkDetInputs(PackDetInputs):
    """`PackDetInputs` that packs `reference_img` too: `data_sample.reference_img`, (3, H, W), uint8, RGB.

    The reference gets the image's own padding (below and to the right), so it has the size of `inputs`.

    Args:
        meta_keys: as of `PackDetInputs`.
    """

    def __init__(self, meta_keys: Sequence[str] = META_KEYS):
        super().__init__(meta_keys)

    def transform(self, results: dict) -> dict:
        packed = super().transform(results)
        if 'reference_img' not in results:
            raise KeyError('PackDarkDetInputs needs reference_img (DarkenImage or SplitReferenceImage), '
                           f'got {sorted(results)}')
        image, reference = results['img'], results['reference_img']
        h, w = reference.shape[:2]
        if h > image.shape[0] or w > image.shape[1] or ('pad_shape' not in results and image.shape[:2] != (h, w)):
            raise ValueError(f'reference_img must have the size of img before Pad, {image.shape[:2]}, got {(h, w)}; '
                             'was the image moved after it was made dark?')
        padded = np.clip(np.round(image), 0, 255).astype(np.uint8)
        padded[:h, :w] = reference
        packed['data_samples'].reference_img = torch.from_numpy(
            np.ascontiguousarray(padded[..., ::-1].transpose(2, 0, 1)))
        return packed


def _checked_image(results: dict) -> np.ndarray:
    image = results['img']
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f'img must be (H, W, 3), BGR, got {image.shape}')
    return image
