"""Fast mode by compiled kernels against fast mode by PyTorch."""
import pytest
import torch

from isalux_mm.inference import fast, fast_rendering
from isalux_mm.inference.fast import FastMaps, FastNetwork
from isalux_mm.models.baselines import Identity

pytest.importorskip('numba', reason='needs Numba (extra [fast])')
SIZES = [(1, 1), (1, 90), (90, 1), (37, 53), (150, 230)]


def pictures(size, batch=1):
    generator = torch.Generator().manual_seed(0)
    smooth = torch.nn.functional.interpolate(torch.rand(batch, 3, 5, 6, generator=generator), size=size)
    return (0.2 * smooth + 0.02 * torch.rand(batch, 3, *size, generator=generator)).clamp(0, 1)


def maps(batch=1, share=(4, 5)):
    generator = torch.Generator().manual_seed(1)
    grid, noise = (torch.rand(batch, count, 8, 4, 5, generator=generator) for count in (12, 1))
    own = torch.ones(batch, 1, 1, 1) if share == (1, 1) else torch.rand(batch, 1, *share, generator=generator)
    return FastMaps(grid, 0.05 * noise, own)


def networks(denoise=True):
    return (FastNetwork(Identity(), denoise=denoise, compiled=compiled) for compiled in (False, True))


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('denoise', [False, True])
@pytest.mark.parametrize('share', [(1, 1), (4, 5)])
def test_the_same_picture(size, denoise, share):
    low, decided = pictures(size, batch=2), maps(2, share)
    plain, compiled = (network.render(low, decided) for network in networks(denoise))
    assert (plain - low).abs().mean() > 0.1
    torch.testing.assert_close(compiled, plain, atol=1e-4, rtol=0)  # PyTorch looks maps up to four digits


def test_strips_are_the_whole(monkeypatch):
    low, decided = pictures((230, 150)), maps()
    _, network = networks()
    whole = network.render(low, decided)
    monkeypatch.setattr(fast_rendering, 'STRIP_PIXELS', 150 * 32)
    torch.testing.assert_close(network.render(low, decided), whole, atol=1e-6, rtol=0)


def test_memory_is_laid_out_as_that_of_the_picture():
    low = pictures((60, 50)).contiguous(memory_format=torch.channels_last)
    _, network = networks()
    out = network.render(low, maps())
    assert out.stride() == low.stride()
    torch.testing.assert_close(out, network.render(low.contiguous(), maps()), atol=0, rtol=0)


@pytest.mark.parametrize('size', SIZES)
def test_a_network_that_changes_nothing_changes_nothing(size):
    low = pictures(size)
    assert torch.equal(FastNetwork(Identity(), compiled=True)(low), low)


def test_what_is_not_finite_stays_so():
    low = pictures((64, 64))
    low[0, 1, 5, 7] = torch.nan
    _, network = networks()
    assert torch.isnan(network.render(low, maps())[0, :, 5, 7]).any()


def test_gradients_take_the_other_way():
    low = pictures((64, 64)).requires_grad_()
    _, network = networks()
    network.render(low, maps()).sum().backward()
    assert low.grad is not None and low.grad.abs().sum() > 0


@pytest.mark.parametrize(('pixels', 'expected'), [(40 * 60, True), (40 * 60 + 1, False)])
def test_large_pictures_alone_load_kernels_by_themselves(monkeypatch, pixels, expected):
    called = []
    monkeypatch.setattr(fast, 'MANY_PIXELS', pixels)
    monkeypatch.setattr(fast, 'rendered', lambda low, *rest, denoise: called.append(denoise) or low)
    with torch.no_grad():
        FastNetwork(Identity()).render(pictures((40, 60)), maps())
    assert bool(called) is expected
