"""A bilateral grid of affine colour maps: fitted to a small pair of pictures, applied to a large one (ours).

After the bilateral guided upsampling of Chen et al. (2016): a cell, which is a place and a lightness, holds the affine
map of colour, 3x4, that brings the small input's pixels there to the small result's. A large picture looks its maps up
by place and by its own lightness, so that edges stay where they are in the large picture. Maps are kept as the
difference to the identity: where the small result is the small input, they are zero to the last bit.
"""
import math
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from isalux_mm.functional.constants import constants
from isalux_mm.functional.illumination import luma

# ours, all of these
COEFFICIENTS = 12  # of a map: for each channel of the result three of the colour, and a constant
LEVELS = 8  # lightnesses of a grid
LIGHTNESS = 64.0  # how much finer levels are at black than a linear scale: dark pictures use a tenth of the range
CELL = 8  # pixels of the small picture to a cell's side
NOISE_VARIANCE = 1e-5  # contrast below a standard deviation of 0.003 tells nothing of a slope
BLACK = 1 / 255  # bounds the gain of black areas
FARTHER = 1e-2, 1e-4  # weights of what lies around a cell, and of the whole picture, where a cell has few pixels


def lightness(image: Tensor) -> Tensor:
    """The guide: a logarithm of the luma, (B, 3, H, W) in [0, 1] to (B, 1, H, W), in [0, 1]."""
    return lightness_of(luma(image))


def lightness_of(luma: Tensor) -> Tensor:
    """The same of a luma, (B, 1, H, W)."""
    return torch.log1p(LIGHTNESS * luma.clamp(0, 1)) / math.log1p(LIGHTNESS)


def fit_grid(small: Tensor, enhanced: Tensor, *, weights: Tensor | None = None, levels: int = LEVELS,
             cell: int = CELL) -> Tensor:
    """Fits the maps from a small picture to its result, cell by cell, by regularized least squares.

    A slope that the pixels of a cell do not tell is drawn towards the gain there; a cell without pixels takes what its
    surroundings have. Gradients pass.

    Args:
        small: (B, 3, h, w), RGB in [0, 1].
        enhanced: same shape.
        weights: how much a pixel counts, (B, 1, h, w) or (1, 1, h, w); `None` for all alike.
        levels: lightnesses of the grid.
        cell: pixels to a cell's side.

    Returns:
        (B, 12, levels, rows, columns), float32 at least: maps less the identity.
    """
    dtype = torch.promote_types(enhanced.dtype, torch.float32)
    x, change = small.to(dtype), enhanced.to(dtype) - small.to(dtype)
    with torch.autocast(x.device.type, enabled=False):
        rows, columns = (max(round(side / cell), 1) for side in x.shape[-2:])
        moments = _moments(x, change, weights, (levels, rows, columns))
        near = _blurred(moments)
        around = _blurred(near, 3)
        whole = moments.mean(dim=(2, 3, 4), keepdim=True)
        return _solved(near + FARTHER[0] * around + FARTHER[1] * whole)


def _moments(x: Tensor, change: Tensor, weights: Tensor | None, size: tuple[int, int, int]) -> Tensor:
    """Means over cells of (x, 1) (x, 1)^T and (x, 1) d^T, each pixel shared by two levels, (B, 28, *size)."""
    ones = torch.ones_like(x[:, :1])
    extended = torch.cat([x, ones], dim=1)  # (B, 4, h, w)
    second = (extended[:, :, None] * extended[:, None]).flatten(1, 2)  # (B, 16, h, w)
    mixed = (extended[:, :, None] * change[:, None]).flatten(1, 2)  # (B, 12, h, w)
    products = torch.cat([second, mixed], dim=1)
    levels, rows, columns = size
    products = products if weights is None else products * weights
    place = lightness(x) * (levels - 1)
    return torch.stack([F.adaptive_avg_pool2d((1 - (place - k).abs()).clamp_min(0) * products, (rows, columns))
                        for k in range(levels)], dim=2)


def _blurred(grid: Tensor, times: int = 1) -> Tensor:
    """The grid under (1, 2, 1) / 4 along its three axes, its borders repeated, so many times."""
    levels, rows, columns = (torch.from_numpy(_blur(size, times)).to(grid) for size in grid.shape[-3:])
    grid = rows @ (grid @ columns)  # both symmetric
    return (levels @ grid.flatten(-2)).view_as(grid)


