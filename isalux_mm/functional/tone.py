"""Tone of a result: highlights brought back into range, blending with the input, a power law for the mean luma."""
import torch
from torch import Tensor

from isalux_mm.functional.checks import check_choice, check_image, check_range
from isalux_mm.functional.illumination import LUMA_WEIGHTS
from isalux_mm.functional.visible import seen

HIGHLIGHTS = ('soft', 'clip')
LOG_EXPONENTS = (-2.3, 2.3)  # ours: natural logarithms of the exponents allowed, 0.1 to 10
BINS = 65536  # ours: of the histogram the exponent is sought on; a 16-bit picture loses nothing
STEPS = 40  # halvings of the interval: beyond float32's precision
KNEE = 0.75  # ours: brightest channel from which highlights are compressed
HUE = 0.25  # ours: how much of a highlight's hue is kept
EPS = 1e-6


def white_level(enhanced: Tensor) -> Tensor:
    """The largest value of every image, at least 1, (B, 1, 1, 1): what `with_soft_highlights` brings to white."""
    return enhanced.amax(dim=(1, 2, 3), keepdim=True).clamp_min(1)


def with_soft_highlights(enhanced: Tensor, image: Tensor, *, knee: float = KNEE, white: Tensor | None = None) -> Tensor:
    """Brings what exceeds white back into [0, 1] without clipping: order kept, values up to the knee kept.

    The brightest channel m of a pixel becomes f(m). Above the knee f is Reinhard et al.'s curve with a white point
    (2002, Eq. 4), t (1 + t / T^2) / (1 + t), t and T the distances of m and of the image's largest value to the knee
    over the knee's distance to 1; it leaves the knee with slope 1, and images that stay within 1 as they are. The
    other channels are f of each, which fades to white, and for a quarter the pixel's own hue, scaled by f(m) / m: hue
    beyond white was never trained, and neither all of it nor none looks right. Nothing comes out darker than it went
    in: networks trained on clipped results lift the core of a lamp less than its surroundings. (All but the curve is
    ours; paper silent.)

    Args:
        enhanced: (B, 3, H, W), RGB, unclamped.
        image: the input, same shape, in [0, 1].
        knee: in [0, 1).
        white: value that becomes white, (B, 1, 1, 1), at least 1; by default `white_level`. What exceeds it is cut off.

    Returns:
        Same shape, in [0, 1].

    Raises:
        ValueError: if `knee` is not in [0, 1).
    """
    check_image(enhanced, name='enhanced')
    if not 0 <= knee < 1:
        raise ValueError(f'knee must be in [0, 1), got {knee}')
    brightest = enhanced.amax(dim=1, keepdim=True)
    white = ((white_level(enhanced) if white is None else white) - knee) / (1 - knee)

    def curve(x: Tensor) -> Tensor:
        t = (x - knee).clamp_min(0) / (1 - knee)
        return torch.where(t > 0, knee + (1 - knee) * t * (1 + t / white**2) / (1 + t), x)

    with_hue = enhanced * (curve(brightest) / brightest.clamp_min(EPS)).where(brightest > knee, 1)
    return torch.maximum(torch.lerp(curve(enhanced), with_hue, HUE), image.to(enhanced)).clamp(0, 1)


def within_white(enhanced: Tensor, image: Tensor, highlights: str, *, white: Tensor | None = None) -> Tensor:
    """Brings what exceeds white back into [0, 1]: 'soft' by `with_soft_highlights`, 'clip' by cutting it off.

    Args:
        enhanced: as of `with_soft_highlights`, like `image` and `white`.
        highlights: 'soft' or 'clip'.

    Raises:
        ValueError: if `highlights` is unknown.
    """
    check_choice(highlights, HIGHLIGHTS, 'highlights')
    return with_soft_highlights(enhanced, image, white=white) if highlights == 'soft' else enhanced.clamp(0, 1)


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


def with_mean_luma(image: Tensor, target: float, *, visible: Tensor | None = None) -> Tensor:
    """I^g with the g, one per image, that brings the mean BT.601 luma to `target` (ours; paper silent).

    A power law rather than a gain: black and white stay where they are, so brightening burns no lamps out and
    darkening turns no white grey. g is found by bisection, the mean falls with it; it stays in [0.1, 10], so an
    image of nothing but black or white keeps its luma.

    Args:
        image: (B, 3, H, W), RGB in [0, 1].
        target: in (0, 1).
        visible: of one image, (1, 1, H, W), above 0 where a pixel counts in the mean; `None` for all.

    Raises:
        ValueError: if `target` is not in (0, 1).
    """
    check_image(image)
    if not 0 < target < 1:
        raise ValueError(f'reference brightness must be in (0, 1), got {target}')
    counted = seen(image, visible)
    return torch.stack([picture.clamp(0, 1)**mean_luma_exponent(part, target) for picture, part in zip(image, counted)])


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
