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


def fall_off(kind):
    """A scale of 0 to 1 that falls off to black at the edges, (120, 160, 1)."""
    y, x = np.mgrid[-1:1:120j, -1:1:160j]
    scale = dict(spot=np.clip(1 - np.hypot(x, y), 0, None), ramp=1 - np.abs(x),
                 vignette=np.clip(np.cos(1.6 * x) * np.cos(1.6 * y), 0, None)**2)[kind]
    return scale[..., None].astype(np.float32)


@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('most', [4 / 255, 0.02, 0.1, 0.4])
@pytest.mark.parametrize('kind', ['spot', 'vignette', 'ramp'])
def test_what_falls_off_to_black_has_no_bars(kind, most, bits):
    image = np.repeat(fall_off(kind), 3, axis=2) * np.float32(most)
    assert without_bars((np.round(image * (2**bits - 1)) / (2**bits - 1)).astype(np.float32)) is None


@pytest.mark.parametrize('level', [3 / 255, 0.02, 0.3])
@pytest.mark.parametrize('blur', [1, 3])
def test_noisy_pictures_of_any_darkness_have_their_bars(level, blur):
    rng = np.random.default_rng(0)
    image = np.full((120, 160, 3), level) * np.linspace(0.7, 1.3, 120)[:, None, None]
    image += rng.normal(0, level / 3, image.shape)
    image[:16] = image[-16:] = 0
    image = np.stack([np.convolve(column, np.ones(blur) / blur, 'same') for column in image.reshape(120, -1).T], 1)
    found = without_bars(np.round(image.reshape(120, 160, 3).clip(0, 1) * 255).astype(np.float32) / 255)
    assert found is not None and abs(found.top - 16) <= 1 and abs(found.bottom - 104) <= 1
