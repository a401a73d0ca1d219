"""Pairs of a training mixture: photographs with or without lamps, and charts, made dark (ours; paper silent).

What the target's exposure is: a photograph is its own target, with its mean luma kept in a band (see `luma_band`),
whatever the exposure of the low image is; so that the exposure can be known from the picture and is not arbitrary. A
low image that is as bright as that, a mean ratio at the upper end of `calm_ratio` or above, is well lit and its own
target. How bright a scene is and how much light the camera got is told apart by the picture's white: a photograph
uses the whole scale, a picture under-exposed in daylight ends below it.
"""
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from isalux_mm.functional.charts import add_lamps, draw_chart
from isalux_mm.functional.checks import check_interval, check_range
from isalux_mm.functional.degradation import normalize_exposure
from isalux_mm.functional.degradation_draw import TARGET_LIMIT, synthesize_pair
from isalux_mm.functional.degradation_ranges import Degradation, DegradationRanges, Range
from isalux_mm.functional.development import LUMA, mean_luma

LUMA_BAND = (0.34, 0.65)  # ours: nine of ten photographs of BSDS500 and COCO lie between .30 and .55, LOL's around .45
LAMP_STOPS = (3.0, 8.0)  # by which a lamp outshines the picture's white; ours
LEAST_CHART = 4 / 255  # mean luma below which no chart is brought, for black must stay black; ours
# what a chart's darkness is drawn without
NEUTRAL = dict(
    gain_jitter=0.0,
    red_cast=(1.0, 1.0),
    blue_cast=(1.0, 1.0),
    tinted_share=0.0,
    camera_share=0.0,
    saturation=(1.0, 1.0),
    black=(0.0, 0.0),
    red_black=(0.0, 0.0),
    blue_black=(0.0, 0.0))


@dataclass(frozen=True)
class PairMixture:
    """What a training sample is made of.

    Attributes:
        chart_share: probability of a chart (see `charts.draw_chart`) in the photograph's place; charts know no cast and
            no matrix.
        lamp_share: probability of lamps laid over the photograph; at most what `chart_share` leaves counts.
        pale_share: probability of a photograph with paler colours: rooms are greyer than landscapes.
        pale: what its colours' distance from the luma is multiplied by, drawn evenly.

    Raises:
        ValueError: if a share or a factor is outside [0, 1], or `pale` is empty.
    """
    chart_share: float = 0.05
    lamp_share: float = 0.08
    pale_share: float = 0.3
    pale: Range = (0.05, 0.8)

    def __post_init__(self) -> None:
        for name in ('chart_share', 'lamp_share', 'pale_share'):
            check_range(getattr(self, name), 0, 1, name)
        check_interval(self.pale, 0, 1, 'pale')


def mixed_pair(image: np.ndarray, ranges: DegradationRanges, mixture: PairMixture,
               rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, Degradation]:
    """A pair from one photograph, or from a chart of its size: (low, reference, what was drawn).

    Args:
        image: (H, W, 3), float32, RGB in [0, 1]; its exposure is left as it is.
        ranges: what darkness is drawn from.
        mixture: shares of charts, lamps and pale photographs.
        rng: source of chance; what is drawn before the darkness comes from a child of it.
    """
    scene = rng.spawn(1)[0]
    kind = scene.uniform()
    if kind < mixture.chart_share:
        height, width = image.shape[:2]
        chart, name = draw_chart(height, width, scene)
        changes: dict[str, Any] = dict(NEUTRAL, highlight_share=0.0)
        if name == 'lamps':
            changes |= dict(highlight_share=1.0, highlights=LAMP_STOPS)
        return synthesize_pair(chart, replace(ranges, **changes), None, rng, least_luma=LEAST_CHART)
    if scene.uniform() < mixture.pale_share:
        luma = (image @ LUMA)[..., None]
        image = luma + np.float32(scene.uniform(*mixture.pale)) * (image - luma)
    if kind < mixture.chart_share + mixture.lamp_share:
        image = add_lamps(image, scene)
        ranges = replace(ranges, highlight_share=1.0, highlights=LAMP_STOPS)
    return synthesize_pair(image, ranges, None, rng)


def keep_luma(image: np.ndarray, band: Range = LUMA_BAND) -> np.ndarray:
    """Brings the mean luma into a band by a power law; a picture inside it is left as it is.

    Args:
        image: (H, W, 3), float32, RGB in [0, 1].
        band: (lowest, highest) mean luma.

    """
    luma = mean_luma(image)
    return image if band[0] <= luma <= band[1] else normalize_exposure(image, float(np.clip(luma, *band)))


def check_band(band: Sequence[float], name: str) -> None:
    """Raises a `ValueError` if a band of mean luma is empty or outside [0.05, 0.95]."""
    check_interval(band, *TARGET_LIMIT, name)
