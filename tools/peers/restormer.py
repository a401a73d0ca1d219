"""Restormer (Zamir et al., CVPR 2022, arXiv 2111.09881), re-implemented after the paper's Figure 2 and Section 3.

Transposed attention with depthwise convolutions (MDTA) and a gated feed-forward (GDFN) on four scales; no biases in
convolutions, a layer norm with bias written out in plain operations, as in the published code.
"""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from peers.padding import pad_to_multiple

EPS = 1e-5  # the published layer norm's


class ChannelNorm(nn.Module):
    """Layer norm over the channels of (B, C, H, W), in plain operations on (B, HW, C).

    Args:
        dims: C.
    """

    def __init__(self, dims: int):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(dims)), nn.Parameter(torch.zeros(dims))

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        tokens = x.permute(0, 2, 3, 1).reshape(b, h * w, c)
        mean, variance = tokens.mean(-1, keepdim=True), tokens.var(-1, keepdim=True, unbiased=False)
        normalized = (tokens - mean) / torch.sqrt(variance + EPS) * self.weight + self.bias
        return normalized.reshape(b, h, w, c).permute(0, 3, 1, 2)


class TransposedAttention(nn.Module):
    """MDTA: q, k, v by a 1x1 and a depthwise 3x3 convolution, attention over channels, a 1x1 projection.

    Args:
        dims: C.
        num_heads: heads; divides C.
    """

    def __init__(self, dims: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.temperature = nn.Parameter(torch.ones(num_heads, 1, 1))
        self.qkv = nn.Conv2d(dims, 3 * dims, 1, bias=False)
        self.spatial = nn.Conv2d(3 * dims, 3 * dims, 3, padding=1, groups=3 * dims, bias=False)
        self.project = nn.Conv2d(dims, dims, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        # (B, C, H, W) -> (B, heads, C / heads, HW)
        q, k, v = (t.reshape(b, self.num_heads, c // self.num_heads, h * w).contiguous()
                   for t in self.spatial(self.qkv(x)).chunk(3, dim=1))
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        attention = ((q @ k.transpose(2, 3)) * self.temperature).softmax(dim=-1)
        return self.project((attention @ v).reshape(b, c, h, w))


class GatedFeedForward(nn.Module):
    """GDFN: project(GELU(a) * b) with a, b = depthwise(expand(x)).

    Args:
        dims: C.
        expansion: hidden channels of each of a and b as a multiple of C, rounded down.
    """

    def __init__(self, dims: int, expansion: float):
        super().__init__()
        hidden = int(dims * expansion)
        self.expand = nn.Conv2d(dims, 2 * hidden, 1, bias=False)
        self.spatial = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=False)
        self.project = nn.Conv2d(hidden, dims, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.spatial(self.expand(x)).chunk(2, dim=1)
        return self.project(F.gelu(a) * b)


class Block(nn.Module):
    """x = x + MDTA(norm(x)); x = x + GDFN(norm(x)).

    Args:
        dims: C.
        num_heads: heads of the attention.
        expansion: of the feed-forward.
    """

    def __init__(self, dims: int, num_heads: int, expansion: float):
        super().__init__()
        self.norm1, self.norm2 = ChannelNorm(dims), ChannelNorm(dims)
        self.attention = TransposedAttention(dims, num_heads)
        self.feed_forward = GatedFeedForward(dims, expansion)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.feed_forward(self.norm2(x))


class Restormer(nn.Module):
    """The published network: 26.1 M parameters.

    Input (B, 3, H, W), RGB in [0, 1]; output of the same size, not clamped. Sides that 8 does not divide are padded.
    The decoder at full resolution works at twice the width: its skip is joined, not reduced.

    Args:
        dims: channels at full resolution (published: 48); doubled at every scale.
        depths: blocks of the encoder's scales and of the bottleneck (published: 4, 6, 6, 8); the decoder mirrors them.
        num_heads: heads by scale (published: 1, 2, 4, 8).
        refinement: blocks after the decoder (published: 4).
        expansion: of the feed-forward (published: 2.66).
    """

    def __init__(self,
                 dims: int = 48,
                 depths: Sequence[int] = (4, 6, 6, 8),
                 *,
                 num_heads: Sequence[int] = (1, 2, 4, 8),
                 refinement: int = 4,
                 expansion: float = 2.66):
        super().__init__()

        def stage(width: int, scale: int, depth: int) -> nn.Sequential:
            return nn.Sequential(*(Block(width, num_heads[scale], expansion) for _ in range(depth)))

        widths = [dims * 2**k for k in range(len(depths))]
        decoded = [2 * dims, *widths[1:-1]]  # the first scale is not reduced
        scales = range(len(depths) - 1)
        self.multiple = 2**len(scales)
        self.embed = nn.Conv2d(3, dims, 3, padding=1, bias=False)
        self.encoder = nn.ModuleList(stage(widths[k], k, depths[k]) for k in scales)
        self.downs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(widths[k], widths[k] // 2, 3, padding=1, bias=False), nn.PixelUnshuffle(2))
            for k in scales)
        self.bottleneck = stage(widths[-1], len(scales), depths[-1])
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Conv2d(widths[k + 1], 2 * widths[k + 1], 3, padding=1, bias=False), nn.PixelShuffle(2))
            for k in scales)
        self.reductions = nn.ModuleList(
            nn.Conv2d(2 * widths[k], widths[k], 1, bias=False) if k else nn.Identity() for k in scales)
        self.decoder = nn.ModuleList(stage(decoded[k], k, depths[k]) for k in scales)
        self.refinement = stage(decoded[0], 0, refinement)
        self.to_rgb = nn.Conv2d(decoded[0], 3, 3, padding=1, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        h, w = image.shape[-2:]
        image = pad_to_multiple(image, self.multiple)
        x, skips = self.embed(image), []
        for blocks, down in zip(self.encoder, self.downs):
            x = blocks(x)
            skips.append(x)
            x = down(x)
        x = self.bottleneck(x)
        for k in reversed(range(len(self.decoder))):
            x = self.reductions[k](torch.cat([self.ups[k](x), skips[k]], dim=1))
            x = self.decoder[k](x)
        return (self.to_rgb(self.refinement(x)) + image)[..., :h, :w]
