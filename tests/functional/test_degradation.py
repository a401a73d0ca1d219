"""The synthesis against stated formulas: curves and their inverses, slopes, noise variance, exposure, determinism."""
from dataclasses import replace

import numpy as np
import pytest

from isalux_mm.functional import degradation as deg

REFERENCE = deg.Degradation(stops=-3.0, slope=1.8, shot=1e-3, read=2e-3, gains=(1.1, 1.0, 0.9))


@pytest.fixture
def ramp():
    """A grey ramp over [0.05, 0.95], (64, 512, 3)."""
    return np.repeat(np.tile(np.linspace(0.05, 0.95, 512, dtype=np.float32), (64, 1))[..., None], 3, axis=2)


def test_gamma():
    np.testing.assert_allclose(deg.gamma_expand(np.float32([0, 0.5, 1])), [0, 0.2176376, 1], rtol=1e-5)  # 0.5^2.2
    np.testing.assert_allclose(deg.gamma_compress(deg.gamma_expand(np.float32([0.01, 0.7]))), [0.01, 0.7], rtol=1e-4)


@pytest.mark.parametrize('slope', [1.0, 1.3, 2.6])
def test_tone_curve_toe_and_inverse(slope, ramp):
    np.testing.assert_allclose(deg.tone_curve(deg.tone_curve(ramp, slope), 1 / slope), ramp, atol=1e-4)
    dark = np.geomspace(1e-4, 1e-3, 50).astype(np.float32)
    fitted = np.polyfit(np.log(dark), np.log(deg.tone_curve(dark, slope)), 1)[0]
    assert fitted == pytest.approx(slope, rel=0.01)
    fixed = np.float32([0, 0.5, 1])
    np.testing.assert_allclose(deg.tone_curve(fixed, slope), fixed, atol=1e-6)


def test_values_just_outside_the_range_give_no_nan():
    image = np.float32([-1e-6, 1 + 1e-6])
    assert np.isfinite(deg.unprocess(image, 1.2)).all() and np.isfinite(deg.process(image, 2.0)).all()


def test_one_stop_halves_linear_light():
    np.testing.assert_allclose(deg.expose(np.float32([[[0.4, 0.4, 0.4]]]), -1, (1, 2, 0.5)), [[[0.2, 0.4, 0.1]]])


@pytest.mark.parametrize('slope, ratio', [(1.1, 0.3), (1.9, 0.15), (2.4, 0.1)])
def test_log_log_slope_over_the_reference(slope, ratio, ramp):
    """Measured on LOL: slopes of 1.3 to 2.7 at ratios of 0.06 to 0.27; a power law would give 1 at any exposure."""
    drawn = deg.Degradation(stops=0.0, slope=slope)
    low = deg.process(deg.expose(deg.unprocess(ramp), deg.solve_stops(ramp, drawn, ratio)), slope)
    middle = (ramp > 0.1) & (ramp < 0.7)
    fitted = np.polyfit(np.log(ramp[middle]), np.log(low[middle]), 1)[0]
    assert slope - 0.05 < fitted < slope + 0.35
    assert 1.1 < fitted < 2.8


@pytest.mark.parametrize('noise', [dict(), dict(poisson=True), dict(noise_sigma=0.7)])
@pytest.mark.parametrize('level', [0.02, 0.3])
def test_noise_variance_is_shot_times_signal_plus_read_squared(noise, level):
    drawn = replace(REFERENCE, shot=2e-3, read=5e-3, **noise)
    flat = np.full((300, 300, 3), level, np.float32)
    noisy = deg.add_noise(flat, drawn, np.random.default_rng(0))
    assert noisy.mean() == pytest.approx(level, abs=2e-4)
    assert noisy.var() == pytest.approx(2e-3 * level + 5e-3**2, rel=0.05)


@pytest.mark.parametrize('ratio', [0.06, 0.15, 0.3])
def test_solved_stops_meet_the_mean_ratio(ratio, ramp):
    drawn = replace(REFERENCE, shot=0.0, read=0.0)
    drawn = replace(drawn, stops=deg.solve_stops(ramp, drawn, ratio))
    low = deg.degrade(ramp, drawn, np.random.default_rng(0))
    assert deg.mean_luma(low) / deg.mean_luma(ramp) == pytest.approx(ratio, rel=0.03)


@pytest.mark.parametrize('luma', [0.25, 0.45, 0.65])
def test_exposure_is_normalised_without_clipping(luma, ramp):
    normal = deg.normalize_exposure(ramp, luma)
    assert deg.mean_luma(normal) == pytest.approx(luma, abs=0.01)
    assert normal.max() < 1 and (np.diff(normal[0, :, 0]) > 0).all()


def test_low_images_are_8_bit_levels_in_range(ramp):
    low = deg.degrade(ramp, REFERENCE, np.random.default_rng(0))
    assert low.dtype == np.float32 and low.min() >= 0 and low.max() <= 1
    np.testing.assert_allclose(low * 255, np.round(low * 255), atol=1e-3)


def test_same_seed_same_picture(ramp):
    draws = []
    for seed in (3, 3, 4):
        rng = np.random.default_rng(seed)
        draws.append(deg.degrade(ramp, deg.sample_degradation(ramp, deg.DegradationRanges(jpeg_share=0.5), rng), rng))
    np.testing.assert_array_equal(draws[0], draws[1])
    assert np.abs(draws[0] - draws[2]).max() > 0.01


def test_draws_lie_in_their_ranges(ramp):
    ranges, rng = deg.DegradationRanges(jpeg_share=1.0), np.random.default_rng(0)
    for _ in range(30):
        drawn = deg.sample_degradation(ramp, ranges, rng)
        assert ranges.slope[0] <= drawn.slope <= ranges.slope[1]
        assert ranges.shot[0] <= drawn.shot <= ranges.shot[1]
        assert ranges.jpeg_quality[0] <= drawn.jpeg_quality <= ranges.jpeg_quality[1]
        low = deg.degrade(ramp, replace(drawn, gains=(1, 1, 1), shot=0, read=0), rng)
        assert 0.045 < deg.mean_luma(low) / deg.mean_luma(ramp) < 0.32


def test_jpeg_changes_the_picture_and_keeps_its_mean(ramp):
    plain, coded = (deg.degrade(ramp, replace(REFERENCE, shot=0, read=0, jpeg_quality=q), np.random.default_rng(0))
                    for q in (0, 30))
    assert np.abs(plain - coded).max() > 0.004
    assert coded.mean() == pytest.approx(plain.mean(), abs=0.005)


@pytest.mark.parametrize('options, message', [
    (dict(slope=(2.0, 1.0)), r'slope must be \(lowest, highest\), got \(2.0, 1.0\)'),
    (dict(shot=(0.0, 1e-3)), 'shot must be positive'),
    (dict(jpeg_share=1.5), r'jpeg_share must be in \[0, 1\], got 1.5'),
])
def test_bad_ranges(options, message):
    with pytest.raises(ValueError, match=message):
        deg.DegradationRanges(**options)


def test_bad_target():
    with pytest.raises(ValueError, match=r'target_luma must be in \(0, 1\), got 1.2'):
        deg.normalize_exposure(np.zeros((2, 2, 3), np.float32), 1.2)
