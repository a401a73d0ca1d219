"""Strength and brightness of a result: blending with the input, a power law that sets the mean luma."""
import torch
from torch import Tensor

from isalux_mm.functional.checks import check_image, check_range
from isalux_mm.functional.illumination import LUMA_WEIGHTS

LOG_EXPONENTS = (-2.3, 2.3)  # ours: natural logarithms of the exponents allowed, 0.1 to 10
BINS = 65536  # ours: of the histogram the exponent is sought on; a 16-bit picture loses nothing
STEPS = 40  # halvings of the interval: beyond float32's precision


def blended(image: Tensor, enhanced: Tensor, strength: float) -> Tensor:
    """image + strength (enhanced - image); the input at 0, the result at 1.

    Args:
        image: (B, 3, H, W), RGB in [0, 1].
        enhanced: same shape.
        strength: in [0, 1].

    Raises:
        ValueError: if `strength` is outside [0, 1].
    """
    check_range(strength, 0, 1, 'strength')
    return enhanced if strength == 1 else torch.lerp(image.to(enhanced), enhanced, strength)


def with_mean_luma(image: Tensor, target: float) -> Tensor:
    """I^g with the g, one per image, that brings the mean BT.601 luma to `target` (ours; paper silent).

    A power law rather than a gain: black and white stay where they are, so brightening burns no lamps out and
    darkening turns no white grey. g is found by bisection, the mean falls with it; it stays in [0.1, 10], so an
    image of nothing but black or white keeps its luma.

    Args:
        image: (B, 3, H, W), RGB in [0, 1].
        target: in (0, 1).

    Raises:
        ValueError: if `target` is not in (0, 1).
    """
    check_image(image)
    if not 0 < target < 1:
        raise ValueError(f'reference brightness must be in (0, 1), got {target}')
    return torch.stack([picture.clamp(0, 1)**mean_luma_exponent(picture, target) for picture in image])


def mean_luma_exponent(picture: Tensor, target: float) -> float:
    """The exponent of `with_mean_luma` for one image (3, H, W), sought on the channels' histograms."""
    levels = (torch.arange(BINS, dtype=torch.float64) + 0.5) / BINS
    levels[0], levels[-1] = 0, 1  # black and white stay, whatever the exponent
    counts = torch.stack([torch.histc(c.float().clamp(0, 1), BINS, 0, 1) for c in picture]).double().cpu()
    shares = (counts * torch.tensor(LUMA_WEIGHTS, dtype=torch.float64)[:, None]).sum(dim=0) / picture[0].numel()
    low, high = LOG_EXPONENTS
    for _ in range(STEPS):
        middle = (low + high) / 2
        exponent = torch.tensor(middle, dtype=torch.float64).exp()
        if (shares * levels**exponent).sum() > target:
            low = middle
        else:
            high = middle
    return float(torch.tensor((low + high) / 2).exp())
