"""The synthesis against stated formulas: curves and their inverses, slopes, noise variance, exposure, determinism."""
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest

from isalux_mm.functional import degradation as deg
from isalux_mm.functional import degradation_draw as draw
from isalux_mm.functional import development
from isalux_mm.functional.degradation_ranges import Degradation, DegradationRanges
from isalux_mm.functional.development import (
    LUMA,
    linear_to_srgb,
    mean_luma,
    process,
    srgb_to_linear,
    tone_curve,
    unprocess,
)

DRAW = Degradation(stops=-3.0, toe=1.8, shot=1e-3, read=2e-3, gains=(1.1, 1.0, 0.9))
QUIET = dict(gain_jitter=0.0, shot=(1e-9, 1e-9), blurred_share=0.0, correlated_share=0.0)


@pytest.fixture
def ramp():
    """A grey ramp over [0.05, 0.95], (64, 512, 3)."""
    return np.repeat(np.tile(np.linspace(0.05, 0.95, 512, dtype=np.float32), (64, 1))[..., None], 3, axis=2)


def slope_of(low, reference):
    """Regression of log low on log reference between the percentiles at which the slope is defined."""
    luma = reference[0] @ LUMA
    middle = (luma >= np.quantile(luma, 0.1)) & (luma <= min(np.quantile(luma, 0.9), 0.85))
    return np.polyfit(np.log(luma[middle]), np.log((low[0] @ LUMA)[middle]), 1)[0]


def test_srgb_is_iec_61966():
    np.testing.assert_allclose(srgb_to_linear(np.float32([0, 0.04, 0.5, 1])), [0, 0.04 / 12.92, 0.21404, 1],
                               atol=1e-5)
    values = np.linspace(0, 1, 101, dtype=np.float32)
    np.testing.assert_allclose(linear_to_srgb(srgb_to_linear(values)), values, atol=1e-5)


@pytest.mark.parametrize('toe', [1.0, 1.3, 2.6])
def test_tone_curve_toe_and_inverse(toe, ramp):
    np.testing.assert_allclose(tone_curve(tone_curve(ramp, toe), 1 / toe), ramp, atol=1e-4)
    dark = np.geomspace(1e-4, 1e-3, 50).astype(np.float32)
    fitted = np.polyfit(np.log(dark), np.log(tone_curve(dark, toe)), 1)[0]
    assert fitted == pytest.approx(toe, rel=0.01)
    fixed = np.float32([0, 0.5, 1])
    np.testing.assert_allclose(tone_curve(fixed, toe), fixed, atol=1e-6)


def test_values_just_outside_the_range_give_no_nan():
    image = np.float32([[[-1e-6, 1 + 1e-6, 1.0]]])
    assert np.isfinite(unprocess(image, 1.2)).all() and np.isfinite(process(image, 2.0)).all()
    assert np.isfinite(deg.degrade(image, DRAW, np.random.default_rng(0))).all()


def test_one_stop_halves_linear_light():
    np.testing.assert_allclose(deg.expose(np.float32([[[0.4, 0.4, 0.4]]]), -1, (1, 2, 0.5)), [[[0.2, 0.4, 0.1]]])


@pytest.mark.parametrize('slope, ratio', [(1.2, 0.3), (1.4, 0.06), (1.9, 0.15), (2.1, 0.1), (2.6, 0.05)])
def test_solved_slope_and_ratio_are_measured_on_the_ramp(slope, ratio, ramp):
    """Measured on LOL: slopes of 1.3 to 2.7 at ratios of 0.06 to 0.27."""
    drawn = draw.solve_development(ramp, Degradation(stops=0.0, reference_toe=1.1, bits=12), slope, ratio)
    low = deg.degrade(ramp, drawn, np.random.default_rng(0))
    assert mean_luma(low) / mean_luma(ramp) == pytest.approx(ratio, rel=0.03)
    assert slope_of(low, ramp) == pytest.approx(slope, abs=0.25)
    anchors = draw.log_slope(drawn, float(np.quantile(ramp, 0.1)), 0.85)
    assert anchors == pytest.approx(slope, abs=0.02)


def test_a_power_law_has_the_slope_one(ramp):
    """What the toe is for: far above sRGB's linear part, a gain alone is a factor."""
    low = process(deg.expose(unprocess(ramp), -1))
    assert slope_of(low, ramp) == pytest.approx(1, abs=0.12)


def test_stops_are_kept_where_no_ratio_is_given(ramp):
    ranges = DegradationRanges(mean_ratio=None, stops=(-3, -3), slope=None, reference_toe=(1, 1), **QUIET)
    drawn = draw.sample_degradation(ramp, ranges, np.random.default_rng(0))
    assert (drawn.stops, drawn.toe) == (-3, 1)
    low = deg.degrade(ramp, drawn, np.random.default_rng(0))
    np.testing.assert_allclose(low, linear_to_srgb(srgb_to_linear(ramp) / 8), atol=0.6 / 255)


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


