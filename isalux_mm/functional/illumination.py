"""Illumination prior maps and their pyramid (ISALux, Eqs. 1 and 2)."""
import torch.nn.functional as F
from torch import Tensor

from isalux_mm.functional.constants import constants

LUMA_WEIGHTS = (0.299, 0.587, 0.114)  # ITU-R BT.601, for R, G, B


def max_channel_prior(image: Tensor) -> Tensor:
    """Darkness of the brightest channel, 1 - max_c(I) (Eq. 1; the paper prints argmax, which is no map).

    Args:
        image: (B, 3, H, W), RGB in [0, 1].

    Returns:
        (B, 1, H, W) in [0, 1]; 1 where the image is black.
    """
    return 1 - image.amax(dim=1, keepdim=True)


def mean_channel_prior(image: Tensor) -> Tensor:
    """Darkness of the channel mean, 1 - mean_c(I) (ours; paper silent). Shapes as in `max_channel_prior`."""
    return 1 - image.mean(dim=1, keepdim=True)


def luma(image: Tensor) -> Tensor:
    """BT.601 luma of gamma-coded RGB: (B, 3, H, W) to (B, 1, H, W), same range."""
    weights = constants(LUMA_WEIGHTS, image).view(1, 3, 1, 1)
    return (image * weights).sum(dim=1, keepdim=True)


def luma_prior(image: Tensor) -> Tensor:
    """Darkness of the luma, 1 - Y(I) (ours; paper silent). Shapes as in `max_channel_prior`."""
    return 1 - luma(image)


def halve(x: Tensor) -> Tensor:
    """Mean of each 2x2 cell; at odd sizes the last cell is the mean of what there is, so H becomes ceil(H / 2)."""
    return F.avg_pool2d(x, 2, stride=2, ceil_mode=True, count_include_pad=False)


def prior_pyramid(prior: Tensor, num_levels: int = 3) -> list[Tensor]:
    """Prior at H, H/2, H/4, ... (Eq. 2); level k has size ceil(H / 2^k) and is halved from level k - 1."""
    levels = [prior]
    for _ in range(num_levels - 1):
        levels.append(halve(levels[-1]))
    return levels
