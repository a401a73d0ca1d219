"""Noise removed from a brightened picture, band by band of a pyramid, where its level is known (ours).

A Laplacian pyramid of luma and colour differences (Burt and Adelson, 1983) parts a picture in bands. A band's noise is
known: that of the dark picture, measured by lightness, times the gain. Where a band's energy around a place is no more
than its noise there, the band goes; where it is much more, it stays (Wiener's rule). What is removed is grey where the
picture is grey, nothing where nothing was amplified, and never more than there was.
"""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from isalux_mm.functional.bilateral_grid import lightness_of
from isalux_mm.functional.compiling import in_rows
from isalux_mm.functional.constants import constants
from isalux_mm.functional.illumination import LUMA_WEIGHTS, luma

# ours, all of these
BANDS = 3  # halvings of the pyramid
MULTIPLE = 2**(BANDS + 1)  # the coarsest band is halved once more
REACH = 48  # pixels to each side that decide on one, rounded up to a multiple of `MULTIPLE`
WINDOW = 3  # side of the window in which a band's energy is taken, pixels of half the band's size
STRENGTH = 3.0  # of the variance that is taken for noise over the measured one
COLOR = 1.6  # deviation of colour differences over the luma's, of noise that is alike and independent in R, G and B
BLOCK = 8  # side of the blocks in which noise is measured, pixels
GAIN = 36  # of white noise's variance in the second difference along both axes: 6 * 6
CALM = 0.25  # share of the blocks of a lightness that are taken to show nothing but noise
FEWEST = 16  # blocks that tell the noise of a lightness
TINY = 1e-12


def noise_levels(pieces: Sequence[Tensor], levels: int, *, visible: Sequence[Tensor] | None = None,
                 compiled: bool = False) -> Tensor:
    """Standard deviation of the noise of the luma by lightness, (B, levels): that of the calmest quarter of blocks.

    Of a second difference along both axes, which edges and slopes hardly touch (Immerkaer, 1996). A lightness that is
    rare has the noise of the nearest that is not; without any, as in a picture of a few pixels, there is none. What is
    measured passes no gradient: a root has none where there is no noise.

    Args:
        pieces: of the same images, (B, 3, h, w) each, RGB in [0, 1].
        levels: how many lightnesses between black and white, as of `bilateral_grid.lightness`.
        visible: of every piece, (1, 1, h, w), above 0 where a pixel is seen; blocks with hidden ones do not count.
        compiled: whether compiled kernels measure, which take float32 on a CPU (`compiling.is_compilable`).
    """
    pieces = [part.detach() for part in pieces]
    hidden: list[Tensor | None] = [None] * len(pieces)
    if visible is not None:
        hidden = [(part <= 0).to(pieces[0].dtype) for part in visible]
    blocks = _blocks_by_kernel if compiled else _blocks_of
    found = [blocks(*both) for both in zip(pieces, hidden) if min(both[0].shape[-2:]) >= BLOCK + 2]
    if not found:
        return pieces[0].new_zeros(len(pieces[0]), levels)
    deviation, place = (torch.cat(parts, dim=1) for parts in zip(*found))
    return _by_level(deviation, (place * (levels - 1)).round(), levels)


def _blocks_of(image: Tensor, hidden: Tensor | None) -> tuple[Tensor, Tensor]:
    """Deviation and mean lightness of every block, (B, N) each; below 0 where it does not count."""
    y = luma(image)
    place = F.avg_pool2d(lightness_of(y)[:, :, 1:-1, 1:-1], BLOCK)
    for dim in (2, 3):
        size = y.shape[dim] - 2
        y = torch.add(y.narrow(dim, 0, size), y.narrow(dim, 1, size), alpha=-2) + y.narrow(dim, 2, size)
    deviation = (F.avg_pool2d(y * y, BLOCK) / GAIN).sqrt()
    return deviation.flatten(1), _counted(place, hidden).flatten(1)


