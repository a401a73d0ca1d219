"""Transforms on pairs: whatever is done to `low` is done to `gt`.

Every transform takes and gives float32 arrays (H, W, 3), RGB in [0, 1], under `low` and `gt` (either may be absent),
and keeps `img_shape` (H, W). Chance comes from numpy's global state, which mmengine seeds per worker.
"""
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from isalux_mm.functional.checks import (
    check_count,
    check_interval,
    check_names,
    check_positive,
    check_range,
    check_size,
)
from isalux_mm.functional.resizing import resize, shrink
from isalux_mm.registry import TRANSFORMS
from isalux_mm.structures import EnhanceDataSample

KEYS = ('low', 'gt')
META_KEYS = ('low_path', 'gt_path', 'ori_shape', 'img_shape', 'degradation')


class PairedTransform(BaseTransform):
    """Applies `apply` with one draw of `draw` to every image of the sample."""

    def draw(self, height: int, width: int) -> tuple:
        """What is decided by chance, once for all images."""
        return ()

    def apply(self, image: np.ndarray, *decision: Any) -> np.ndarray:
        """One image, with what was decided."""
        raise NotImplementedError

    def transform(self, results: dict) -> dict:
        present = [key for key in KEYS if key in results]
        if not present:
            raise KeyError(f'{type(self).__name__} needs low or gt in the sample, got {sorted(results)}')
        decision = self.draw(*results[present[0]].shape[:2])
        for key in present:
            results[key] = self.apply(results[key], *decision)
        results['img_shape'] = results[present[0]].shape[:2]
        return results


@TRANSFORMS.register_module()
class PairedRandomCrop(PairedTransform):
    """Crops a window at a random place.

    Args:
        crop_size: (height, width), or the side of a square.
        pad_small: enlarge images that are smaller by mirroring, instead of raising.

    Raises:
        ValueError: if a side is no whole number of 1 or more.
    """

    def __init__(self, crop_size: int | Sequence[int], *, pad_small: bool = False):
        sides = (crop_size, crop_size) if isinstance(crop_size, int | np.integer) else crop_size
        check_size(sides, 'crop_size')
        self.crop_size, self.pad_small = tuple(sides), pad_small

    @cache_randomness
    def draw(self, height: int, width: int) -> tuple:
        crop_h, crop_w = self.crop_size
        if not self.pad_small and (height < crop_h or width < crop_w):
            raise ValueError(f'crop_size must fit the image, {height}x{width}, got {crop_h}x{crop_w} '
                             '(pad_small=True mirrors small images)')
        return (np.random.randint(max(height - crop_h, 0) + 1), np.random.randint(max(width - crop_w, 0) + 1))

    def apply(self, image: np.ndarray, top: int, left: int) -> np.ndarray:
        crop_h, crop_w = self.crop_size
        short_h, short_w = max(crop_h - image.shape[0], 0), max(crop_w - image.shape[1], 0)
        if short_h or short_w:
            image = np.pad(image, ((0, short_h), (0, short_w), (0, 0)), mode='symmetric')
        return np.ascontiguousarray(image[top:top + crop_h, left:left + crop_w])


@TRANSFORMS.register_module()
class PairedRandomFlip(PairedTransform):
    """Mirrors left-right and top-bottom, each with its own probability.

    Args:
        horizontal: probability of left-right.
        vertical: probability of top-bottom.

    Raises:
        ValueError: if a probability is outside [0, 1].
    """

    def __init__(self, horizontal: float = 0.5, vertical: float = 0.0):
        check_range(horizontal, 0, 1, 'horizontal')
        check_range(vertical, 0, 1, 'vertical')
        self.horizontal, self.vertical = horizontal, vertical

    @cache_randomness
    def draw(self, height: int, width: int) -> tuple:
        return np.random.rand() < self.horizontal, np.random.rand() < self.vertical

    def apply(self, image: np.ndarray, horizontal: bool, vertical: bool) -> np.ndarray:
        image = image[:, ::-1] if horizontal else image
        return np.ascontiguousarray(image[::-1] if vertical else image)


@TRANSFORMS.register_module()
class PairedRandomRotate90(PairedTransform):
    """Turns by a random multiple of 90 degrees.

    Args:
        probability: of any turn other than none.

    Raises:
        ValueError: if the probability is outside [0, 1].
    """

    def __init__(self, probability: float = 0.75):
        check_range(probability, 0, 1, 'probability')
        self.probability = probability

    @cache_randomness
    def draw(self, height: int, width: int) -> tuple:
        turns = np.random.randint(1, 4)
        return (turns if np.random.rand() < self.probability else 0, )

    def apply(self, image: np.ndarray, turns: int) -> np.ndarray:
        return np.ascontiguousarray(np.rot90(image, turns))


@TRANSFORMS.register_module()
class PairedResize(PairedTransform):
    """Resizes; the mean brightness stays (area averaging along sides that shrink, bilinear along those that grow).

    Args:
        size: (height, width); or `None` with `max_side`.
        max_side: longest side after shrinking; smaller images are left as they are.

    Raises:
        ValueError: if both or none are given, or a side is no whole number of 1 or more.
    """

    def __init__(self, size: Sequence[int] | None = None, *, max_side: int | None = None):
        if (size is None) == (max_side is None):
            raise ValueError(f'exactly one of size and max_side must be given, got {size} and {max_side}')
        if size is not None:
            check_size(size, 'size')
        if max_side is not None:
            check_count(max_side, 'max_side')
        self.size, self.max_side = size, max_side

    def apply(self, image: np.ndarray) -> np.ndarray:
        if self.size is not None:
            return resize(image, *self.size)
        return image if self.max_side is None else shrink(image, self.max_side)