@cache
def _blur(size: int, times: int) -> np.ndarray:
    """What (1, 2, 1) / 4 with repeated borders, applied so many times, is as a matrix, (size, size)."""
    once = (2 * np.eye(size) + np.eye(size, k=1) + np.eye(size, k=-1)) / 4
    once[[0, -1], [0, -1]] += 0.25 if size > 1 else 0.5
    return np.linalg.matrix_power(once, times)


def _solved(moments: Tensor) -> Tensor:
    """The maps of moments (B, 28, levels, rows, columns)."""
    b, _, levels, rows, columns = moments.shape
    sums = moments.permute(0, 2, 3, 4, 1).double()  # solved where float32 would lose small variances
    second, mixed = sums[..., :16].unflatten(-1, (4, 4)), sums[..., 16:].unflatten(-1, (4, 3))
    count = second[..., 3:, 3:].clamp_min(torch.finfo(torch.float32).tiny)
    second, mixed = second / count, mixed / count
    gain = mixed[..., 3, :] / (second[..., 3, :3] + BLACK)  # of each channel, less one
    prior = F.pad(torch.diag_embed(gain), (0, 0, 0, 1))  # (..., 4, 3): colour is multiplied, no constant
    ridge = torch.diag(constants([NOISE_VARIANCE] * 3 + [1e-9], second))
    maps = torch.linalg.solve(second + ridge, mixed + ridge @ prior)
    return maps.flatten(-2).permute(0, 4, 1, 2, 3).to(moments.dtype)


def rows_of(cells: Tensor, height: int, first: int, last: int) -> Tensor:
    """Cells (..., rows, columns) interpolated down to rows [first, last) of a picture: (..., last - first, columns)."""
    count, dim = cells.shape[-2], cells.dim() - 2
    place = ((torch.arange(first, last, device=cells.device) + 0.5) * (count / height) - 0.5).clamp(0, count - 1)
    lower = place.floor().long()
    upper = (lower + 1).clamp_max(count - 1)
    weight = (place - lower).to(cells.dtype)[:, None]
    return torch.lerp(cells.index_select(dim, lower), cells.index_select(dim, upper), weight)


def sliced(grid: Tensor, guide: Tensor, *, height: int | None = None, first: int = 0) -> Tensor:
    """The maps of every pixel of a strip of rows, (B, 12, h, W).

    Args:
        grid: from `fit_grid`.
        guide: `lightness` of the strip, (B, 1, h, W).
        height: of the whole picture; the strip is all of it by default.
        first: the strip's first row in it.
    """
    b, channels, levels, _, columns = grid.shape
    h, w = guide.shape[-2:]
    rows = rows_of(grid, h if height is None else height, first, first + h)
    atlas = rows.transpose(2, 3).reshape(b, channels, h * levels, columns)  # row by row, all levels of each
    level = guide[:, 0].to(grid.dtype).clamp(0, 1) * (levels - 1)
    line = torch.arange(h, device=grid.device, dtype=grid.dtype)[:, None] * levels
    down = (2 * (line + level) + 1) / (h * levels) - 1
    column = (torch.arange(w, device=grid.device, dtype=grid.dtype) + 0.5) / w * 2 - 1
    place = torch.stack([column.expand(b, h, w), down], dim=-1)
    return F.grid_sample(atlas, place, mode='bilinear', padding_mode='border', align_corners=False)


def change_of(image: Tensor, maps: Tensor) -> Tensor:
    """What maps (B, 12, h, W) less the identity add to an image (B, 3, h, W), in the maps' dtype."""
    red, green, blue, constant = maps.chunk(4, dim=1)
    return torch.addcmul(torch.addcmul(torch.addcmul(constant, red, image[:, 0:1]), green, image[:, 1:2]),
                         blue, image[:, 2:3])


def gain_of(maps: Tensor) -> Tensor:
    """By how much maps (B, 12, h, W) amplify, less one: the mean of a channel's slope in itself, (B, 1, h, W)."""
    return maps[:, 0:COEFFICIENTS - 3:4].mean(dim=1, keepdim=True)
