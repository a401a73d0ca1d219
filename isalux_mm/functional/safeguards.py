"""What keeps an enhancer from harming: how much of its change a picture, and a place in it, gets (ours; paper silent).

Three safeguards, each exact where it matters, each nearly without effect on dark pictures:

- fade: a well-lit picture stays as it is; the change fades in as the light falls.
- grey: where the input has no colour at all, the change has none.
- black: what has nothing but black around it stays black; no lamp glows further than the window reaches.
"""
from collections.abc import Collection
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from isalux_mm.functional.constants import constants
from isalux_mm.functional.illumination import LUMA_WEIGHTS, luma

SAFEGUARDS = ('fade', 'gray', 'black')
# ours, all of these
FADE = (0.08, 0.34)  # `light` up to which the change is whole, and from which there is none
SCALE_SQUARINGS = 5  # the power of the mean is 32
LEAST_SCALE = 0.1  # below which its 32nd power would vanish in float32
BLOCK = 4_000_000  # pixels that are worked on at once
SHORT = 64  # side up to which it takes less time to multiply by a matrix than to run sums
LONG = 16384  # side from which running sums are taken in float64: float32 would lose what a window holds
REACH = 11  # pixels to each side that a place looks at; 15.6 along the diagonal
LIT = 0.002  # half a level of 8 bits: a pixel of this value counts half as lit
LIT_POWER = 4  # with half of the window lit, 94% of the change is left
COLORED = 0.01  # saturation at which half of the colour's change remains; dark photographs have .2 and more
EPS = 1e-6


class Guard(NamedTuple):
    """How much of a network's change an image gets.

    Attributes:
        change: factor of the whole change, (B, 1, H, W) or (B, 1, 1, 1), in [0, 1]; `None` for one.
        color: factor of the residual's colour, (B, 1, H, W), in [0, 1]; `None` for one.
    """
    change: Tensor | None = None
    color: Tensor | None = None

    def rows(self, first: int, last: int) -> 'Guard':
        """The same for rows [first, last) of the image."""
        return Guard(*(x if x is None or x.shape[2] == 1 else x[:, :, first:last] for x in self))


def mean_luma(image: Tensor) -> Tensor:
    """Mean BT.601 luma of every image, (B, 3, H, W) to (B, 1, 1, 1), summed in float32 at least."""
    means = image.mean(dim=(2, 3), keepdim=True, dtype=torch.promote_types(image.dtype, torch.float32))
    return (means * constants(LUMA_WEIGHTS, means).view(3, 1, 1)).sum(dim=1, keepdim=True)


def light(image: Tensor) -> Tensor:
    """How well lit a whole image is: its mean luma times the part of the scale that it uses.

    A mean luma alone takes a photograph of dark things for one that got too little light: of 48 photographs and the
    same at 0.78 stops less, it puts 83% of the pairs in order, this 93%. The part of the scale is a power mean of the
    brightest channel: near the largest value of a picture, but no single pixel decides it.

    image: (B, 3, H, W), RGB in [0, 1]; returns (B, 1, 1, 1), in [0, 1].
    """
    return mean_luma(image) * used_scale(image)


