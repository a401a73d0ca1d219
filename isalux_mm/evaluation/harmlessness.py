"""Whether an enhancer harms what is not dark: demands with their limits, and what a network is measured at.

Ours; paper silent. A network is a function of images (B, 3, H, W), RGB in [0, 1]; its own result is clamped to [0, 1]
and measured as it is, without the soft highlights that `EnhanceInferencer` adds.
"""
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from isalux_mm.functional.harm import (
    channel_spread,
    chroma_factor,
    constants,
    expose,
    exposure_gains,
    glow,
    lamp,
    ramps,
)
from isalux_mm.functional.image_quality import psnr, ssim
from isalux_mm.functional.safeguards import mean_luma

Network = Callable[[Tensor], Tensor]
WELL_LIT = 0.3  # mean luma from which a photograph counts as well lit
PHOTOGRAPHS = 24


@dataclass(frozen=True)
class Demand:
    """What is asked of a model.

    Attributes:
        text: what is measured.
        least, most: the limits; `None` for none.
        digits: after the point.
    """
    text: str
    least: float | None = None
    most: float | None = None
    digits: int = 3

    def limits(self) -> str:
        """The limits in words."""
        words = [f'at least {self.least:g}'] if self.least is not None else []
        return ' and '.join(words + ([f'at most {self.most:g}'] if self.most is not None else [])) or '-'

    def holds(self, value: float) -> bool:
        """Whether a value keeps to the limits; what is not a number does not."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


# ours, all limits
DEMANDS = dict(
    psnr_median=Demand('well-lit photographs, PSNR from the input, median, dB', least=28, digits=2),
    psnr_worst=Demand('the same, worst, dB', least=22, digits=2),
    ssim_median=Demand('the same, SSIM, median', least=0.95),
    spread_constants=Demand('grey pictures of one value, channels apart', most=0.02),
    spread_ramps=Demand('grey ramps, channels apart', most=0.02),
    black=Demand('black picture, brightest value', most=0.03),
    white=Demand('white picture, darkest value', least=0.97),
    glow=Demand('lamp in black, brightest value beyond 16 pixels', most=0.05),
    exposure_distance=Demand(
        'ten exposures, mean luma from the reference\'s, worst exposure, median photograph', most=0.08),
    exposure_jump=Demand('ten exposures, jump between neighbours, worst pair, median photograph', most=0.05),
    chroma=Demand('real pairs, chroma of reference over result, median', least=0.9, most=1.15),
)


@torch.no_grad()
def run(network: Network, images: Tensor) -> Tensor:
    """The network's own result, clamped; images one after the other."""
    return torch.cat([network(image[None]).clamp(0, 1) for image in images])


def is_well_lit(image: Tensor) -> bool:
    """Whether the mean luma of an image (1, 3, H, W) is at least 0.3."""
    return float(mean_luma(image)) >= WELL_LIT


def measure_well_lit(network: Network, photographs: Iterable[Tensor]) -> dict[str, float]:
    """How far photographs (1, 3, H, W) come out from themselves; PSNR is infinite where nothing changed."""
    pairs = [(run(network, photo), photo) for photo in photographs]
    likeness = torch.cat([ssim(*pair) for pair in pairs])
    noise = torch.cat([psnr(*pair) for pair in pairs])
    return dict(psnr_median=middle(noise), psnr_worst=float(noise.min()), ssim_median=middle(likeness))


def measure_gray(network: Network) -> dict[str, float]:
    """What becomes of grey, black and white, and of a lamp in the dark."""
    cards = run(network, constants())
    return dict(
        spread_constants=float(channel_spread(cards).max()),
        spread_ramps=float(channel_spread(run(network, ramps())).max()),
        black=float(cards[0].max()),
        white=float(cards[-1].min()),
        glow=float(glow(run(network, lamp()))))


def exposure_lumas(network: Network, photograph: Tensor, gains: Sequence[float]) -> Tensor:
    """Mean luma of what a network makes of a photograph (1, 3, H, W) at each exposure, (N,)."""
    shown = torch.cat([expose(photograph, gain) for gain in gains])
    return mean_luma(run(network, shown)).flatten()


def measure_exposures(network: Network, photographs: Iterable[Tensor],
                      gains: Sequence[float] | None = None) -> dict[str, float]:
    """How mean luma holds over exposures of well-lit photographs (1, 3, H, W), which are their own references.

    Of each photograph the worst exposure counts, of these values the median; `exposure_within` is the share of all
    results within the limit.
    """
    gains = exposure_gains() if gains is None else gains
    rows = [(exposure_lumas(network, photo, gains), mean_luma(photo).flatten()) for photo in photographs]
    lumas, references = torch.stack([r[0] for r in rows]), torch.stack([r[1] for r in rows])
    distances, most = (lumas - references).abs(), DEMANDS['exposure_distance'].most or 0.0
    return dict(
        exposure_distance=middle(distances.amax(dim=1)),
        exposure_jump=middle(lumas.diff(dim=1).abs().amax(dim=1)),
        exposure_distance_worst=float(distances.max()),
        exposure_jump_worst=float(lumas.diff(dim=1).abs().max()),
        exposure_within=float((distances <= most).float().mean()))


def measure_chroma(network: Network, pairs: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """The chroma factor of pairs of a low image and its reference, (1, 3, H, W) each."""
    return dict(chroma=middle(torch.cat([chroma_factor(run(network, low), gt) for low, gt in pairs])))


def middle(values: Tensor) -> float:
    """The median; of an even number the mean of the two in the middle."""
    ordered = values.double().sort().values
    return float((ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2)


def as_markdown(values: dict[str, float]) -> str:
    """A table of every demand that was measured, its limits, and whether it holds."""
    lines = ['| what | measured | demanded | holds |', '|---|---|---|---|']
    for name, value in values.items():
        if name in DEMANDS:
            demand = DEMANDS[name]
            verdict = 'yes' if demand.holds(value) else '**no**'
            lines.append(f'| {demand.text} | {value:.{demand.digits}f} | {demand.limits()} | {verdict} |')
    return '\n'.join(lines)
