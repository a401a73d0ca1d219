"""Parts of the U-shape against the layers that they are made of."""
import pytest
import torch
import torch.nn.functional as F

from isalux_mm.models.blocks import ChannelLayerNorm, PriorAdapter, UpsampleFuse


def test_layer_norm_stays_in_float32_under_autocast():
    x = torch.randn(2, 6, 3, 5, generator=torch.Generator().manual_seed(0)).bfloat16()
    norm = ChannelLayerNorm(6)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = norm(x)
    assert out.dtype == torch.float32
    assert torch.equal(out, norm(x.float()))


@pytest.mark.parametrize('height, width', [(6, 8), (5, 7), (1, 1)])
def test_upsample_fuse_is_transposed_convolution_crop_and_fusion(height, width):
    torch.manual_seed(0)
    module = UpsampleFuse(6, 4).double()
    x = torch.randn(2, 6, (height + 1) // 2, (width + 1) // 2, dtype=torch.float64, requires_grad=True)
    skip = torch.randn(2, 4, height, width, dtype=torch.float64, requires_grad=True)
    plain = module.fuse(torch.cat([module.up(x)[..., :height, :width], skip], dim=1))
    inputs = [x, skip, *module.parameters()]
    for one, other in zip(*((out, *torch.autograd.grad(out.pow(2).sum(), inputs)) for out in (module(x, skip), plain))):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize('in_channels', [1, 21])
def test_prior_adapter_is_its_layers_one_after_another(in_channels):
    torch.manual_seed(0)
    adapter, prior = PriorAdapter(in_channels, 4).double(), torch.rand(2, in_channels, 5, 7, dtype=torch.float64)
    out = adapter(prior)
    assert out.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(out, adapter[2](F.gelu(adapter[0](prior))))
