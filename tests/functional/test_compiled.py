"""Compiled kernels against the forms in PyTorch, in float64 where these lose digits."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from isalux_mm.functional.bilateral_grid import COEFFICIENTS, change_of, lightness, sliced
from isalux_mm.functional.compiling import in_rows, is_compilable
from isalux_mm.functional.noise_removal import COLOR, differences, larger, smaller, window_mean
from isalux_mm.functional.tone import KNEE, with_soft_highlights

compiled = pytest.importorskip('isalux_mm.functional.compiled', reason='needs Numba (extra [fast])')


def planes(*size, seed=0):
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def array(x):
    return np.ascontiguousarray(x.numpy(), dtype=np.float32)


@pytest.fixture(params=[1, 2, 3], ids='{} threads'.format)
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


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
    maps = np.zeros((*cells, 8, compiled.MAPS), np.float32)
    maps[..., :COEFFICIENTS + 1] = grid[0].permute(2, 3, 1, 0)
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
    low, maps = array(planes(3, 64, 40)), np.zeros((3, 4, 8, compiled.MAPS), np.float32)
    maps[..., :COEFFICIENTS + 1] = planes(3, 4, 8, COEFFICIENTS + 1)
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


@pytest.mark.parametrize('most', [0.9, 1.0, 1.7, 6.0])
def test_highlights_are_softened(threads, most):
    image, low = planes(1, 3, 40, 30) * most * 1.05 - 0.05 * most, planes(1, 3, 40, 30, seed=1) * 0.4
    image[0, :, :2] = KNEE  # exactly at the knee
    white = max(float(image.max()), 1.0)
    expected = with_soft_highlights(image, low)[0].numpy()
    got = array(image[0])
    sums = in_rows(compiled.soften, 40, got, array(low[0]), white)
    np.testing.assert_allclose(got, expected, atol=1e-6)
    weights = np.array([0.299, 0.587, 0.114])[:, None, None]  # ITU-R BT.601
    assert sum(one[0] for one in sums) == pytest.approx((weights * expected).sum(), rel=1e-6)
    assert sum(one[1] for one in sums) == pytest.approx((weights * expected**2).sum(), rel=1e-6)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_frames_become_planes_and_frames_again(threads, dtype):
    top = np.iinfo(dtype).max
    frame = np.random.default_rng(0).integers(0, top, (24, 30, 3), dtype, endpoint=True)
    frame[0, 0], frame[0, 1] = 0, top
    parted, again = np.empty((3, 24, 30), np.float32), np.empty_like(frame)
    in_rows(compiled.unpack, 24, frame, parted)
    np.testing.assert_allclose(parted, frame.transpose(2, 0, 1) / top, atol=1e-7)
    in_rows(compiled.pack, 24, parted, 0.0, again)
    np.testing.assert_array_equal(again, frame)
    in_rows(compiled.pack, 24, parted, -0.3, again)
    x = frame / top
    assert np.abs(again - (x - 0.3 * x * (1 - x)) * top).max() <= 0.51
    in_rows(compiled.pack, 24, np.full((3, 24, 30), 1, np.float32), 0.9, again)
    assert (again == top).all()


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
