"""Statistics of pairs on pictures made to have them: powers, gains, noise of known deviation."""
import cv2
import numpy as np
import pytest

from isalux_mm.functional.pair_statistics import (
    noise_character,
    noise_deviation,
    pair_statistics,
    saturation,
    shadow_casts,
    spans,
)
from isalux_mm.functional.sensor_noise import unit_noise

SIZE = (120, 160)


@pytest.fixture
def reference():
    """A smooth coloured picture between .2 and .8."""
    coarse = np.random.default_rng(0).uniform(0.2, 0.8, (5, 6, 3)).astype(np.float32)
    return np.clip(cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC), 0.15, 0.85)


@pytest.mark.parametrize('power', [1.0, 1.8, 2.4])
def test_a_power_law_has_its_power_as_slope(power):
    """Of a grey picture, whose luma follows the law; a factor in front changes the ratio alone."""
    ramp = np.repeat(np.tile(np.linspace(0.2, 0.8, 160, dtype=np.float32), (120, 1))[..., None], 3, 2)
    found = pair_statistics((0.5 * ramp**power).astype(np.float32), ramp)
    assert found.slope == pytest.approx(power, abs=0.03)
    assert found.reference_luma == pytest.approx(0.5, abs=1e-3)
    mean = (0.8**(power + 1) - 0.2**(power + 1)) / (0.6 * (power + 1))  # of x^p over [.2, .8]
    assert found.mean_ratio == pytest.approx(0.5 * mean / 0.5, rel=0.01)
    assert (found.clipped, found.saturation) == (0, pytest.approx(1, abs=1))


def test_gains_are_casts_and_leave_no_other_mark(reference):
    low = (reference * np.float32([0.2 * 1.5, 0.2, 0.2 * 0.7])).astype(np.float32)
    found = pair_statistics(low, reference)
    assert (found.red_cast, found.blue_cast) == pytest.approx((1.5, 0.7), rel=1e-4)
    assert found.noise < 0.3


def test_saturation_by_hand():
    """(.4 - .1) / .4 = .75 and (.5 - .4) / .5 = .2: a mean of .475; black counts as grey."""
    assert saturation(np.float32([[0.4, 0.2, 0.1], [0.4, 0.5, 0.45]])) == pytest.approx(0.475, abs=1e-5)
    assert saturation(np.zeros((4, 3), np.float32)) == 0


def test_twice_the_saturation():
    flat = np.full((*SIZE, 3), 0.6, np.float32)
    reference, low = flat * np.float32([1, 0.8, 0.8]), 0.1 * flat * np.float32([1, 0.6, 0.6])
    assert pair_statistics(low, reference).saturation == pytest.approx(2, rel=1e-3)


def test_the_references_look_by_hand():
    """Halves of .2 and .6: mean .4, deviation .2, but for the averaged edge; channels in ratios of 1.2 and .7."""
    halves = np.full((*SIZE, 3), 0.2, np.float32)
    halves[:, SIZE[1] // 2:] = 0.6
    found = pair_statistics(0.1 * halves, halves)
    assert found.reference_contrast == pytest.approx(0.5, abs=0.02)
    assert found.reference_saturation == pytest.approx(0, abs=1e-5)
    assert found.reference_red == found.reference_blue == 1
    tinted = pair_statistics(halves * np.float32([0.2, 0.1, 0.05]), halves * np.float32([1.2, 1, 0.7]))
    assert (tinted.reference_red, tinted.reference_blue) == pytest.approx((1.2, 0.7), rel=1e-3)
    assert tinted.reference_saturation == pytest.approx(1 - 0.7 / 1.2, rel=1e-4)


def test_casts_of_the_shadows_by_hand():
    """Four bands of .2, .4, .6, .8: the first has a cast of (.5, .8), the third one of (2, 1.6)."""
    bands = np.repeat(np.float32([0.2, 0.4, 0.6, 0.8]), 30)[None, :, None] * np.ones((60, 1, 3), np.float32)
    low = 0.1 * bands
    low[:, :30] *= np.float32([0.5, 1, 0.8])
    low[:, 60:90] *= np.float32([2, 1, 1.6])
    assert shadow_casts(low, bands) == pytest.approx((0.25, 0.5), rel=1e-4)
    found = pair_statistics(low, bands)
    assert (found.red_shadows, found.blue_shadows) == pytest.approx((0.25, 0.5), rel=0.15)  # edges are averaged
    plain = pair_statistics(0.1 * bands * np.float32([1.5, 1, 0.7]), bands)
    assert (plain.red_shadows, plain.blue_shadows) == pytest.approx((1, 1), rel=1e-3)


@pytest.mark.parametrize('level', [0.5, 2.0, 6.0])
def test_white_noise_has_its_deviation_in_levels(level, reference):
    low = 0.3 * reference + np.float32(level / 255) * unit_noise(reference.shape, np.random.default_rng(0))
    assert 255 * noise_deviation(low) == pytest.approx(level, rel=0.05)
    assert pair_statistics(low, reference).noise == pytest.approx(level, rel=0.05)


@pytest.mark.parametrize('options, expected', [
    (dict(), (-0.03, 1.32, 1, 1)), (dict(chroma=0.5), (-0.03, 0.66, 0.88, 0.80)), (dict(sigma=0.7), (0.53, 1.32, 1, 1)),
    (dict(channels=(1.6, 1.0, 1.3)), (-0.03, 1.49, 1.6, 1.3))])
def test_character_of_the_noise(options, expected, reference):
    """White noise less its average by a Gaussian of s = 3: neighbours at about -2 / (2 pi s^2) + 1 / (4 pi s^2) = -.03;
    colour of independent channels 1.321 (see the tests of sensor noise); smoothed by .7 pixels
    exp(-1 / (4 * .49)) = .60, less without its average. Half of the chroma leaves each channel c half of its own noise
    and half of the luma's: a variance of .25 + .5 w_c + .25 * .447, w = (.299, .587, .114); deviations of 1.6 and 1.3
    times green's give the luma one of .772 and the distance from it, root mean square, one of 1.147."""
    low = 0.3 + np.float32(0.02) * unit_noise((300, 300, 3), np.random.default_rng(0), **options)
    found = noise_character(low, np.full((300, 300, 3), 0.5, np.float32))
    assert found == pytest.approx(expected, abs=0.04)


def test_zeros_are_counted(reference):
    low = 0.3 * reference
    low[:, :40] = 0
    assert pair_statistics(low, reference).clipped == pytest.approx(0.25)


@pytest.mark.parametrize('value', [0.0, 0.5, 1.0])
def test_flat_pictures_are_no_trouble(value):
    flat = np.full((*SIZE, 3), value, np.float32)
    assert np.isfinite(list(vars(pair_statistics(0 * flat, flat)).values())).all()


def test_spans_by_hand(reference):
    """Of eleven evenly spaced values, 0 to 1 in tenths, the percentiles are .1, .5 and .9."""
    found = [pair_statistics((reference * f).astype(np.float32), reference) for f in np.linspace(0, 1, 11)]
    assert spans(found)['mean_ratio'] == pytest.approx((0.5, 0.1, 0.9), abs=1e-4)


def test_sizes_must_agree(reference):
    with pytest.raises(ValueError, match=r'one size of 16 pixels or more, got \(120, 160, 3\) and \(60, 160, 3\)'):
        pair_statistics(reference, reference[::2])
