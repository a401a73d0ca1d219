"""Retinexformer (Cai et al., ICCV 2023, arXiv 2303.06705), one stage, re-implemented after the paper's Figure 2.

A one-stage Retinex framework: an estimator lights the image up, a U-shape of illumination-guided transformer blocks
removes what the lighting brought out. Biases, kernel sizes and the order of operations follow the published code.
"""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from peers.padding import pad_to_multiple


class IlluminationEstimator(nn.Module):
    """Image and its channel mean to light-up features (B, C, H, W) and a light-up map (B, 3, H, W).

    Args:
        dims: C.
    """

    def __init__(self, dims: int):
        super().__init__()
        self.expand = nn.Conv2d(4, dims, 1)
        self.spatial = nn.Conv2d(dims, dims, 5, padding=2, groups=4)
        self.to_map = nn.Conv2d(dims, 3, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.spatial(self.expand(torch.cat([image, image.mean(dim=1, keepdim=True)], dim=1)))
        return features, self.to_map(features)


class IlluminationGuidedAttention(nn.Module):
    """IG-MSA: attention over channels, the values multiplied by the light-up features, plus a convolved position term.

    Args:
        dims: C.
        num_heads: heads; divides C.
    """

    def __init__(self, dims: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.to_q, self.to_k, self.to_v = (nn.Linear(dims, dims, bias=False) for _ in range(3))
        self.temperature = nn.Parameter(torch.ones(num_heads, 1, 1))
        self.project = nn.Linear(dims, dims)
        self.position = nn.Sequential(
            nn.Conv2d(dims, dims, 3, padding=1, groups=dims, bias=False), nn.GELU(),
            nn.Conv2d(dims, dims, 3, padding=1, groups=dims, bias=False))

    def _heads(self, tokens: Tensor) -> Tensor:
        """(B, HW, C) -> (B, heads, HW, C / heads)."""
        return tokens.unflatten(2, (self.num_heads, -1)).transpose(1, 2)

    def forward(self, x: Tensor, light: Tensor) -> Tensor:
        """x, light: (B, H, W, C); returns (B, H, W, C)."""
        b, h, w, c = x.shape
        tokens = x.reshape(b, h * w, c)
        values = self.to_v(tokens)
        q, k, v = self._heads(self.to_q(tokens)), self._heads(self.to_k(tokens)), self._heads(values)
        v = v * self._heads(light.flatten(1, 2))
        q, k, v = (t.transpose(2, 3) for t in (q, k, v))  # (B, heads, C / heads, HW)
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        attention = ((k @ q.transpose(2, 3)) * self.temperature).softmax(dim=-1)
        attended = (attention @ v).permute(0, 3, 1, 2).reshape(b, h * w, c)
        projected = self.project(attended).view(b, h, w, c)
        position = self.position(values.reshape(b, h, w, c).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return projected + position


class FeedForward(nn.Module):
    """Layer norm, then 1x1, depthwise 3x3 and 1x1 convolutions with GELUs between, at four times the width.

    Args:
        dims: C.
        copy_to_nchw: as in `Retinexformer`.
    """

    def __init__(self, dims: int, *, copy_to_nchw: bool):
        super().__init__()
        self.copy_to_nchw = copy_to_nchw
        self.norm = nn.LayerNorm(dims)
        self.layers = nn.Sequential(
            nn.Conv2d(dims, 4 * dims, 1, bias=False), nn.GELU(),
            nn.Conv2d(4 * dims, 4 * dims, 3, padding=1, groups=4 * dims, bias=False), nn.GELU(),
            nn.Conv2d(4 * dims, dims, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) in and out."""
        y = self.norm(x).permute(0, 3, 1, 2)
        return self.layers(y.contiguous() if self.copy_to_nchw else y).permute(0, 2, 3, 1)


class GuidedBlocks(nn.Module):
    """A stage of illumination-guided blocks; only the feed-forward is normalized, as published.

    Args:
        dims: C.
        num_heads: heads of the attention.
        depth: blocks.
        copy_to_nchw: as in `Retinexformer`.
    """

    def __init__(self, dims: int, num_heads: int, depth: int, *, copy_to_nchw: bool):
        super().__init__()
        self.attentions = nn.ModuleList(IlluminationGuidedAttention(dims, num_heads) for _ in range(depth))
        self.feed_forwards = nn.ModuleList(
            FeedForward(dims, copy_to_nchw=copy_to_nchw) for _ in range(depth))

    def forward(self, x: Tensor, light: Tensor) -> Tensor:
        """x, light: (B, C, H, W); returns (B, C, H, W)."""
        x, light = x.permute(0, 2, 3, 1), light.permute(0, 2, 3, 1)
        for attention, feed_forward in zip(self.attentions, self.feed_forwards):
            x = attention(x, light) + x
            x = feed_forward(x) + x
        return x.permute(0, 3, 1, 2)


class Retinexformer(nn.Module):
    """The published single-stage network: 1.61 M parameters.

    Input (B, 3, H, W), RGB in [0, 1]; output of the same size, not clamped. Sides that 4 does not divide are padded.

    Args:
        dims: channels at full resolution (published: 40); doubled at every scale.
        depths: blocks at H, H / 2 and H / 4 (published: 1, 2, 2); the decoder mirrors the encoder.
        copy_to_nchw: copy the features to NCHW memory ahead of each feed-forward, as the published code does now. Its
            first release did not, so that its convolutions ran channels-last; same values, other speed.
    """

    def __init__(self, dims: int = 40, depths: Sequence[int] = (1, 2, 2), *, copy_to_nchw: bool = True):
        super().__init__()

        def stage(width: int, depth: int) -> GuidedBlocks:
            return GuidedBlocks(width, width // dims, depth, copy_to_nchw=copy_to_nchw)

        widths = [dims * 2**k for k in range(len(depths))]
        steps = list(zip(widths[:-1], widths[1:]))
        self.multiple = 2**len(steps)
        self.estimator = IlluminationEstimator(dims)
        self.embed = nn.Conv2d(3, dims, 3, padding=1, bias=False)
        self.encoder = nn.ModuleList(stage(c, depths[k]) for k, (c, _) in enumerate(steps))
        self.downs = nn.ModuleList(nn.Conv2d(c, d, 4, stride=2, padding=1, bias=False) for c, d in steps)
        self.light_downs = nn.ModuleList(nn.Conv2d(c, d, 4, stride=2, padding=1, bias=False) for c, d in steps)
        self.bottleneck = stage(widths[-1], depths[-1])
        self.ups = nn.ModuleList(nn.ConvTranspose2d(d, c, 2, stride=2) for c, d in steps)
        self.fusions = nn.ModuleList(nn.Conv2d(d, c, 1, bias=False) for c, d in steps)
        self.decoder = nn.ModuleList(stage(c, depths[k]) for k, (c, _) in enumerate(steps))
        self.to_rgb = nn.Conv2d(dims, 3, 3, padding=1, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        h, w = image.shape[-2:]
        image = pad_to_multiple(image, self.multiple)
        light, light_map = self.estimator(image)
        lit = image * light_map + image
        x, skips, lights = self.embed(lit), [], []
        for blocks, down, light_down in zip(self.encoder, self.downs, self.light_downs):
            x = blocks(x, light)
            skips.append(x)
            lights.append(light)
            x, light = down(x), light_down(light)
        x = self.bottleneck(x, light)
        for k in reversed(range(len(self.decoder))):
            x = self.fusions[k](torch.cat([self.ups[k](x), skips[k]], dim=1))
            x = self.decoder[k](x, lights[k])
        return (self.to_rgb(x) + lit)[..., :h, :w]
