"""Curves and their inverses, colours between cameras: stated formulas, hand computations."""
import numpy as np
import pytest

from isalux_mm.functional.development import (
    RGB_TO_XYZ,
    XYZ_TO_CAMERAS,
    camera_matrix,
    develop,
    linear_to_srgb,
    process,
    saturation_matrix,
    srgb_to_linear,
    tone_curve,
)

ONE, OTHER, BLEND = (1, 0, 0, 0), (0, 0, 1, 0), (0.2, 0.3, 0.4, 0.1)


@pytest.fixture
def ramp():
    """A grey ramp over [0.05, 0.95], (64, 512, 3)."""
    return np.repeat(np.tile(np.linspace(0.05, 0.95, 512, dtype=np.float32), (64, 1))[..., None], 3, axis=2)


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


def test_a_camera_with_its_own_matrix_changes_nothing():
    np.testing.assert_allclose(camera_matrix(BLEND, BLEND), np.eye(3), atol=1e-12)
    np.testing.assert_allclose(camera_matrix(ONE, [2 * w for w in ONE]), np.eye(3), atol=1e-12)


@pytest.mark.parametrize('seen, assumed', [(ONE, OTHER), (OTHER, BLEND)])
def test_gray_stays_gray_between_cameras(seen, assumed):
    np.testing.assert_allclose(camera_matrix(seen, assumed).sum(1), 1, atol=1e-9)


def test_a_matrix_between_cameras_leads_over_the_raw_colors():
    """First row of the first camera by hand: (1.0234, -0.2969, -0.2266) times RGB_TO_XYZ is (0.3546, 0.1266, -0.0521),
    over its sum, 0.4291, (0.826, 0.295, -0.121)."""
    raw = XYZ_TO_CAMERAS[2] @ RGB_TO_XYZ
    assumed = raw / raw.sum(1, keepdims=True)
    np.testing.assert_allclose((assumed @ camera_matrix(ONE, OTHER))[0], [0.826, 0.295, -0.121], atol=1e-3)


def test_saturation_by_hand():
    """The luma of (.5, .3, .1) is .299 * .5 + .587 * .3 + .114 * .1 = .337; the distances from it double."""
    np.testing.assert_allclose(saturation_matrix(2.0) @ (0.5, 0.3, 0.1), [0.663, 0.263, -0.137], atol=1e-6)
    np.testing.assert_allclose(saturation_matrix(0.0) @ (0.5, 0.3, 0.1), [0.337] * 3, atol=1e-6)


@pytest.mark.parametrize('share, expected', [(0.0, (0.3077, 0.0588)), (1.0, (0.1689, 0.0844)), (0.5, (0.2383, 0.0716))])
@pytest.mark.parametrize('size', [1, 100])  # computed, and looked up in a table
def test_the_curve_on_luma_or_channels_by_hand(share, expected, size):
    """(.4, .2, .2) under x^2 / (x^2 + (1 - x)^2). By channel .16 / .52 and .04 / .68; the luma, .2598, becomes .1097,
    which is .4222 of it."""
    linear = np.tile(srgb_to_linear(np.float32([0.4, 0.2, 0.2])), (size, size, 1))
    np.testing.assert_allclose(develop(linear, 2.0, share)[0, 0, :2], expected, atol=2e-4)


def test_gray_is_the_same_for_every_share(ramp):
    linear = srgb_to_linear(ramp)
    np.testing.assert_allclose(develop(linear, 1.7, 1.0), process(linear, 1.7), atol=1e-3)
    np.testing.assert_array_equal(develop(linear, 1.0, 1.0), develop(linear, 1.0, 0.0))
