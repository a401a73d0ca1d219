"""Noise of variance one: correlations and shares of colour by hand."""
import numpy as np
import pytest

from isalux_mm.functional.development import LUMA
from isalux_mm.functional.sensor_noise import unit_noise

SHAPE = (400, 400, 3)


def drawn(**options):
    return unit_noise(SHAPE, np.random.default_rng(0), **options)


def neighbors(noise):
    """Correlation of horizontal neighbours of each channel."""
    return (noise[:, 1:] * noise[:, :-1]).mean((0, 1)) / (noise**2).mean((0, 1))


@pytest.mark.parametrize('options', [
    dict(), dict(sigma=0.7), dict(mosaic=True), dict(chroma=0.0), dict(chroma=2.0), dict(sigma=0.5, chroma=0.4),
    dict(channels=(1.9, 1.0, 1.3)), dict(channels=(2.0, 1.0, 1.5), mosaic=True)])
def test_its_variance_is_one(options):
    assert (drawn(**options)**2).mean() == pytest.approx(1, abs=0.02)


def test_white_noise_has_no_neighbors():
    np.testing.assert_allclose(neighbors(drawn()), 0, atol=0.01)


def test_demosaicing_correlates_neighbors_red_and_blue_more_than_green():
    """Bilinear interpolation: along a row of red samples the covariance is 1/2, between the rows 1/4, on average 3/8 of
    a variance of 9/16: 2/3. Green: a sample and the mean of four that holds it, 1/4 of 5/8: 2/5."""
    np.testing.assert_allclose(neighbors(drawn(mosaic=True)), [2 / 3, 2 / 5, 2 / 3], atol=0.02)


def test_no_chroma_is_gray():
    noise = drawn(chroma=0.0)
    np.testing.assert_allclose(noise[..., 0], noise[..., 2], atol=1e-5)


@pytest.mark.parametrize('chroma', [0.5, 1.0, 2.0])
def test_chroma_over_luma_by_hand(chroma):
    """Independent channels: the luma's variance is .299^2 + .587^2 + .114^2 = .447, that of the distance from it, mean
    of the channels, 1 - 2/3 + .447 = .780: a ratio of deviations of 1.321."""
    noise = drawn(chroma=chroma)
    luma = noise @ LUMA
    assert (noise - luma[..., None]).std() / luma.std() == pytest.approx(1.321 * chroma, rel=0.01)


@pytest.mark.parametrize('options', [dict(), dict(sigma=0.6), dict(mosaic=True)])
def test_channels_have_their_deviations(options):
    red, green, blue = drawn(channels=(1.8, 1.0, 1.2), **options).std((0, 1))
    assert (red / green, blue / green) == pytest.approx((1.8, 1.2), rel=0.02)


def test_like_channels_are_as_without():
    np.testing.assert_array_equal(drawn(channels=(2.0, 2.0, 2.0)), drawn())


def test_demosaiced_or_smoothed():
    with pytest.raises(ValueError, match='demosaiced or smoothed, not both, got mosaic=True and sigma=0.5'):
        drawn(mosaic=True, sigma=0.5)
