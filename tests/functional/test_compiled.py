"""Compiled kernels against the forms in PyTorch, in float64 where these lose digits."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from kernel_arrays import array, planes

from isalux_mm.functional.bilateral_grid import COEFFICIENTS, change_of, lightness, sliced
from isalux_mm.functional.compiling import in_rows, is_compilable
from isalux_mm.functional.noise_removal import COLOR, differences, larger, noise_levels, smaller, window_mean
from isalux_mm.functional.noise_removal import _blocks_by_kernel as blocks_by_kernel
from isalux_mm.functional.noise_removal import _blocks_of as blocks_of
from isalux_mm.inference.fast_rendering import laid_out

compiled = pytest.importorskip('isalux_mm.functional.compiled', reason='needs Numba (extra [fast])')


@pytest.mark.parametrize(('size', 'cells'), [((48, 64), (5, 7)), ((31, 45), (1, 1)), ((16, 90), (2, 30))])
@pytest.mark.parametrize('interleaved', [False, True])
def test_pictures_are_brightened_by_their_maps(threads, size, cells, interleaved):
    low, grid, share = planes(3, *size), planes(1, COEFFICIENTS + 1, 8, *cells, seed=1), planes(1, 1, 4, 6, seed=2)
    low[:, :3] = 0  # black and beyond white
    low[:, 3:5] = 1.2
    own = sliced(grid, lightness(low[None]))
    part = F.interpolate(share, size=size, mode='bilinear', align_corners=False)
    expected = low + (part * change_of(low[None], own[:, :-1]))[0]
    noise = (part * own[:, -1:])[0, 0]
    h, w = (-(-side // 2) for side in size)
    maps = array(laid_out(grid[:, :-1], grid[:, -1:])[0])
    samples = array(low)
    if interleaved:
        samples = np.ascontiguousarray(samples.transpose(1, 2, 0)).transpose(2, 0, 1)
    out, variance = np.empty_like(samples), np.empty((h, w), np.float32)
    parted = np.empty((3, 2 * h, 2 * w), np.float32)
    in_rows(compiled.brighten, h, samples, maps, array(share[0, 0]), out, 0, size[0], 0, parted, variance)
    np.testing.assert_allclose(out, expected, atol=3e-6)
    beyond = F.pad(expected[None], (0, 2 * w - size[1], 0, 2 * h - size[0]), mode='replicate')
    np.testing.assert_allclose(parted, differences(beyond)[0], atol=3e-6)
    squares = F.pad(noise[None, None]**2, (0, 2 * w - size[1], 0, 2 * h - size[0]), mode='replicate')
    np.testing.assert_allclose(variance, 3 * smaller(squares)[0, 0], atol=3e-6)  # 3: STRENGTH


def test_rows_of_a_picture_are_those_of_the_whole():
    low, grid = array(planes(3, 64, 40)), planes(1, COEFFICIENTS + 1, 8, 3, 4)
    maps = array(laid_out(grid[:, :-1], grid[:, -1:])[0])
    share = np.ones((1, 1), np.float32)
    whole, part = (np.full_like(low, -1) for _ in range(2))
    parted, variance = np.empty((3, 64, 40), np.float32), np.empty((32, 20), np.float32)
    compiled.brighten(low, maps, share, whole, 0, 64, 0, parted, variance, 0, 32)
    compiled.brighten(low, maps, share, part, 24, 40, 16, parted[:, :32], variance[:16], 0, 16)
    np.testing.assert_array_equal(part[:, 24:40], whole[:, 24:40])
    assert (np.delete(part, slice(24, 40), axis=1) == -1).all(), 'only rows that were asked for are written'


@pytest.mark.parametrize('with_below', [False, True])
@pytest.mark.parametrize('size', [(4, 4), (32, 48), (34, 22)])
def test_a_band_loses_its_noise(threads, size, with_below):
    channels, variance = planes(1, 3, *size), 0.1 * planes(1, 1, *size, seed=1)
    below = planes(1, 3, size[0] // 2, size[1] // 2, seed=2)
    low = smaller(channels)
    band, scale = channels - larger(low), torch.tensor([1, COLOR**2, COLOR**2]).view(3, 1, 1)
    own = smaller(variance) * scale
    energy = smaller(band * band)
    ratio = own / torch.maximum(window_mean(energy), own)
    expected = band * larger(ratio) + (larger(below) if with_below else 0)

    h, parted = size[0] // 2, array(channels[0])
    halves, measured, weighed = (np.empty((3, h, size[1] // 2), np.float32) for _ in range(3))
    in_rows(compiled.halve, h, parted, halves, 1.0)
    in_rows(compiled.measure, h, parted, halves, measured)
    in_rows(compiled.weigh, h, measured, array(smaller(variance)[0, 0]), np.float32(COLOR**2), weighed)
    for got, wanted in ((halves, low), (measured, energy), (weighed, ratio)):
        np.testing.assert_allclose(got, wanted[0], atol=1e-6, rtol=1e-5)
    nothing = np.empty((3, 0, 0), np.float32)
    in_rows(compiled.part, h, parted, halves, weighed, array(below[0]) if with_below else nothing)
    np.testing.assert_allclose(parted, expected[0], atol=1e-6)


def test_noise_is_subtracted_as_color():
    color, noise = planes(3, 20, 24), planes(3, 20, 24, seed=1)
    out = array(color)
    in_rows(compiled.subtract, 20, array(differences(noise[None])[0]), out)
    np.testing.assert_allclose(out, color - noise, atol=1e-6)


def test_where_kernels_stand_in(monkeypatch):
    image = torch.rand(1, 3, 4, 4)
    assert is_compilable(image) and not is_compilable(image, image.double())
    assert not is_compilable(image.clone().requires_grad_())
    with torch.no_grad():
        assert is_compilable(image.clone().requires_grad_())
    traced = []
    torch.jit.trace(lambda x: (traced.append(is_compilable(x)), x + 1)[1], image, check_trace=False)
    assert traced and not any(traced)
    monkeypatch.setattr('isalux_mm.functional.compiling.is_installed', lambda: False)
    assert not is_compilable(image)


@pytest.mark.parametrize('size', [(10, 10), (47, 90), (34, 130)])
@pytest.mark.parametrize('hiding', [False, True])
def test_noise_is_measured(threads, size, hiding):
    image = 0.2 * planes(2, 3, *size).float()
    image[:, :, :4] = 0
    image[:, :, 5, 5:] = 1.3  # beyond white
    visible = [torch.ones(1, 1, *size)]
    visible[0][:, :, -20:, :9] = 0
    expected, got = (noise_levels([image], 8, visible=visible if hiding else None, compiled=compiled)
                     for compiled in (False, True))
    torch.testing.assert_close(got, expected, atol=1e-6, rtol=1e-5)
    own = blocks_of(image.double(), None)
    for exact, part in zip(own, blocks_by_kernel(image, None)):
        torch.testing.assert_close(part.double(), exact, atol=1e-6, rtol=1e-5)


def test_the_logarithm_is_exact_to_a_unit_of_the_last_place():
    luma = torch.linspace(-0.1, 1.1, 4000, dtype=torch.float64).expand(10, -1)
    image = torch.stack([luma, luma, luma])[None].float()
    place = blocks_by_kernel(image, None)[1]
    torch.testing.assert_close(place.double(), blocks_of(image.double(), None)[1], atol=3e-7, rtol=0)
