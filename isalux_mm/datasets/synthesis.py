"""`SynthesizeLowLight`: a dark image from a bright one, in the pipeline."""
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform

from isalux_mm.functional.degradation import DegradationRanges, seeded_generator, synthesize_pair
from isalux_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SynthesizeLowLight(BaseTransform):
    """Makes `low` from `gt` by the physical synthesis of `functional.degradation`.

    Adds `low`, (H, W, 3), float32, RGB in [0, 1], and `degradation`, the draw as a dict; `gt` is normalised in
    exposure first, unless `target_luma` is `None`.

    Args:
        ranges: changes to the fields of `DegradationRanges`.
        target_luma: mean and standard deviation of the reference's mean luma, LOL's lie around 0.45; `None` leaves `gt`
            as it is.
        seed: `None` draws anew every time, from numpy's global state, which mmengine seeds per worker; an integer makes
            an image of the same file name (or, without `gt_path`, `sample_idx`) dark in the same way every time.
    """

    def __init__(self,
                 ranges: Mapping | None = None,
                 *,
                 target_luma: tuple[float, float] | None = (0.45, 0.04),
                 seed: int | None = None):
        self.ranges = DegradationRanges(**(ranges or {}))
        if target_luma is not None and not 0 < target_luma[0] < 1:
            raise ValueError(f'target_luma must be (mean in (0, 1), deviation), got {target_luma}')
        self.target_luma, self.seed = target_luma, seed

    def transform(self, results: dict) -> dict:
        if 'gt' not in results:
            raise KeyError(f'SynthesizeLowLight needs gt in the sample, got {sorted(results)}')
        if self.seed is None:
            rng = np.random.default_rng(np.random.randint(2**31))
        else:
            name = Path(results['gt_path']).name if 'gt_path' in results else str(results.get('sample_idx', ''))
            rng = seeded_generator(self.seed, name)
        results['low'], results['gt'], degradation = synthesize_pair(results['gt'], self.ranges, self.target_luma, rng)
        results['degradation'] = asdict(degradation)
        return results
