"""Splitting an image into overlapping tiles, joining them again, and resizing a part as it lies in the whole."""
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Window(NamedTuple):
    """Rows [top, bottom) and columns [left, right)."""
    top: int
    bottom: int
    left: int
    right: int


def interpolate_axis(x: Tensor, dim: int, size: int, start: int = 0, stop: int | None = None, *,
                     out: Tensor | None = None) -> Tensor:
    """Entries [start, stop) of `x` resized along one axis, linear as of `torch.nn.functional.interpolate`.

    Equal to the part of the whole interpolation with `align_corners=False` and no antialiasing, without the rest.

    Args:
        x: any shape.
        dim: the axis.
        size: of the whole result along it.
        start: of the part that is wanted; the whole by default.
        stop: its end.
        out: where the result goes.

    Returns:
        As `x`, with stop - start entries along `dim`.
    """
    known = x.shape[dim]
    target = torch.arange(start, size if stop is None else stop, device=x.device, dtype=torch.float64)
    source = ((target + 0.5) * (known / size) - 0.5).clamp_min(0)
    low = source.floor().long().clamp_max(known - 1)
    shape = [1] * x.dim()
    shape[dim] = -1
    weight = (source - low).to(x.dtype).view(shape)
    return torch.lerp(x.index_select(dim, low), x.index_select(dim, (low + 1).clamp_max(known - 1)), weight, out=out)


def interpolate_window(x: Tensor, size: tuple[int, int], window: Window) -> Tensor:
    """The part of a map enlarged to `size` that lies in `window`, without the rest.

    Args:
        x: (B, C, h, w).
        size: (H, W) of the whole result.
        window: the part.

    Returns:
        (B, C, bottom - top, right - left), bilinear as of `torch.nn.functional.interpolate`.
    """
    if window == (0, size[0], 0, size[1]):
        return F.interpolate(x, size=size, mode='bilinear', align_corners=False)
    wide = interpolate_axis(x, 3, size[1], window.left, window.right)
    return interpolate_axis(wide, 2, size[0], window.top, window.bottom)


class Span(NamedTuple):
    """One tile's extent along one axis, [start, stop), and what it shares with its neighbours, in pixels."""
    start: int
    stop: int
    before: int
    after: int


def split(size: int, tile: int, overlap: int, *, multiple: int = 1) -> list[Span]:
    """Spans of about equal length that cover [0, size); neighbours overlap by `overlap`, no pixel is in three.

    Args:
        size: pixels along the axis.
        tile: most pixels of a span.
        overlap: pixels that neighbours share, at most a third of `tile`.
        multiple: of which every start is one; `tile` and `overlap` are rounded up to it.

    Raises:
        ValueError: if a number is out of range.
    """
    if size < 1 or tile < 1 or multiple < 1:
        raise ValueError(f'size, tile and multiple must be at least 1, got {size}, {tile} and {multiple}')
    tile, overlap = round_up(tile, multiple), round_up(overlap, multiple)
    if not 0 <= 3 * overlap <= tile:
        raise ValueError(f'overlap must be in [0, {tile // 3}], a third of the tile, got {overlap}')
    shared_out = round_up(size, multiple) - overlap
    count = max(-(-shared_out // (tile - overlap)), 1)
    starts = [i * shared_out // count // multiple * multiple for i in range(count)]
    stops = [*(start + overlap for start in starts[1:]), size]
    return [Span(*ends, overlap * (i > 0), overlap * (i < count - 1)) for i, ends in enumerate(zip(starts, stops))]


def round_up(number: int, multiple: int) -> int:
    """The least multiple that is no smaller."""
    return -(-number // multiple) * multiple


def blend_weights(span: Span, like: Tensor) -> Tensor:
    """Weights of a span's pixels, (stop - start,); over all spans they sum to one at every pixel.

    Of an overlap the outer quarter counts nothing, since there a tile does not know its surroundings; the inner half is
    a linear ramp.

    Args:
        span: from `split`.
        like: gives dtype and device.
    """
    weights = like.new_ones(span.stop - span.start)
    if span.before:
        weights[:span.before] = _ramp(span.before, like)
    if span.after:
        weights[-span.after:] = 1 - _ramp(span.after, like)
    return weights


def _ramp(length: int, like: Tensor) -> Tensor:
    """From zero to one over the inner half of `length` pixels."""
    position = (torch.arange(length, device=like.device, dtype=torch.float64) + 0.5) / length
    return ((position - 0.25) * 2).clamp(0, 1).to(like.dtype)