def test_read_noise_follows_brooks_et_al(ramp):
    """log read variance = 2.18 log shot + 1.20 (Brooks et al., 2019, Sec. 3.1): shot 1e-3 gives 9.4e-7."""
    ranges = DegradationRanges(shot=(1e-3, 1e-3), read_spread=0.0, noise_left=(0.5, 0.5))
    drawn = draw.sample_degradation(ramp, ranges, np.random.default_rng(0))
    assert drawn.shot == pytest.approx(0.25e-3)
    assert drawn.read**2 == pytest.approx(0.25 * np.exp(1.20) * 1e-3**2.18, rel=1e-4)


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


def test_same_seed_same_picture(ramp):
    ranges = DegradationRanges(jpeg_share=0.5)
    first, second, third, other = (
        draw.synthesize_pair(ramp, ranges, (0.45, 0.04), deg.seeded_generator(seed, name))
        for seed, name in ((3, 'a'), (3, 'a'), (4, 'a'), (3, 'b')))
    for kind in (0, 1):
        np.testing.assert_array_equal(first[kind], second[kind])
    assert first[2] == second[2]
    assert np.abs(first[0] - third[0]).max() > 0.01 and np.abs(first[0] - other[0]).max() > 0.01


def test_chance_does_not_depend_on_the_picture(ramp):
    """A repaired or resized photograph keeps the noise and gains of its draw."""
    draws = [draw.sample_degradation(image, DegradationRanges(), np.random.default_rng(5))
             for image in (ramp, ramp[:, :100] * 0.5)]
    assert draws[0] != draws[1]
    assert replace(draws[0], stops=0, toe=1) == replace(draws[1], stops=0, toe=1)


def test_draws_lie_in_their_ranges_and_cover_them(ramp):
    ranges, rng = DegradationRanges(jpeg_share=1.0), np.random.default_rng(0)
    slopes, ratios = [], []
    for _ in range(60):
        drawn = draw.sample_degradation(ramp, ranges, rng)
        assert 70 <= drawn.jpeg_quality <= 95 and 1 <= drawn.reference_toe <= 1.2
        assert ranges.noise_left[0]**2 * 1e-4 <= drawn.shot <= ranges.noise_left[1]**2 * 1.2e-2
        clean = replace(drawn, gains=(1, 1, 1), shot=0.0, read=0.0, jpeg_quality=0, blur_sigma=0.0, bits=12)
        low = deg.degrade(ramp, clean, rng)
        slopes.append(slope_of(low, ramp))
        ratios.append(mean_luma(low) / mean_luma(ramp))
    assert 1.0 < min(slopes) < 1.4 and 2.3 < max(slopes) < 2.9
    assert 0.04 < min(ratios) < 0.07 and 0.24 < max(ratios) < 0.33


@pytest.mark.parametrize('value', [0.0, 1.0, 0.5])
def test_flat_pictures_are_no_trouble(value):
    flat = np.full((9, 7, 3), value, np.float32)
    low, reference, _ = draw.synthesize_pair(flat, DegradationRanges(), (0.45, 0.04), np.random.default_rng(0))
    assert np.isfinite(low).all() and np.isfinite(reference).all()
    assert low.mean() <= max(reference.mean(), 0.05)


def test_blur_and_jpeg(ramp):
    checker = np.indices((64, 64)).sum(0)[..., None] % 2 * np.ones(3, np.float32) * 0.9
    plain = replace(DRAW, shot=0.0, read=0.0)
    sharp, soft, coded = (deg.degrade(checker.astype(np.float32), d, np.random.default_rng(0))
                          for d in (plain, replace(plain, blur_sigma=0.9), replace(plain, jpeg_quality=20)))
    assert soft.std() < 0.3 * sharp.std()
    assert np.abs(coded - sharp).max() > 0.004


def test_a_picture_of_lol_size_is_fast_enough_to_train_on(ramp, monkeypatch):
    """About 0.04 CPU seconds at 600 x 400: neither loops in Python nor values in powers grow with the picture."""
    curve, before, costs = tone_curve, sys.getprofile(), []
    for size in ((60, 40), (600, 400)):
        image, calls, values = cv2.resize(ramp, size), [], []
        monkeypatch.setattr(development, 'tone_curve',
                            lambda x, toe, seen=values: (seen.append(np.size(x)), curve(x, toe))[1])
        sys.setprofile(lambda frame, event, _, seen=calls: seen.append(event) if event == 'call' else None)
        try:
            draw.synthesize_pair(image, DegradationRanges(), (0.45, 0.04), np.random.default_rng(0))
        finally:
            sys.setprofile(before)
        costs.append((len(calls), sum(values)))
    (few, small), (many, large) = costs
    assert large < 2 * small and many < few + 100  # of a hundred times the pixels


@pytest.mark.parametrize('options, message', [
    (dict(slope=(2.0, 1.0)), r'slope must be \(lowest, highest\), got \(2.0, 1.0\)'),
    (dict(shot=(0.0, 1e-3)), 'shot must be positive'),
    (dict(jpeg_share=1.5), r'jpeg_share must be in \[0, 1\], got 1.5'),
    (dict(bits=16), r'bits must be in \[1, 12\], got 16'),
])
def test_bad_ranges(options, message):
    with pytest.raises(ValueError, match=message):
        DegradationRanges(**options)


def test_bad_target():
    with pytest.raises(ValueError, match=r'target_luma must be in \(0, 1\), got 1.2'):
        deg.normalize_exposure(np.zeros((2, 2, 3), np.float32), 1.2)
