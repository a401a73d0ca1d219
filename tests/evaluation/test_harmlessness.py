"""Demands on a model: which networks keep them, what is measured by hand, the table."""
import math

import pytest
import torch

from isalux_mm.evaluation.harmlessness import (
    DEMANDS,
    Demand,
    as_markdown,
    is_well_lit,
    measure_chroma,
    measure_exposures,
    measure_gray,
    measure_well_lit,
    middle,
)


def photograph(seed=0, level=0.5):
    coarse = torch.rand(1, 3, 4, 6, generator=torch.Generator().manual_seed(seed))
    return (torch.nn.functional.interpolate(coarse, size=(40, 60), mode='bilinear') * 2 * level).clamp(0, 1)


def test_a_network_that_does_nothing_keeps_what_is_not_dark():
    photos = [photograph(seed) for seed in range(3)]
    values = measure_well_lit(lambda x: x, photos) | measure_gray(lambda x: x)
    assert values['psnr_median'] == values['psnr_worst'] == math.inf and values['ssim_median'] == pytest.approx(1)
    assert all(DEMANDS[name].holds(value) for name, value in values.items())
    assert values['white'] == 1 and values['black'] == values['glow'] == values['spread_ramps'] == 0


def test_harm_by_hand():
    blue = torch.tensor([0.0, 0.0, 0.1]).view(3, 1, 1)
    values = measure_gray(lambda x: x * 0.8 + blue)
    assert values == pytest.approx(
        dict(spread_constants=0.1, spread_ramps=0.1, black=0.1, white=0.8, glow=0.1), abs=1e-6)
    assert not any(DEMANDS[name].holds(value) for name, value in values.items())
    shifted = measure_well_lit(lambda x: x + 0.01, [photograph() * 0.5])
    assert shifted['psnr_median'] == pytest.approx(40, abs=1e-2)


def test_what_is_measured_is_clamped():
    assert measure_gray(lambda x: 3 * x - 1)['white'] == 1


def test_exposures_by_hand():
    photo = torch.full((1, 3, 16, 16), 0.6)
    level = {1.0: 0.6, 0.5: 0.4, 0.25: 0.35}
    shown = iter(level.values())
    values = measure_exposures(lambda x: torch.full_like(x, next(shown)), [photo], list(level))
    assert values['exposure_distance'] == pytest.approx(0.25)
    assert values['exposure_jump'] == pytest.approx(0.2)
    assert values['exposure_within'] == pytest.approx(1 / 3)


def test_the_median_photograph_counts_and_the_worst_is_told():
    photos = [torch.full((1, 3, 16, 16), level) for level in (0.5, 0.6, 0.9)]
    values = measure_exposures(lambda x: torch.full_like(x, 0.5), photos, [1, 0.1])
    assert values['exposure_distance'] == pytest.approx(0.1, abs=1e-6)
    assert values['exposure_distance_worst'] == pytest.approx(0.4, abs=1e-6) and values['exposure_jump'] == 0


def test_chroma_of_pairs():
    low, gt = photograph(1, 0.1), photograph(1)
    assert measure_chroma(lambda x: x * 5, [(low, gt)])['chroma'] == pytest.approx(1, abs=0.01)


def test_limits():
    demand = Demand('x', least=0.9, most=1.15)
    assert demand.limits() == 'at least 0.9 and at most 1.15'
    assert [demand.holds(v) for v in (0.89, 0.9, 1.15, 1.16, math.nan)] == [False, True, True, False, False]
    assert middle(torch.tensor([3.0, 1.0, 2.0])) == 2 and middle(torch.tensor([4.0, 1.0, 2.0, 3.0])) == 2.5


def test_table():
    table = as_markdown(dict(black=0.2, white=0.99, exposure_within=0.5)).splitlines()
    assert len(table) == 4
    assert table[2] == '| black picture, brightest value | 0.200 | at most 0.03 | **no** |'
    assert table[3].endswith('| 0.990 | at least 0.97 | yes |')


@pytest.mark.parametrize(('level', 'expected'), [(0.29, False), (0.31, True)])
def test_well_lit(level, expected):
    assert is_well_lit(torch.full((1, 3, 8, 8), level)) == expected
