"""`FastNetwork.render` by compiled kernels: the same picture, in strips of rows (ours)."""
import math

import numpy as np
import torch
from torch import Tensor

from isalux_mm.functional.compiling import in_rows
from isalux_mm.functional.noise_removal import BANDS, COLOR, MULTIPLE, REACH

STRIP_PIXELS = 4_000_000  # ours: that are worked on at once, some 100 MiB


def rendered(low: Tensor, grid: Tensor, noise: Tensor, share: Tensor, *, denoise: bool) -> Tensor:
    """Brings maps of colour to full resolution.

    Args:
        low: (B, 3, H, W), float32, on a CPU, like all.
        grid, noise, share: as of `FastMaps`.
        denoise: whether noise is removed.

    Returns:
        Same shape, laid out in memory as `low`.
    """
    maps, out = laid_out(grid, noise), torch.empty_like(low)
    for b in range(len(low)):
        _render(low[b].detach().numpy(), maps[b].detach().numpy(), share[b, 0].detach().numpy(), out[b].numpy(),
                denoise)
    return out


def laid_out(grid: Tensor, noise: Tensor) -> Tensor:
    """Maps (B, 12, levels, rows, columns) and noise (B, 1, ...) as kernels read them, (B, rows, columns, levels, 16).

    Four of red, green and blue that a red of 1 adds, and a zero; the same for green and blue; the constants and the
    noise.
    """
    batch, _, levels, rows, columns = grid.shape
    maps = grid.new_zeros(batch, rows, columns, levels, 4, 4)
    maps[..., :3] = grid.unflatten(1, (4, 3)).permute(0, 4, 5, 3, 1, 2)
    maps[..., 3, 3] = noise[:, 0].permute(0, 2, 3, 1)
    return maps.flatten(-2)


def _render(low: np.ndarray, maps: np.ndarray, share: np.ndarray, out: np.ndarray, denoise: bool) -> None:
    """One picture (3, H, W)."""
    from isalux_mm.functional import compiled
    height, width = low.shape[1:]
    rows = max(STRIP_PIXELS // width // MULTIPLE, 1) * MULTIPLE
    reach, all_rows, columns = REACH if denoise else 0, _whole(height), _whole(width)
    for first in range(0, height, rows):
        last = min(first + rows, height)
        top, bottom = max(first - reach, 0), min(_whole(last) + reach, all_rows)
        planes = np.empty((3, bottom - top, columns), np.float32)
        variance = np.empty((1, (bottom - top) // 2, columns // 2), np.float32)
        in_rows(compiled.brighten, len(variance[0]), low, maps, share, out, first, last, top, planes, variance[0])
        if denoise:
            _put_noise(planes, variance, BANDS)
            in_rows(compiled.subtract, last - first, planes[:, first - top:], out[:, first:last])


def _put_noise(planes: np.ndarray, variance: np.ndarray, bands: int) -> None:
    """Puts the noise of so many bands in the place of planes (3, 2 h, 2 w); its variance is (1, h, w)."""
    from isalux_mm.functional import compiled
    height, width = variance.shape[1:]
    halves, energy, ratio = (np.empty((3, height, width), np.float32) for _ in range(3))
    in_rows(compiled.halve, height, planes, halves, 1.0)
    in_rows(compiled.measure, height, planes, halves, energy)
    in_rows(compiled.weigh, height, energy, variance[0], np.float32(COLOR**2), ratio)
    below = np.empty((3, 0, 0), np.float32)
    if bands > 1:
        smaller = np.empty((1, height // 2, width // 2), np.float32)
        in_rows(compiled.halve, height // 2, variance, smaller, 0.25)
        below = energy
        np.copyto(below, halves)
        _put_noise(below, smaller, bands - 1)
    in_rows(compiled.part, height, planes, halves, ratio, below)


def _whole(side: int) -> int:
    """A side rounded up to what the pyramid can halve."""
    return math.ceil(side / MULTIPLE) * MULTIPLE