def _blocks_by_kernel(image: Tensor, hidden: Tensor | None) -> tuple[Tensor, Tensor]:
    """The same by a compiled kernel."""
    from isalux_mm.functional.compiled import measure_blocks
    rows, columns = ((side - 2) // BLOCK for side in image.shape[-2:])
    deviation, place = image.new_empty(2, len(image), 1, rows, columns)
    for b in range(len(image)):
        in_rows(measure_blocks, rows, image[b].detach().numpy(), deviation[b, 0].numpy(), place[b, 0].numpy())
    return deviation.flatten(1), _counted(place, hidden).flatten(1)


def _counted(place: Tensor, hidden: Tensor | None) -> Tensor:
    """The lightness of blocks, below 0 where a pixel is hidden."""
    return place if hidden is None else place.where(F.max_pool2d(hidden[:, :, 1:-1, 1:-1], BLOCK) == 0, -1)


def _by_level(deviation: Tensor, place: Tensor, levels: int) -> Tensor:
    """Of the blocks (B, N) of every level the calmest quarter's deviation, (B, levels); no shape depends on a value."""
    level = torch.arange(levels, device=place.device)
    count = (place[:, None] == level[:, None]).sum(dim=2)  # (B, levels)
    darker = (place[:, None] < level[:, None]).sum(dim=2)
    calmest, order = deviation.sort(dim=1)
    rank = torch.arange(place.shape[1], device=place.device)
    by_level = (place.gather(1, order).long() * place.shape[1] + rank).sort(dim=1).indices
    at = (darker + (CALM * count).long()).clamp_max(place.shape[1] - 1)
    found = calmest.gather(1, by_level.gather(1, at))
    distance = (level[:, None] - level).abs() * levels + level  # of two as near, the darker one
    known = count >= FEWEST
    nearest = distance.where(known[:, None], levels**3).argmin(dim=2)
    return found.gather(1, nearest).where(known.any(dim=1, keepdim=True), 0)


def noise_at(levels: Tensor, lightness: Tensor) -> Tensor:
    """The noise of every pixel.

    Args:
        levels: from `noise_levels`, (B, levels).
        lightness: of the pixels, as of `bilateral_grid.lightness`, (B, 1, H, W).

    Returns:
        (B, 1, H, W), interpolated between the levels.
    """
    place = lightness.clamp(0, 1).flatten(1) * (levels.shape[1] - 1)
    lower = place.detach().floor().clamp_max(levels.shape[1] - 2)
    index = lower.long()
    return torch.lerp(levels.gather(1, index), levels.gather(1, index + 1), place - lower).view_as(lightness)


def differences(image: Tensor) -> Tensor:
    """Luma, and blue and red less it, (B, 3, H, W)."""
    y = (image * constants(LUMA_WEIGHTS, image).view(3, 1, 1)).sum(dim=1, keepdim=True)
    return torch.cat([y, image[:, 2:] - y, image[:, :1] - y], dim=1)


def colors(channels: Tensor) -> Tensor:
    """The inverse of `differences`."""
    y, blue, red = channels.chunk(3, dim=1)
    weights = LUMA_WEIGHTS
    return torch.cat([y + red, y - (weights[0] * red + weights[2] * blue) / weights[1], y + blue], dim=1)


def smaller(x: Tensor) -> Tensor:
    """Half the size; sides are even."""
    return F.avg_pool2d(x, 2)


def larger(x: Tensor) -> Tensor:
    """Twice the size."""
    return F.interpolate(x, scale_factor=2, mode='bilinear', align_corners=False)


def window_mean(x: Tensor) -> Tensor:
    """Mean in the window of the energy, of the pixels inside."""
    return F.avg_pool2d(x, WINDOW, stride=1, padding=WINDOW // 2, count_include_pad=False)


def bands_of(channels: Tensor) -> list[Tensor]:
    """The pyramid's bands, finest first, without what is left at its top."""
    found = []
    for _ in range(BANDS):
        low = smaller(channels)
        found.append(channels - larger(low))
        channels = low
    return found


def removed(bright: Tensor, deviation: Tensor) -> Tensor:
    """The noise of pictures, to be subtracted.

    Args:
        bright: (B, 3, H, W), RGB, sides multiples of `MULTIPLE`.
        deviation: of the luma's noise at every place, (B, 1, H, W); white noise halves from band to band.
    """
    noise: Tensor | None = None
    scale = constants((1, COLOR**2, COLOR**2), bright).view(3, 1, 1)
    variances = [STRENGTH * deviation**2]
    for _ in range(BANDS - 1):
        variances.append(smaller(variances[-1]) / 4)
    for band, variance in reversed(list(zip(bands_of(differences(bright)), variances))):
        variance = smaller(variance) * scale  # what is smooth is decided at half the size
        part = band * larger(variance / torch.maximum(window_mean(smaller(band * band)), variance).clamp_min(TINY))
        noise = part if noise is None else part + larger(noise)
    return bright.new_zeros(()) if noise is None else colors(noise)
