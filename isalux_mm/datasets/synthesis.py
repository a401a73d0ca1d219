"""`SynthesizeLowLight`: a dark image from a bright one, in the pipeline."""
import zlib
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
from mmcv.transforms import BaseTransform

from isalux_mm.functional.degradation import DegradationRanges, degrade, normalize_exposure, sample_degradation
from isalux_mm.registry import TRANSFORMS

DEFAULT_RANGES = DegradationRanges()


@TRANSFORMS.register_module()
class SynthesizeLowLight(BaseTransform):
    """Makes `low` from `gt` by the physical synthesis of `functional.degradation`.

    Adds `low`, (H, W, 3), float32, RGB in [0, 1], and `degradation`, the draw as a dict; `gt` is normalised in
    exposure first, unless `target_luma` is `None`.

    Args:
        ranges: changes to the fields of `DegradationRanges`.
        target_luma: mean and standard deviation of the reference's mean luma; LOL's lie around 0.45.
        seed: `None` draws anew every time (from numpy's global state); an integer makes the same image dark in the
            same way every time, by its path.
    """

    def __init__(self,
                 ranges: Mapping | None = None,
                 *,
                 target_luma: tuple[float, float] | None = (0.45, 0.04),
                 seed: int | None = None):
        self.ranges = DegradationRanges(**(ranges or {}))
        self.target_luma, self.seed = target_luma, seed

    def generator(self, name: str) -> np.random.Generator:
        """The source of chance for the image of this name."""
        if self.seed is None:
            return np.random.default_rng(np.random.randint(2**31))
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])

    def transform(self, results: dict) -> dict:
        if 'gt' not in results:
            raise KeyError(f'SynthesizeLowLight needs gt in the sample, got {sorted(results)}')
        rng = self.generator(str(results.get('gt_path', results.get('sample_idx', ''))))
        if self.target_luma is not None:
            luma = float(np.clip(rng.normal(*self.target_luma), 0.05, 0.95))
            results['gt'] = normalize_exposure(results['gt'], luma)
        degradation = sample_degradation(results['gt'], self.ranges, rng)
        results['low'] = degrade(results['gt'], degradation, rng)
        results['degradation'] = asdict(degradation)
        return results


def synthesize_pair(photo: np.ndarray,
                    name: str,
                    *,
                    ranges: DegradationRanges = DEFAULT_RANGES,
                    target_luma: tuple[float, float] | None = (0.45, 0.04),
                    seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """One (low, gt) pair of a photograph, the same for the same name and seed.

    Args:
        photo: (H, W, 3), float32, RGB in [0, 1].
        name: what the chance depends on beside `seed`.
        ranges, target_luma: as in `SynthesizeLowLight`.
        seed: of the whole set.
    """
    transform = SynthesizeLowLight(asdict(ranges), target_luma=target_luma, seed=seed)
    results = transform.transform(dict(gt=photo, gt_path=name))
    return results['low'], results['gt']
