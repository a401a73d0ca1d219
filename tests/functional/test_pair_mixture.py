"""Training samples: charts, lamps, pale photographs in their shares; what the target's exposure is."""
from dataclasses import replace

import cv2
import numpy as np
import pytest
from skimage import data

from isalux_mm.functional.degradation_ranges import CAMERAS, PLAIN
from isalux_mm.functional.development import LUMA, mean_luma
from isalux_mm.functional.pair_mixture import PairMixture, check_band, keep_luma, mixed_pair

PHOTOGRAPHS = PairMixture(chart_share=0.0, lamp_share=0.0, pale_share=0.0)
NIGHT = replace(CAMERAS, lit_share=0.0, extreme_share=0.0)


@pytest.fixture(scope='module')
def coffee():
    """scikit-image's coffee, 96x144."""
    return cv2.resize(data.coffee().astype(np.float32) / 255, (144, 96), interpolation=cv2.INTER_AREA)


def drawn(image, ranges, mixture, count=60):
    return [mixed_pair(image, ranges, mixture, np.random.default_rng(seed)) for seed in range(count)]


def test_a_photograph_is_its_own_target_at_night(coffee):
    for low, target, _ in drawn(coffee, NIGHT, PHOTOGRAPHS, 8):
        assert target is coffee and 0.02 < mean_luma(low) / mean_luma(coffee) < 0.4


def test_charts_are_neutral_in_their_share(coffee):
    pairs = drawn(coffee, CAMERAS, PairMixture(chart_share=0.5, lamp_share=0.0, pale_share=0.0), 80)
    charts = [(low, target) for low, target, _ in pairs if not np.array_equal(target, coffee)
              and np.quantile(np.ptp(target, axis=2), 0.8) < 1e-3]
    assert len(charts) / len(pairs) == pytest.approx(0.5, abs=0.15)
    for low, _ in charts:
        casts = low.mean((0, 1)) / max(low.mean(), 1e-3)
        assert np.ptp(casts) < 0.15 or low.mean() < 8 / 255  # noise and rounding


def test_charts_stay_neutral_whatever_cameras_do(coffee):
    ranges = replace(
        CAMERAS, noise_levels=(1e-3, 1e-3), tinted_share=1.0, camera_share=1.0, gain_jitter=0.3, black=(0.1, 0.2),
        red_black=(0.1, 0.2), blue_black=(-0.2, -0.1))
    for low, _, draw in drawn(coffee, ranges, PairMixture(chart_share=1.0), 60):
        if not draw.highlights:  # lamps are coloured
            assert np.ptp(low.mean((0, 1))) < 1 / 255


@pytest.mark.parametrize('luma', [0.8, 0.9, 0.97, 1.0])
def test_what_is_nearly_white_has_little_noise(luma):
    """White is clipped: a deviation that is measured there says nothing of what is to be drawn."""
    image = np.clip(np.random.default_rng(0).normal(luma, 0.02, (32, 32, 3)), 0, 1).astype(np.float32)
    ranges = replace(CAMERAS, lit_share=1.0, extreme_share=0.0)
    calm = [(low, target) for low, target, draw in drawn(image, ranges, PHOTOGRAPHS) if draw.own_target]
    assert len(calm) > 10
    for low, target in calm:
        assert (low - target).std() < 2 / 255


def test_a_bright_chart_is_never_black(coffee):
    """Black means black: a field of a mean of 4 levels or more does not fall below them."""
    ranges = replace(CAMERAS, extreme_share=1.0, lit_share=0.0, extreme_ratio=(0.005, 0.01))
    for low, target, _ in drawn(coffee, ranges, PairMixture(chart_share=1.0), 40):
        if mean_luma(target) > 5 / 255:
            assert mean_luma(low) > 2.5 / 255
        elif target.max() == 0:
            assert mean_luma(low) < 2 / 255


def test_lamps_are_laid_over_the_target_and_clip_in_both(coffee):
    mixture = PairMixture(chart_share=0.0, lamp_share=1.0, pale_share=0.0)
    ranges = replace(NIGHT, mean_ratio=(0.3, 0.3), slope=(1.0, 1.0))
    for _, target, draw in drawn(coffee, ranges, mixture, 12):
        assert (target >= coffee - 1e-6).all() and (target > coffee + 0.1).any() and draw.highlights >= 3


def test_pale_photographs_keep_their_luma(coffee):
    mixture = PairMixture(chart_share=0.0, lamp_share=0.0, pale_share=1.0, pale=(0.25, 0.25))
    _, target, _ = drawn(coffee, NIGHT, mixture, 1)[0]
    luma = (coffee @ LUMA)[..., None]
    np.testing.assert_allclose(target, luma + 0.25 * (coffee - luma), atol=1e-5)


def test_a_seed_fixes_all_of_it(coffee):
    mixture = PairMixture(chart_share=0.3, lamp_share=0.3)
    for first, second in zip(drawn(coffee, CAMERAS, mixture, 6), drawn(coffee, CAMERAS, mixture, 6)):
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])


def test_without_a_mixture_the_plain_base_is_untouched(coffee):
    """What is drawn before the darkness comes from a child of the generator: the darkness is the same."""
    with_lamps, without = (mixed_pair(coffee, PLAIN, mixture, np.random.default_rng(3))[2]
                           for mixture in (replace(PHOTOGRAPHS, pale_share=1.0), PHOTOGRAPHS))
    assert replace(with_lamps, stops=0, toe=1) == replace(without, stops=0, toe=1)


@pytest.mark.parametrize('luma, expected', [(0.1, 0.34), (0.45, 0.45), (0.8, 0.65)])
def test_the_band_of_luma(luma, expected):
    ramp = np.repeat(np.linspace(0.5, 1.5, 64, dtype=np.float32)[:, None, None], 3, 2) * np.float32(luma)
    image = np.clip(np.tile(ramp, (1, 40, 1)), 0, 1)
    kept = keep_luma(image, (0.34, 0.65))
    assert mean_luma(kept) == pytest.approx(expected, abs=0.02)
    assert kept is image or expected != luma


@pytest.mark.parametrize('band', [(0.6, 0.4), (0.0, 0.5), (0.5, 0.99), (0.5, )])
def test_bad_bands(band):
    with pytest.raises(ValueError, match=r'luma_band must be \(lowest, highest\) in \[0.05, 0.95\], got'):
        check_band(band, 'luma_band')


@pytest.mark.parametrize('options, message', [
    (dict(chart_share=1.2), r'chart_share must be in \[0, 1\], got 1.2'),
    (dict(pale=(0.8, 0.2)), r'pale must be \(lowest, highest\) in \[0, 1\], got \(0.8, 0.2\)')])
def test_bad_mixtures(options, message):
    with pytest.raises(ValueError, match=message):
        PairMixture(**options)
