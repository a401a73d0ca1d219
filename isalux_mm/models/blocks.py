"""Parts of the U-shape: normalization, transformer block, down, up, fusion, prior adapter (ISALux, Eqs. 4 to 6).

Sizes: down gives ceil(H / 2), up is cropped to its skip, so that every size from 1 x 1 passes without padding.
"""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isalux_mm.models.gates import Routing
from isalux_mm.registry import MODELS


class ChannelLayerNorm(nn.LayerNorm):
    """Layer norm over the channels of (B, C, H, W); the result lies channels-last in memory.

    Under autocast it is taken in float32 on every device (PyTorch does so on accelerators alone; on a CPU its backward
    in bfloat16 takes nine times as long).
    """

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.promote_types(x.dtype, torch.float32))
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class TransformerBlock(nn.Module):
    """x = x + HISA-MSA(LN(x), FP_i, FP_s); x = x + MoE-FFN(LN(x)) (Eqs. 5 and 6).

    Args:
        embed_dims: C.
        num_heads: heads of the attention.
        attention: config of a registered attention.
        ffn: config of a registered feed-forward that returns (features, routing or `None`).
    """

    def __init__(self, embed_dims: int, num_heads: int, *, attention: dict, ffn: dict):
        super().__init__()
        self.norm1 = ChannelLayerNorm(embed_dims)
        self.attention = MODELS.build(dict(attention, embed_dims=embed_dims, num_heads=num_heads))
        self.norm2 = ChannelLayerNorm(embed_dims)
        self.ffn = MODELS.build(dict(ffn, embed_dims=embed_dims))

    def forward(self, x: Tensor, illumination: Tensor | None,
                semantics: Tensor | None) -> tuple[Tensor, Routing | None]:
        """x, illumination (FP_i), semantics (FP_s): (B, C, H, W); returns features and the routing of the FFN."""
        x = x + self.attention(self.norm1(x), illumination, semantics)
        y, routing = self.ffn(self.norm2(x))
        return x + y, routing


class PriorAdapter(nn.Sequential):
    """Takes a prior map to feature maps of the stage: 1x1, GELU, depthwise 3x3 (Eq. 4; layers ours).

    The last bias starts at one: the enrichment M x FP starts near M instead of near zero (ours; paper silent).

    Args:
        in_channels: channels of the prior (1 or 21, say).
        embed_dims: C of the stage.
    """

    def __init__(self, in_channels: int, embed_dims: int):
        spatial = nn.Conv2d(embed_dims, embed_dims, 3, padding=1, groups=embed_dims)
        nn.init.ones_(spatial.get_parameter('bias'))
        super().__init__(nn.Conv2d(in_channels, embed_dims, 1), nn.GELU(), spatial)

    def forward(self, prior: Tensor) -> Tensor:
        """prior: (B, C_in, H, W); returns (B, C, H, W), channels-last in memory, in which a CPU does all three best."""
        weight, bias = self.get_parameter('0.weight'), self.get_parameter('0.bias')
        hidden = self[1](F.linear(prior.permute(0, 2, 3, 1), weight.flatten(1), bias))
        return self[2](hidden.permute(0, 3, 1, 2))


class Downsample(nn.Conv2d):
    """Halves the size, ceil(H / 2), with a 3x3 convolution of stride 2."""

    def __init__(self, in_dims: int, out_dims: int):
        super().__init__(in_dims, out_dims, 3, stride=2, padding=1)


class UpsampleFuse(nn.Module):
    """Doubles the size with a 2x2 transposed convolution, crops to the skip, fuses both with a 1x1 convolution.

    The fusion is linear: its half for the doubled map is folded into the transposed convolution, whose four places in a
    cell do not overlap and so are one product.
    """

    def __init__(self, in_dims: int, out_dims: int):
        super().__init__()
        self.up = nn.ConvTranspose2d(in_dims, out_dims, 2, stride=2)
        self.fuse = nn.Conv2d(2 * out_dims, out_dims, 1)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """x: (B, C_in, ceil(H / 2), ceil(W / 2)), skip: (B, C_out, H, W); returns (B, C_out, H, W)."""
        h, w = skip.shape[-2:]
        of_up, of_skip = self.fuse.weight.flatten(1).chunk(2, dim=1)
        cells = F.linear(x.permute(0, 2, 3, 1), torch.einsum('oc,icyx->yxoi', of_up, self.up.weight).flatten(0, 2))
        # (B, H / 2, W / 2, 2 * 2 * C) -> (B, H, W, C)
        doubled = cells.unflatten(3, (2, 2, -1)).transpose(2, 3).flatten(3, 4).flatten(1, 2)
        bias = self.fuse.get_parameter('bias') + of_up @ self.up.get_parameter('bias')
        return (F.linear(skip.permute(0, 2, 3, 1), of_skip, bias) + doubled[:, :h, :w]).permute(0, 3, 1, 2)
