"""Safeguards: how sure it is that a picture is dark, windows that are black or grey, and what they let through."""
import pytest
import torch
import torch.nn.functional as F

from isalux_mm.functional.safeguards import (
    FADE,
    REACH,
    Guard,
    colored_share,
    darkness_confidence,
    guard,
    guarded,
    light,
    lit_share,
    mean_luma,
    window_mean,
)


def flat(*values):
    return torch.tensor(values).view(1, 3, 1, 1).expand(1, 3, 9, 11).contiguous()


def test_mean_luma_by_hand():
    assert mean_luma(flat(1.0, 0.0, 0.0)).item() == pytest.approx(0.299)
    assert mean_luma(flat(0.2, 0.4, 0.6)).item() == pytest.approx(0.299 * 0.2 + 0.587 * 0.4 + 0.114 * 0.6)


def test_light_of_flat_pictures_is_luma_times_brightest_channel():
    assert light(flat(0.5, 0.5, 0.5)).item() == pytest.approx(0.25)
    assert light(flat(0.2, 0.4, 0.6)).item() == pytest.approx(0.6 * (0.299 * 0.2 + 0.587 * 0.4 + 0.114 * 0.6))
    assert light(flat(0.0, 0.0, 0.0)).item() == 0


def test_one_hot_pixel_is_not_the_scale():
    image = torch.full((1, 3, 100, 100), 0.3)
    image[..., 50, 50] = 1
    assert light(image).item() / mean_luma(image).item() == pytest.approx(1e-4**(1 / 32), abs=1e-3)  # 0.75


@pytest.mark.parametrize(('value', 'expected'), [
    (0.0, 1), (0.25, 1), (0.5, (FADE[1] - 0.25) / (FADE[1] - FADE[0])), (0.64, 0), (1.0, 0)])
def test_confidence_of_flat_pictures(value, expected):
    assert darkness_confidence(flat(value, value, value)).item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_precision(dtype):
    image = torch.rand(2, 3, 40, 30, generator=torch.Generator().manual_seed(0))
    limits = guard(image.to(dtype), ('gray', 'black'), darkness_confidence(image.to(dtype)))
    expected = guard(image, ('gray', 'black'), darkness_confidence(image))
    assert limits.change.dtype == limits.color.dtype == dtype
    for a, b in zip(limits, expected):
        torch.testing.assert_close(a.float(), b, atol=1e-2, rtol=0)


@pytest.mark.parametrize('size', [(1, 1), (1, 7), (5, 40), (37, 53)])
@pytest.mark.parametrize('reach', [1, 11])
def test_window_mean_by_the_loop(size, reach):
    x = torch.rand(2, 2, *size, dtype=torch.float64)
    got = window_mean(x, reach)
    for i in range(size[0]):
        for j in range(size[1]):
            part = x[..., max(i - reach, 0):i + reach + 1, max(j - reach, 0):j + reach + 1]
            torch.testing.assert_close(got[..., i, j], part.mean(dim=(-2, -1)))


def test_shares_are_exactly_zero_where_nothing_is_and_near_one_in_dark_photographs():
    image = torch.zeros(1, 1, 60, 60)
    image[..., :20, :] = 0.8
    share = lit_share(image)
    assert (share[..., 20 + REACH:, :] == 0).all() and (share[..., :20 + REACH, :] > 0).all()
    assert (lit_share(torch.full((1, 1, 9, 9), 2 / 255)) > 0.99).all()  # two levels of 8 bits
    brightest = torch.full((1, 1, 9, 9), 10 / 255)
    assert (colored_share(brightest, brightest) == 0).all()
    assert (colored_share(brightest, 0.8 * brightest) > 0.94).all()  # a saturation of .2
    # one level of noise in ten, as 8 bits have it
    assert (colored_share(brightest, brightest - 1 / 255) > 0.9).all()


def test_guarded_by_hand():
    image, base, residual = flat(0.1, 0.2, 0.3), flat(0.2, 0.3, 0.4), flat(0.3, 0.0, 0.0)
    torch.testing.assert_close(guarded(image, base, residual, Guard()), base + residual)
    half = torch.full((1, 1, 1, 1), 0.5)
    torch.testing.assert_close(guarded(image, base, residual, Guard(change=half)), flat(0.3, 0.25, 0.35))
    gray = 0.3 * 0.299
    torch.testing.assert_close(guarded(image, image, residual, Guard(color=0 * half)), image + gray)
    assert torch.equal(guarded(image, base, residual, Guard(change=0 * half)), image)


def test_rows_of_a_guard():
    maps = torch.rand(1, 1, 9, 11)
    assert torch.equal(Guard(maps, None).rows(2, 5).change, maps[:, :, 2:5])
    one = torch.rand(1, 1, 1, 1)
    assert Guard(one, maps).rows(2, 5).change is one


def test_window_means_are_those_of_float32_under_autocast():
    torch.manual_seed(0)
    x = torch.rand(1, 1, 40, 50)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        got = window_mean(x)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, window_mean(x), atol=0, rtol=0)


@pytest.mark.parametrize('shape', [(1, 400_000), (400_000, 1)])
def test_window_means_of_a_long_picture_are_exact(shape):
    """Running sums in float32 would be off by 0.001 here: they reach 200,000, and the window holds 23 pixels."""
    x = torch.rand(1, 1, *shape)
    expected = F.avg_pool1d(x.flatten(2), 2 * REACH + 1, 1, REACH, count_include_pad=False)
    torch.testing.assert_close(window_mean(x).flatten(2), expected, atol=1e-6, rtol=0)
