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
        start, stop: the part that is wanted; the whole by default.
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
