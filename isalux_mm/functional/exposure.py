"""Exposure of a developed picture: linear light and back (sRGB, IEC 61966-2-1), and how many stops it lacks (ours).

Pictures are (B, 3, H, W), RGB in [0, 1].
"""
import torch
from torch import Tensor

from isalux_mm.functional.illumination import luma

KNEE, LINEAR_KNEE = 0.04045, 0.0031308  # IEC 61966-2-1
MOST_STOPS = 12  # that a picture of 8 bits may lack
SAMPLED = 4  # every fourth row and column tells a mean luma well enough


def to_linear(image: Tensor) -> Tensor:
    """sRGB to linear light, both in [0, 1]."""
    return torch.where(image <= KNEE, image / 12.92, ((image + 0.055) / 1.055)**2.4)


def to_srgb(linear: Tensor) -> Tensor:
    """Linear light to sRGB, both in [0, 1]."""
    curved = 1.055 * linear.clamp_min(LINEAR_KNEE)**(1 / 2.4) - 0.055
    return torch.where(linear <= LINEAR_KNEE, linear * 12.92, curved)


def expose(image: Tensor, stops: Tensor) -> Tensor:
    """A picture as a longer exposure would have it, clipped at white.

    Args:
        image: the picture.
        stops: that are added, (B, 1, 1, 1).
    """
    return to_srgb((to_linear(image) * stops.exp2()).clamp_max(1))


def missing_stops(image: Tensor, target: float) -> Tensor:
    """By how many stops a picture's exposure must be raised until its mean luma is the target, (B, 1, 1, 1).

    0 for pictures that are as bright; at most `MOST_STOPS`. Means are taken at whole stops, between which they are
    taken for linear, so that a traced graph holds the same operations for every picture.

    Args:
        image: the picture.
        target: a mean BT.601 luma, in (0, 1).
    """
    linear = to_linear(image[..., ::SAMPLED, ::SAMPLED])
    means = torch.cat([luma(to_srgb((linear * 2.0**stop).clamp_max(1)).mean(dim=(2, 3), keepdim=True))
                       for stop in range(MOST_STOPS + 1)], dim=1)
    steps = (means[:, 1:] - means[:, :-1]).clamp_min(torch.finfo(means.dtype).tiny)
    return ((target - means[:, :-1]) / steps).clamp(0, 1).sum(dim=1, keepdim=True)
