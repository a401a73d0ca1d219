"""Darkness of a given draw against stated formulas: noise variance, exposure, levels, blur."""
from dataclasses import replace

import numpy as np
import pytest

from isalux_mm.functional import degradation as deg
from isalux_mm.functional.degradation_ranges import Degradation
from isalux_mm.functional.development import (
    LUMA,
    mean_luma,
    process,
    unprocess,
)

DRAW = Degradation(stops=-3.0, toe=1.8, shot=1e-3, read=2e-3, gains=(1.1, 1.0, 0.9))


@pytest.fixture
def ramp():
    """A grey ramp over [0.05, 0.95], (64, 512, 3)."""
    return np.repeat(np.tile(np.linspace(0.05, 0.95, 512, dtype=np.float32), (64, 1))[..., None], 3, axis=2)


def slope_of(low, reference):
    """Regression of log low on log reference between the percentiles at which the slope is defined."""
    luma = reference[0] @ LUMA
    middle = (luma >= np.quantile(luma, 0.1)) & (luma <= min(np.quantile(luma, 0.9), 0.85))
    return np.polyfit(np.log(luma[middle]), np.log((low[0] @ LUMA)[middle]), 1)[0]


def test_values_just_outside_the_range_give_no_nan():
    image = np.float32([[[-1e-6, 1 + 1e-6, 1.0]]])
    assert np.isfinite(unprocess(image, 1.2)).all() and np.isfinite(process(image, 2.0)).all()
    assert np.isfinite(deg.degrade(image, DRAW, np.random.default_rng(0))).all()


def test_one_stop_halves_linear_light():
    np.testing.assert_allclose(deg.expose(np.float32([[[0.4, 0.4, 0.4]]]), -1, (1, 2, 0.5)), [[[0.2, 0.4, 0.1]]])


def test_a_power_law_has_the_slope_one(ramp):
    """What the toe is for: far above sRGB's linear part, a gain alone is a factor."""
    low = process(deg.expose(unprocess(ramp), -1))
    assert slope_of(low, ramp) == pytest.approx(1, abs=0.12)


@pytest.mark.parametrize('noise', [dict(), dict(poisson=True), dict(noise_sigma=0.7)])
@pytest.mark.parametrize('level', [0.02, 0.3])
def test_noise_variance_is_shot_times_signal_plus_read_squared(noise, level):
    drawn = replace(DRAW, shot=2e-3, read=5e-3, **noise)
    flat = np.full((300, 300, 3), level, np.float32)
    noisy = deg.add_noise(flat, drawn, np.random.default_rng(0))
    assert noisy.mean() == pytest.approx(level, abs=2e-4)
    assert noisy.var() == pytest.approx(2e-3 * level + 5e-3**2, rel=0.05)


def test_correlated_noise_is_correlated():
    """White noise under a Gaussian of s pixels: neighbours correlate by exp(-1 / (4 s^2)), 0.60 for s = 0.7."""
    drawn = replace(DRAW, shot=0.0, read=1.0, noise_sigma=0.7)
    noise = deg.add_noise(np.zeros((400, 400, 3), np.float32), drawn, np.random.default_rng(0))
    assert (noise[:, 1:] * noise[:, :-1]).mean() == pytest.approx(0.60, abs=0.03)


@pytest.mark.parametrize('luma', [0.3, 0.45, 0.65])
def test_exposure_is_normalized_without_clipping(luma, ramp):
    normal = deg.normalize_exposure(ramp, luma)
    assert mean_luma(normal) == pytest.approx(luma, abs=0.005)
    assert normal.max() < 1 and (np.diff(normal[0, :, 0]) > 0).all()


def test_low_images_are_8_bit_levels_in_range(ramp):
    low = deg.degrade(ramp, DRAW, np.random.default_rng(0))
    assert low.dtype == np.float32 and low.min() >= 0 and low.max() <= 1
    np.testing.assert_allclose(low * 255, np.round(low * 255), atol=1e-3)


def test_tables_agree_with_the_curves_to_a_level(ramp):
    drawn = replace(DRAW, shot=0.0, read=0.0, reference_toe=1.2)
    exact = process(deg.expose(unprocess(ramp, 1.2), drawn.stops, drawn.gains), drawn.toe)
    np.testing.assert_allclose(deg.degrade(ramp, drawn, np.random.default_rng(0)), exact, atol=0.76 / 255)


def test_blur_and_jpeg(ramp):
    checker = np.indices((64, 64)).sum(0)[..., None] % 2 * np.ones(3, np.float32) * 0.9
    plain = replace(DRAW, shot=0.0, read=0.0)
    sharp, soft, coded = (deg.degrade(checker.astype(np.float32), d, np.random.default_rng(0))
                          for d in (plain, replace(plain, blur_sigma=0.9), replace(plain, jpeg_quality=20)))
    assert soft.std() < 0.3 * sharp.std()
    assert np.abs(coded - sharp).max() > 0.004


def test_bad_target():
    with pytest.raises(ValueError, match=r'target_luma must be in \(0, 1\), got 1.2'):
        deg.normalize_exposure(np.zeros((2, 2, 3), np.float32), 1.2)
