"""Colour grading by hand: what each of its numbers changes, and what it leaves alone."""
import numpy as np
import pytest
from skimage import data

from isalux_mm.functional.development import LUMA, mean_luma
from isalux_mm.functional.grading import grade


@pytest.fixture(scope='module')
def photo() -> np.ndarray:
    return data.astronaut()[::4, ::4].astype(np.float32) / 255


def test_nothing_asked_nothing_changed(photo):
    np.testing.assert_allclose(grade(photo), photo, atol=1e-6)


def test_neutrality_takes_the_mean_cast_off(photo):
    tinted = photo * np.float32([1.0, 0.8, 0.5])
    means = grade(tinted, neutrality=1.0).reshape(-1, 3).mean(0)
    assert np.ptp(means) < 0.005 < 0.2 < np.ptp(tinted.reshape(-1, 3).mean(0))
    half = grade(tinted, neutrality=0.5).reshape(-1, 3).mean(0)
    before = np.log(tinted.reshape(-1, 3).mean(0))
    assert np.log(half[0] / half[2]) == pytest.approx(0.5 * (before[0] - before[2]), abs=0.01)


def test_contrast_is_an_exponent_about_the_mean(photo):
    gray = np.repeat((photo @ LUMA)[..., None], 3, axis=2)
    softer = grade(gray, contrast=0.8)
    assert mean_luma(softer) == pytest.approx(mean_luma(gray), abs=1e-4)
    ratio = np.log(softer[10, 10, 0] / softer[100, 60, 0]) / np.log(gray[10, 10, 0] / gray[100, 60, 0])
    assert ratio == pytest.approx(0.8, abs=0.01)
    white = np.ones((4, 4, 3), np.float32)
    white[:, :2] = 0.25
    assert grade(white, contrast=0.8).max() == pytest.approx(0.625 / ((1 + 0.25**0.8) / 2), abs=1e-3)


def test_saturation_is_a_factor_of_the_distance_from_the_luma(photo):
    calm = 0.4 + 0.2 * photo  # nothing clips
    luma = (calm @ LUMA)[..., None]
    for factor in (0.0, 0.5, 1.5):
        np.testing.assert_allclose(grade(calm, saturation=factor), luma + factor * (calm - luma), atol=1e-5)


def test_brightness_is_a_factor_of_the_mean_luma(photo):
    calm = 0.2 + 0.3 * photo  # nothing clips
    for factor in (0.7, 1.0, 1.4):
        np.testing.assert_allclose(grade(calm, brightness=factor), factor * calm, atol=1e-5)
    softer = grade(calm, 0.8, 0.5, 0.9, brightness=1.2)
    assert mean_luma(softer) == pytest.approx(1.2 * mean_luma(calm), rel=1e-3)


def test_black_and_extreme_pictures_stay_pictures():
    for value in (0.0, 1.0):
        out = grade(np.full((3, 5, 3), value, np.float32), 0.7, 1.0, 2.0)
        assert out.dtype == np.float32 and out.tolist() == pytest.approx(np.full((3, 5, 3), value), abs=1e-6)
    red = np.zeros((3, 5, 3), np.float32)
    red[..., 0] = 1
    out = grade(red, 0.8, 1.0, 1.4)
    assert np.isfinite(out).all() and out.min() >= 0 and out.max() <= 1
