"""Luminance-order error: by hand, and against the definition written out."""
import numpy as np
import pytest
from scipy.ndimage import maximum_filter

from isalux_mm.functional.luminance_order import luminance_order_error


def test_order_is_kept_by_any_rising_curve():
    image = np.random.default_rng(0).integers(0, 200, (60, 80, 3)) / 255
    assert luminance_order_error(image + 50 / 255, image) == 0


def test_two_halves_exchanged_by_hand():
    """Of 400 columns, local maxima make 193 dark and then bright, 14 bright in both, 193 bright and then dark.

    Orders differ between the first and the last either way, and from either of them to the middle one way.
    """
    image = np.zeros((16, 400, 3))
    image[:, 200:] = 0.5
    pairs = 2 * 193 * 193 + 2 * 193 * 14
    assert luminance_order_error(image, image[:, ::-1]) == pytest.approx(pairs * 16**2 / (16 * 400))


@pytest.mark.parametrize('size', [(37, 53), (120, 170)])
def test_it_is_the_definition(size):
    """Every sample's relation to every other, at once; the function takes them in parts."""
    first, second = np.random.default_rng(1).integers(0, 256, (2, *size, 3))
    step = max(min(size) // 50, 1)
    a, b = (maximum_filter(x.max(axis=2), size=15)[::step, ::step].ravel() for x in (first, second))
    expected = np.logical_xor(a[:, None] >= a[None], b[:, None] >= b[None]).sum() / len(a)
    assert luminance_order_error(first / 255, second / 255) == pytest.approx(expected, abs=1e-9)
