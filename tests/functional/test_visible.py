"""What is seen of a picture, and what stands in the place of the rest."""
import numpy as np
import pytest
import torch

from isalux_mm.functional.visible import LEAST_ALPHA, as_weights, bounds, filled, seen, visible_mask, without_bars

OVAL = ((np.mgrid[:37, :53][0] - 18) / 15)**2 + ((np.mgrid[:37, :53][1] - 30) / 20)**2 <= 1


def test_a_pixel_is_hidden_below_a_thirty_second():
    alpha = np.float32([[0, LEAST_ALPHA * 0.99, LEAST_ALPHA, 1]])
    assert visible_mask(alpha).tolist() == [[False, False, True, True]]
    assert visible_mask(None) is None and visible_mask(alpha[:, 2:]) is None


def test_bounds():
    assert tuple(bounds(OVAL)) == (3, 34, 10, 51)  # rows 18 - 15 to 18 + 15, columns 30 - 20 to 30 + 20


@pytest.mark.parametrize('hidden', [0.0, 1.0])
def test_hidden_pixels_get_the_nearest_seen_color(hidden):
    image = np.random.default_rng(0).random((37, 53, 3)).astype(np.float32)
    image[~OVAL] = hidden
    full = filled(image, OVAL)
    np.testing.assert_array_equal(full[OVAL], image[OVAL])
    ys, xs = np.nonzero(OVAL)
    for y, x in ((0, 0), (18, 0), (36, 30), (20, 52)):
        distances = np.hypot(ys - y, xs - x)
        near = distances <= distances.min() + 0.3  # OpenCV's 5x5 mask measures to a few percent
        assert any((full[y, x] == image[a, b]).all() for a, b in zip(ys[near], xs[near]))


def test_one_seen_pixel_fills_all():
    visible = np.zeros((5, 7), bool)
    visible[3, 2] = True
    image = np.random.default_rng(0).random((5, 7, 3))
    np.testing.assert_array_equal(filled(image, visible), np.broadcast_to(image[3, 2], image.shape))


def test_seen_pixels_in_a_row():
    image = torch.rand(1, 3, 37, 53)
    row = seen(image, as_weights(OVAL))
    assert row.shape == (1, 3, 1, OVAL.sum())
    torch.testing.assert_close(row[0, :, 0], image[0][:, torch.from_numpy(OVAL)])
    assert seen(image, None) is image


def barred(top, bottom, left=0, right=0, level=0.0):
    image = np.full((100, 150, 3), 0.2, np.float32)
    image[:top] = image[100 - bottom:] = image[:, :left] = image[:, 150 - right:] = level
    return image


@pytest.mark.parametrize(('bars', 'window'), [
    ((12, 12), (12, 88, 0, 150)), ((12, 14), (12, 86, 0, 150)), ((0, 0, 20, 20), (0, 100, 20, 130)),
    ((10, 10, 15, 16), (10, 90, 15, 134)), ((12, 12, 0, 0, 1 / 255), (12, 88, 0, 150)),
    ((12, 0), None), ((12, 30), None), ((1, 1), None), ((12, 12, 0, 0, 2 / 255), None), ((50, 50), None),
])
def test_bars_are_black_even_and_at_both_edges(bars, window):
    found = without_bars(barred(*bars))
    assert (None if found is None else tuple(found)) == window