def used_scale(image: Tensor) -> Tensor:
    """The part of the scale that a whole image uses, as of `light`, in little memory: (B, 1, 1, 1), in [0.1, 1]."""
    powers = []
    # a graph of any size has no split that depends on the size
    rows = None if torch.compiler.is_compiling() else max(BLOCK // image.shape[3], 1)
    for part in (image, ) if rows is None else image.split(rows, dim=2):
        power = part.amax(dim=1, keepdim=True).clamp_min(LEAST_SCALE)
        power = power.to(torch.promote_types(image.dtype, torch.float32))
        for _ in range(SCALE_SQUARINGS):
            power = power * power
        powers.append(power.mean(dim=(2, 3), keepdim=True) * (part.shape[2] / image.shape[2]))
    return sum(powers[1:], powers[0])**(1 / 2**SCALE_SQUARINGS)


def darkness_confidence(image: Tensor, fade: tuple[float, float] = FADE) -> Tensor:
    """How sure it is that a whole image is dark: 1 up to the first value of `light`, 0 from the second.

    Linear between them, since a steeper part would let the result jump between neighbouring exposures of one scene.

    Args:
        image: (B, 3, H, W), RGB in [0, 1], whole.
        fade: two values of `light`, ascending.

    Returns:
        (B, 1, 1, 1), in [0, 1].
    """
    return confidence_by(light(image), fade).to(image.dtype)


def confidence_by(light: Tensor, fade: tuple[float, float] = FADE) -> Tensor:
    """`darkness_confidence` of images whose `light` is known, same shape as that."""
    dark, bright = fade
    return ((bright - light) / (bright - dark)).clamp(0, 1)


def window_mean(x: Tensor, reach: int = REACH) -> Tensor:
    """Mean over the square window of 2 reach + 1 pixels that lies around each, as far as it lies in the image.

    Exact zeros stay exact, since sums that nothing was added to are equal.

    x: (B, C, H, W), float32 at least; returns the same shape.
    """
    dtype = x.dtype
    watched = torch.compiler.is_compiling() or torch.jit.is_tracing()
    if not watched and max(x.shape[2:]) <= SHORT and x.device.type == 'cpu':
        rows, columns = (torch.from_numpy(_window(size, reach)).to(dtype) for size in x.shape[2:])
        with torch.autocast('cpu', enabled=False):
            return rows @ x @ columns.T
    if not torch.compiler.is_compiling() and max(x.shape[2:]) > LONG and x.device.type != 'mps':
        x = x.double()
    for dim in (3, 2):
        size = x.shape[dim]
        sums = F.pad(x.cumsum(dim), (1, 0) if dim == 3 else (0, 0, 1, 0))
        place = torch.arange(size, device=x.device)
        last, first = (place + reach + 1).clamp_max(size), (place - reach).clamp_min(0)
        count = (last - first).to(x.dtype).view((-1, 1) if dim == 2 else (-1, ))
        x = (sums.index_select(dim, last) - sums.index_select(dim, first)) / count
    return x.to(dtype)


@cache
def _window(size: int, reach: int) -> np.ndarray:
    """`window_mean` along one axis as a matrix, (size, size)."""
    place = np.arange(size)
    near = np.abs(place[:, None] - place) <= reach
    return (near / near.sum(axis=1, keepdims=True)).astype(np.float64)


def lit_share(brightest: Tensor, reach: int = REACH) -> Tensor:
    """How far from black a place is: 0 where the whole window is black, near 1 where a good part of it is not.

    Args:
        brightest: brightest channel of each pixel, (B, 1, H, W), in [0, 1].
        reach: pixels to each side that a place looks at.

    Returns:
        Same shape, in [0, 1].
    """
    lit = window_mean(brightest / (brightest + LIT), reach)
    return 1 - (1 - lit).clamp(0, 1)**LIT_POWER


def colored_share(brightest: Tensor, darkest: Tensor) -> Tensor:
    """How coloured a place is: 0 where the whole window is grey, near 1 from the saturation of a dull picture on.

    Args:
        brightest: brightest channel of each pixel, (B, 1, H, W), in [0, 1].
        darkest: darkest channel, likewise.

    Returns:
        Same shape, in [0, 1).
    """
    chroma, level = window_mean(torch.cat([brightest - darkest, brightest], dim=1)).split(1, dim=1)
    return chroma / (chroma + COLORED * level + EPS)


def guard(image: Tensor, safeguards: Collection[str], confidence: Tensor | None) -> Guard:
    """How much of its change an image, or a tile of one, gets under the safeguards that are named.

    Args:
        image: (B, 3, H, W), RGB in [0, 1].
        safeguards: any of `SAFEGUARDS`.
        confidence: `darkness_confidence` of the whole image; `None` without 'fade'.
    """
    seen = image.to(torch.promote_types(image.dtype, torch.float32))
    brightest, darkest = seen.amax(dim=1, keepdim=True), seen.amin(dim=1, keepdim=True)
    change, color = confidence, None
    if 'black' in safeguards:
        lit = lit_share(brightest).to(image.dtype)
        change = lit if confidence is None else confidence.to(image.dtype) * lit
    if 'gray' in safeguards:
        color = colored_share(brightest, darkest).to(image.dtype)
    return Guard(change, color)


def guarded(image: Tensor, base: Tensor, residual: Tensor, guard: Guard) -> Tensor:
    """The image and as much of the change to base + residual as the guard lets through.

    Args:
        image: (B, 3, H, W), RGB in [0, 1].
        base: what the residual is added to, same shape: the image, or a brightened one.
        residual: same shape.
        guard: of this image.

    Returns:
        Same shape, not clamped.
    """
    if guard.color is not None:
        gray = luma(residual)
        residual = gray + guard.color * (residual - gray)
    change = residual if base is image else base - image + residual
    return image + (change if guard.change is None else guard.change * change)
