"""Rows of one image's features, and the prior features of a scale, made strip by strip (ours; paper silent).

Features are (H, W, C), contiguous: rows of tokens. What belongs to one strip stays in the cache.
"""
from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isalux_mm.functional.tiling import Window, interpolate_axis
from isalux_mm.models.attention import STREAMS
from isalux_mm.models.blocks import ChannelLayerNorm, PriorAdapter

STRIP_BYTES = 2**22  # ours; of the hidden activations of one strip, measured: docs/speed.md
FEATURE_CACHE_BYTES = 2**28  # ours; larger prior features are computed again for every block

RowSource = Callable[[int, int, Tensor], None]  # writes rows [first, last) into (R, W, C)


def strips(height: int, rows: int) -> Iterator[tuple[int, int]]:
    """First row and end of every strip."""
    for first in range(0, height, rows):
        yield first, min(first + rows, height)


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype of sums over pixels: float32 at least."""
    return torch.promote_types(dtype, torch.float32)


class RowWindow:
    """Rows of a strip and one above and one below it, as a 3x3 convolution needs them; zeros outside the map.

    Strips come in order from the top. The two rows that a strip shares with the one above are kept, not computed.

    Args:
        height: rows of the map.
        rows: rows of a strip (the last may have fewer).
        buffer: (rows + 2, W, C), overwritten.
        compute: writes map rows [first, last) into a tensor (last - first, W, C).
    """

    def __init__(self, height: int, rows: int, buffer: Tensor, compute: Callable[[int, int, Tensor], None]):
        self.height, self.rows, self.buffer, self.compute = height, rows, buffer, compute

    def around(self, first: int, last: int) -> Tensor:
        """Rows [first - 1, last + 1) as (1, C, last - first + 2, W), channels-last in memory."""
        if first == 0:
            self.buffer[0] = 0
            start, needed = 1, 0
        else:
            kept = self.buffer[self.rows:self.rows + 2]
            self.buffer[:2] = kept if self.rows > 1 else kept.clone()
            start, needed = 2, first + 1
        end = min(last + 1, self.height)
        if end > needed:
            self.compute(needed, end, self.buffer[start:start + end - needed])
        if last == self.height:
            self.buffer[last - first + 1] = 0
        return as_map(self.buffer[:last - first + 2])


def as_map(x: Tensor) -> Tensor:
    """(H, W, C) -> (1, C, H, W), channels-last in memory, no copy."""
    return x.unsqueeze(0).permute(0, 3, 1, 2)  # in this order: otherwise the strides do not count as channels-last


def as_rows(x: Tensor) -> Tensor:
    """(1, C, H, W) -> (H, W, C), contiguous; no copy in channels-last memory."""
    return x[0].permute(1, 2, 0).contiguous()


def convolve(window: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
    """3x3 convolution of a `RowWindow`, (1, C, R + 2, W); returns tokens (R W, C')."""
    out = F.conv2d(window, weight, bias, padding=(0, 1), groups=groups)
    return out.permute(0, 2, 3, 1).reshape(-1, weight.shape[0])


def normalize(norm: ChannelLayerNorm, x: Tensor) -> Tensor:
    """Layer norm of rows (R, W, C) as tokens (R W, C)."""
    return F.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps).flatten(0, 1)


class PriorFeatures:
    """FP_i and FP_s of one scale side by side, as rows of tokens; made strip by strip, or once for all blocks.

    Args:
        sources: per stream, what writes rows [first, last) ahead of the adapter's GELU into (R, W, C).
        adapters: per stream.
        names: of the streams.
        size: (H, W).
    """

    def __init__(self, sources: Sequence[RowSource], adapters: Sequence[PriorAdapter],
                 names: Sequence[str], size: tuple[int, int]):
        self.sources, self.names, self.size = sources, names, size
        self.cache: Tensor | None = None
        self.window: RowWindow | None = None
        self.channels = 0
        if adapters:
            # of the depthwise convolutions
            self.weight = torch.cat([a.get_parameter('2.weight') for a in adapters])
            self.bias = torch.cat([a.get_parameter('2.bias') for a in adapters])
            self.channels = len(self.weight)
            nbytes = size[0] * size[1] * self.channels * self.weight.element_size()
            if nbytes <= FEATURE_CACHE_BYTES:
                self.cache = self._all(max(STRIP_BYTES * size[0] // nbytes, 1))

    def rows(self, first: int, last: int) -> Tensor:
        """Features of rows [first, last), (R W, E C); without a cache, strips of one height come in order."""
        if self.cache is not None:
            return self.cache[first:last].flatten(0, 1)
        if first == 0 or self.window is None:
            self.window = self._window(last)
        return convolve(self.window.around(first, last), self.weight, self.bias, self.channels)

    def maps(self) -> dict[str, Tensor | None]:
        """Features by stream, (1, C, H, W), for an attention without a fast form."""
        parts = {}
        if self.names:
            whole = as_map(self.cache if self.cache is not None else self._all(1))
            parts = dict(zip(self.names, whole.chunk(len(self.names), dim=1)))
        return {name: parts.get(name) for name in STREAMS}

    def _window(self, rows: int) -> RowWindow:
        height, width = self.size
        return RowWindow(height, rows, self.weight.new_empty(rows + 2, width, self.channels), self._expand)

    def _expand(self, first: int, last: int, out: Tensor) -> None:
        for source, part in zip(self.sources, out.chunk(len(self.sources), dim=2)):
            source(first, last, part)
        torch.ops.aten.gelu_(out)

    def _all(self, rows: int) -> Tensor:
        height, width = self.size
        rows = min(rows, height)
        window, out = self._window(rows), self.weight.new_empty(height, width, self.channels)
        for first, last in strips(height, rows):
            out[first:last] = convolve(window.around(first, last), self.weight, self.bias, self.channels).view_as(
                out[first:last])
        return out


def illumination_source(level: Tensor, first_layer: nn.Conv2d) -> RowSource:
    """Rows of an adapter's 1x1 convolution of a prior map (1, C', H, W)."""
    level, weight = as_rows(level), first_layer.weight.flatten(1).t().contiguous()
    bias = first_layer.get_parameter('bias')

    def write(first: int, last: int, out: Tensor) -> None:
        out.copy_(torch.addmm(bias, level[first:last].flatten(0, 1), weight).view_as(out))

    return write


def semantic_source(semantics: Tensor, first_layer: nn.Conv2d, size: tuple[int, int],
                    window: Window) -> RowSource:
    """Rows of an adapter's 1x1 convolution of the enlarged class map.

    Both are linear and the weights of the interpolation sum to one, so the convolution goes ahead of it, at the class
    map's own resolution.

    Args:
        semantics: class probabilities, (1, classes, h, w).
        first_layer: the 1x1 convolution.
        size: (H, W) of the whole image's scale.
        window: of the tile in it.
    """
    top, _, left, right = window
    wide = interpolate_axis(as_rows(first_layer(semantics)), 1, size[1], left, right)

    def write(first: int, last: int, out: Tensor) -> None:
        interpolate_axis(wide, 0, size[0], top + first, top + last, out=out)

    return write
