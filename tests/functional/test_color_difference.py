"""CIEDE2000 against scikit-image and the published pairs; angles by hand."""
import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from isalux_mm.functional import color_difference
from isalux_mm.functional.color_difference import ciede2000, color_angle, delta_e_2000, lab_of

# Sharma, Wu and Dalal, 2005, Table 1: L*, a*, b* of both, CIEDE2000. Hues to both sides of zero, greys, near neighbours
PUBLISHED = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
    ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
    ((50, -0.001, 2.49), (50, 0.0011, -2.49), 4.7461),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(('first', 'second', 'expected'), PUBLISHED)
def test_published_pairs(first, second, expected):
    for pair in ((first, second), (second, first)):
        assert delta_e_2000(*np.array(pair, dtype=np.float64)) == pytest.approx(expected, abs=5e-5)


def test_it_is_scikit_images(monkeypatch):
    monkeypatch.setattr(color_difference, 'AT_ONCE', 350)  # seven rows at a time, of 40
    rng = np.random.default_rng(0)
    pred, gt = rng.uniform(size=(2, 40, 50, 3))
    pred[:5], gt[:5] = 0, rng.uniform(size=(5, 50, 1))  # black and greys
    pred[5:10] = gt[5:10] + 0.002
    np.testing.assert_allclose(lab_of(pred), rgb2lab(pred), atol=1e-9)
    expected = deltaE_ciede2000(rgb2lab(pred), rgb2lab(gt))
    np.testing.assert_allclose(delta_e_2000(lab_of(pred), lab_of(gt)), expected, atol=1e-6)
    assert ciede2000(pred, gt) == pytest.approx(expected.mean(), abs=1e-6)
    assert ciede2000(gt, gt) == 0


def test_angles():
    red, green, yellow, black = np.eye(3)[0], np.eye(3)[1], np.array((0.5, 0.5, 0)), np.zeros(3)
    first, second = np.array([[red, red, yellow, black]]), np.array([[green, yellow, yellow / 7, red]])
    assert color_angle(first, second) == pytest.approx((90 + 45 + 0) / 3)  # without the black pixel
    assert np.isnan(color_angle(first[:, 3:], second[:, 3:]))


def test_angles_of_nearly_equal_colors():
    """An arc cosine would give zero or twice as much."""
    assert color_angle(np.array([[[1, 1e-9, 0]]]), np.array([[[1.0, 0, 0]]])) == pytest.approx(np.degrees(1e-9))
