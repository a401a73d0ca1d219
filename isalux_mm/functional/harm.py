"""What shows whether an enhancer harms: pictures that it has to leave alone, and measures of what it made of them.

Ours; paper silent.
"""
import torch
from torch import Tensor

from isalux_mm.functional.checks import check_image
from isalux_mm.functional.exposure import to_linear, to_srgb
from isalux_mm.functional.illumination import luma
from isalux_mm.functional.image_quality import check_pair, gt_mean

CARD_SIDE = 96  # pixels, ours
LAMP_SIDE, LAMP_RADIUS = 192, 8  # pixels, ours
CB_SCALE, CR_SCALE = 0.564, 0.713  # ITU-R BT.601: Cb over B - Y, Cr over R - Y
EPS = 1e-8


def expose(image: Tensor, gain: float, levels: int | None = 255) -> Tensor:
    """A photograph as if exposed by a factor less: a gain in linear light, rounded as a file is; no noise.

    Args:
        image: (B, 3, H, W), sRGB in [0, 1].
        gain: in linear light; beyond 1 it clips.
        levels: steps that the result is rounded to; `None` for none.

    Returns:
        Same shape, sRGB in [0, 1].
    """
    coded = to_srgb((to_linear(image) * gain).clamp(0, 1))
    return coded if levels is None else (coded * levels).round() / levels


def exposure_gains(count: int = 10, last: float = 1 / 128) -> list[float]:
    """`count` gains from 1 to `last`, evenly apart in stops."""
    return [last**(i / (count - 1)) for i in range(count)]


def constants(count: int = 21, side: int = CARD_SIDE) -> Tensor:
    """Grey pictures of one value each, from black to white, (count, 3, side, side)."""
    return torch.linspace(0, 1, count).view(-1, 1, 1, 1).expand(-1, 3, side, side).contiguous()


def ramps(side: int = CARD_SIDE, tops: tuple[float, ...] = (1.0, 0.5, 0.25, 0.1)) -> Tensor:
    """Grey ramps from black at the left to each of `tops` at the right, (len(tops), 3, side, side)."""
    ramp = torch.linspace(0, 1, side) * torch.tensor(tops).view(-1, 1, 1, 1)
    return ramp.expand(-1, 3, side, side).contiguous()


def lamp(side: int = LAMP_SIDE, radius: float = LAMP_RADIUS) -> Tensor:
    """A white disc in the middle of a black picture, (1, 3, side, side)."""
    return (distance_from_center(side) <= radius).float().expand(1, 3, -1, -1).contiguous()


def distance_from_center(side: int) -> Tensor:
    """Pixels from the centre of a square picture, (side, side)."""
    place = torch.arange(side) - (side - 1) / 2
    return torch.hypot(place[:, None], place[None])


def glow(image: Tensor, *, radius: float = LAMP_RADIUS, beyond: float = 16) -> Tensor:
    """The brightest value further than `beyond` pixels from the disc that `lamp` shows; (B,).

    image: (B, 3, side, side), RGB, what was made of the lamp.
    """
    check_image(image, 'B 3 H W')
    far = distance_from_center(image.shape[-1]) > radius + beyond
    return image[..., far].amax(dim=(1, 2))


def channel_spread(image: Tensor) -> Tensor:
    """The largest distance between the channels of a pixel, (B, 3, H, W) to (B,)."""
    check_image(image, 'B 3 H W')
    return (image.amax(dim=1) - image.amin(dim=1)).amax(dim=(1, 2))


def mean_chroma(image: Tensor) -> Tensor:
    """Mean over the pixels of the length of (Cb, Cr), BT.601, (B, 3, H, W) to (B,); 0 of grey pictures."""
    check_image(image, 'B 3 H W')
    y = luma(image)
    blue, red = CB_SCALE * (image[:, 2:] - y), CR_SCALE * (image[:, :1] - y)
    return torch.hypot(blue, red).mean(dim=(1, 2, 3))


def chroma_factor(pred: Tensor, gt: Tensor) -> Tensor:
    """Chroma of the reference over that of the result after GT-mean; (B,). 1 is right, above 1 the result is dull.

    pred, gt: (B, 3, H, W), RGB in [0, 1].
    """
    check_pair(pred, gt)
    return mean_chroma(gt) / mean_chroma(gt_mean(pred, gt)).clamp_min(EPS)