@TRANSFORMS.register_module()
class PairedLandscape(PairedTransform):
    """Turns an upright picture by a quarter, so that a landscape view can hold the whole of it."""

    def draw(self, height: int, width: int) -> tuple:
        return (height > width, )

    def apply(self, image: np.ndarray, upright: bool) -> np.ndarray:
        return np.ascontiguousarray(np.rot90(image)) if upright else image


@TRANSFORMS.register_module()
class RandomResizedView(PairedTransform):
    """A window of a random share of the picture, resized to one size: it keeps the statistics of a whole picture.

    Attention and gate see global statistics, and a small crop does not have those of a picture (ours; paper silent).

    Args:
        size: (height, width) of the view.
        fraction: range of the window's side as a share of the largest window of this shape.
        crop_probability: probability of a window at the picture's own scale instead, which keeps fine grain.
        whole_probability: probability of the largest window instead: the whole of a picture of the view's shape.

    Raises:
        ValueError: if the size, the fraction or a probability is out of its range, or the two probabilities exceed 1.
    """

    def __init__(self,
                 size: Sequence[int],
                 *,
                 fraction: Sequence[float] = (0.55, 1.0),
                 crop_probability: float = 0.0,
                 whole_probability: float = 0.0):
        check_size(size, 'size')
        check_interval(fraction, 0, 1, 'fraction')
        check_positive(fraction[0], 'fraction[0]')
        check_range(crop_probability, 0, 1, 'crop_probability')
        check_range(whole_probability, 0, 1 - crop_probability, 'whole_probability')
        self.size, self.fraction = tuple(size), tuple(fraction)
        self.crop_probability, self.whole_probability = crop_probability, whole_probability

    @cache_randomness
    def draw(self, height: int, width: int) -> tuple:
        view_h, view_w = self.size
        lowest, highest = self.fraction
        largest = min(height / view_h, width / view_w)  # scale of the largest window
        scale = largest * np.random.uniform(lowest, highest)
        kind = np.random.rand()
        if kind < self.crop_probability:
            scale = min(1.0, largest)
        elif kind < self.crop_probability + self.whole_probability:
            scale = largest
        h, w = (min(max(round(side * scale), 1), limit) for side, limit in ((view_h, height), (view_w, width)))
        return np.random.randint(height - h + 1), np.random.randint(width - w + 1), h, w

    def apply(self, image: np.ndarray, top: int, left: int, h: int, w: int) -> np.ndarray:
        return resize(image[top:top + h, left:left + w], *self.size)


@TRANSFORMS.register_module()
class PairedMixup(BaseTransform):
    """Mixes the sample with an earlier one: a x + (1 - a) y on both sides, a from Beta(alpha, alpha).

    Partners are the last samples that this worker packed, of equal size; stands after the size is fixed.

    Args:
        alpha: of the Beta law.
        probability: of mixing at all.
        max_cached: how many earlier samples a worker keeps as partners.

    Raises:
        ValueError: if alpha is not positive, the probability outside [0, 1], or max_cached below 1.
    """

    def __init__(self, alpha: float = 0.2, *, probability: float = 0.5, max_cached: int = 16):
        check_positive(alpha, 'alpha')
        check_range(probability, 0, 1, 'probability')
        check_count(max_cached, 'max_cached')
        self.alpha, self.probability, self.max_cached = alpha, probability, max_cached
        self._cache: list[dict] = []

    def transform(self, results: dict) -> dict:
        own = {key: results[key] for key in KEYS if key in results}
        fitting = [c for c in self._cache if {k: x.shape for k, x in c.items()} == {k: x.shape for k, x in own.items()}]
        if fitting and np.random.rand() < self.probability:
            partner = fitting[np.random.randint(len(fitting))]
            share = np.float32(np.random.beta(self.alpha, self.alpha))
            for key, image in own.items():
                results[key] = share * image + (1 - share) * partner[key]
        self._cache = [*self._cache, own][-self.max_cached:]
        return results


@TRANSFORMS.register_module()
class PackEnhanceInputs(BaseTransform):
    """Packs the sample for the model.

    Gives `inputs`, the low image as a float32 tensor (3, H, W), RGB in [0, 1], and `data_samples`, an
    `EnhanceDataSample` with `gt_img` where the sample has a reference, and the meta information.

    Args:
        meta_keys: what is kept as meta information, where the sample has it.

    Raises:
        ValueError: if the keys are no list of names.
    """

    def __init__(self, meta_keys: Sequence[str] = META_KEYS):
        check_names(meta_keys, 'meta_keys')
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        if 'low' not in results:
            raise KeyError(f'PackEnhanceInputs needs low in the sample, got {sorted(results)}')
        sample = EnhanceDataSample(metainfo={k: results[k] for k in self.meta_keys if k in results})
        if 'gt' in results:
            sample.gt_img = to_tensor(results['gt'])
        return dict(inputs=to_tensor(results['low']), data_samples=sample)


def to_tensor(image: np.ndarray) -> torch.Tensor:
    """(H, W, 3) array to a float32 tensor (3, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32))
