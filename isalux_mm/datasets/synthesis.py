"""`SynthesizeLowLight`: a dark image from a bright one, in the pipeline; `KeepLuma`: the bright one's exposure."""
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform

from isalux_mm.functional.checks import check_choice, check_fields, check_seed, is_list, is_number, shown
from isalux_mm.functional.degradation import seeded_generator
from isalux_mm.functional.degradation_draw import synthesize_pair
from isalux_mm.functional.degradation_ranges import BASES, DegradationRanges
from isalux_mm.functional.pair_mixture import LUMA_BAND, PairMixture, check_band, keep_luma, mixed_pair
from isalux_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SynthesizeLowLight(BaseTransform):
    """Makes `low` from `gt` by the physical synthesis of `functional.degradation`.

    Adds `low`, (H, W, 3), float32, RGB in [0, 1], and `degradation`, the draw as a dict. `gt` becomes the target: the
    photograph with its mean luma in a band, lamps and charts where the mixture draws them, and for a well-lit draw the
    low image without its noise (see `functional.pair_mixture`).

    Args:
        ranges: changes to the fields of `DegradationRanges`.
        base: what is changed: 'cameras' spans real cameras, 'lol' cameras nearer to that of LOL-v1, 'plain' is one
            exposure, tone curve and noise.
        mixture: changes to the fields of `PairMixture`; `None` draws photographs alone, as 'plain' needs no others.
            Not along with `target_luma`.
        luma_band: (lowest, highest) mean luma of the photograph; `None` leaves it as it is.
        target_luma: mean and standard deviation of the photograph's mean luma, in the place of `luma_band`.
        seed: `None` draws anew every time, from numpy's global state, which mmengine seeds per worker; an integer makes
            an image of the same file name (or, without `gt_path`, `sample_idx`) dark in the same way every time.

    Raises:
        ValueError: if an option is out of its range, or both mixture and target_luma are given.
    """

    def __init__(self,
                 ranges: Mapping | None = None,
                 *,
                 base: str = 'cameras',
                 mixture: Mapping | None = None,
                 luma_band: tuple[float, float] | None = LUMA_BAND,
                 target_luma: tuple[float, float] | None = None,
                 seed: int | None = None):
        check_choice(base, BASES, 'base')
        if ranges is not None:
            check_fields(ranges, DegradationRanges, 'ranges')
        if mixture is not None:
            check_fields(mixture, PairMixture, 'mixture')
        self.ranges = replace(BASES[base], **(ranges or {}))
        self.mixture = None if mixture is None else PairMixture(**mixture)
        if target_luma is not None:
            check_target(target_luma)
            if mixture is not None:
                raise ValueError(f'mixture must be None where target_luma is given, got {mixture} and {target_luma}')
        if luma_band is not None:
            check_band(luma_band, 'luma_band')
        check_seed(seed)
        self.luma_band = luma_band if target_luma is None else None
        self.target_luma, self.seed = target_luma, seed

    def transform(self, results: dict) -> dict:
        if 'gt' not in results:
            raise KeyError(f'SynthesizeLowLight needs gt in the sample, got {sorted(results)}')
        if self.seed is None:
            rng = np.random.default_rng(np.random.randint(2**31))
        else:
            name = Path(results['gt_path']).name if 'gt_path' in results else str(results.get('sample_idx', ''))
            rng = seeded_generator(self.seed, name)
        image = results['gt'] if self.luma_band is None else keep_luma(results['gt'], self.luma_band)
        if self.mixture is None:
            pair = synthesize_pair(image, self.ranges, self.target_luma, rng)
        else:
            pair = mixed_pair(image, self.ranges, self.mixture, rng)
        results['low'], results['gt'], degradation = pair
        results['degradation'] = asdict(degradation)
        return results


@TRANSFORMS.register_module()
class KeepLuma(BaseTransform):
    """Brings the mean luma of `gt` into a band, by a power law.

    Stands before views are cut, so that a dark corner of a photograph stays dark; `SynthesizeLowLight` then has
    `luma_band=None`.

    Args:
        band: (lowest, highest) mean luma.

    Raises:
        ValueError: if the band is empty or outside [0.05, 0.95].
    """

    def __init__(self, band: Sequence[float] = LUMA_BAND):
        check_band(band, 'band')
        lowest, highest = band
        self.band = (lowest, highest)

    def transform(self, results: dict) -> dict:
        results['gt'] = keep_luma(results['gt'], self.band)
        return results


def check_target(target_luma: Sequence[float]) -> None:
    """Raises a `ValueError` if a mean luma and its standard deviation are none."""
    fits = is_list(target_luma) and len(target_luma) == 2 and all(map(is_number, target_luma))
    if not (fits and 0 < target_luma[0] < 1 and target_luma[1] >= 0):
        raise ValueError('target_luma must be (mean in (0, 1), deviation of 0 or more), '
                         f'got {shown(target_luma)}')
