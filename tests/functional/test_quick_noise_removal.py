"""Noise removal by OpenCV against the form that has gradients."""
import pytest
import torch

from isalux_mm.functional.noise_removal import removed
from isalux_mm.functional.quick_noise_removal import LEAST_SIDE, is_quick, quickly_removed


def pictures(size, batch=1):
    generator = torch.Generator().manual_seed(0)
    smooth = torch.nn.functional.interpolate(torch.rand(batch, 3, 5, 6, generator=generator), size=size)
    noise = 0.05 * torch.randn(batch, 3, *size, generator=generator)
    return smooth + noise, 0.05 * torch.rand(batch, 1, *size, generator=generator)


@pytest.mark.parametrize('size', [(LEAST_SIDE, LEAST_SIDE), (64, 96), (144, 80)])
@pytest.mark.parametrize('batch', [1, 3])
def test_the_same_numbers(size, batch):
    bright, deviation = pictures(size, batch)
    expected, got = removed(bright, deviation), quickly_removed(bright, deviation)
    assert got.shape == expected.shape and got.dtype == torch.float32
    assert expected.abs().max() > 0.02
    torch.testing.assert_close(got, expected, atol=2e-6, rtol=0)


def test_no_noise_none_removed():
    bright, deviation = pictures((64, 64))
    assert not quickly_removed(bright, 0 * deviation).any() and not quickly_removed(0 * bright, deviation).any()


def test_where_it_stands_in():
    bright, deviation = pictures((64, 64))
    assert is_quick(bright, deviation)
    assert not is_quick(bright.double(), deviation) and not is_quick(*pictures((LEAST_SIDE - 8, 64)))
    assert not is_quick(bright.requires_grad_(), deviation)
    with torch.no_grad():
        assert is_quick(bright, deviation)
    traced = []
    torch.jit.trace(lambda x: (traced.append(is_quick(x, deviation)), x + 1)[1], bright.detach(), check_trace=False)
    assert traced and not any(traced)
