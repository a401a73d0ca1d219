"""Layer norm over channels."""
import torch

from isalux_mm.models.blocks import ChannelLayerNorm


def test_layer_norm_stays_in_float32_under_autocast():
    x = torch.randn(2, 6, 3, 5, generator=torch.Generator().manual_seed(0)).bfloat16()
    norm = ChannelLayerNorm(6)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = norm(x)
    assert out.dtype == torch.float32
    assert torch.equal(out, norm(x.float()))
