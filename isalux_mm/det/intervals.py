"""How sure a detector's figures are: over images by bootstrap, over draws of the noise, over training runs; and
whether two detectors differ on the same images."""
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev

import numpy as np
from mmdet.evaluation import CocoMetric

from isalux_mm.det.detections import KeptTests, Key, matched
from isalux_mm.functional.average_precision import (
    RESAMPLES,
    CategoryMatches,
    average_precision,
    interval,
    resampled_weights,
)
from isalux_mm.functional.confidence import LEVEL, SEED

EVERYTHING = 'all'  # the group of all images
NAN = float('nan')


@dataclass(frozen=True)
class Figure:
    """A figure of a detector at one gain, and what it is compared with.

    Attributes:
        detector: its name.
        gain: exposure gain; `None` where the set is tested as it is.
        group: of the images, 'all' or, of ExDark, 'lighting/Low'.
        images: how many there are.
        figure: 'AP' or 'AP50'.
        value: mean over checkpoints and draws.
        low, high: interval of `value`, over images.
        draws, draw_deviation: of the noise; standard deviation of the means over checkpoints, NaN for one.
        checkpoints, checkpoint_deviation: likewise, of the means over draws.
        against: mean of the other detector; NaN where there is none.
        difference: `value - against`.
        difference_low, difference_high: its interval: the same images are drawn for both.
    """
    detector: str
    gain: float | None
    group: str
    images: int
    figure: str
    value: float
    low: float
    high: float
    draws: int
    draw_deviation: float
    checkpoints: int
    checkpoint_deviation: float
    against: float = NAN
    difference: float = NAN
    difference_low: float = NAN
    difference_high: float = NAN

    def as_json(self) -> dict[str, object]:
        """The fields; a number that is none becomes null."""
        return {key: None if isinstance(value, float) and not np.isfinite(value) else value
                for key, value in asdict(self).items()}


def figures_of(metric: CocoMetric, own: KeptTests, other: KeptTests | None = None, *,
               groups: Mapping[str, Sequence[int]] | None = None, resamples: int = RESAMPLES,
               seed: int = SEED) -> list[Figure]:
    """Figures of a detector by gain and group of images, against another one where there is one.

    Args:
        metric: which has the boxes to be found.
        own: the detector's tests.
        other: the other's; with the same images, gains and draws.
        groups: ids of images by the name of a group, beside all of them.
        resamples: sets of images that are drawn for the intervals.
        seed: of them.

    Raises:
        ValueError: if the two were not tested on the same.
    """
    if other is not None:
        check_paired(own, other)
    members = {EVERYTHING: own.images, **(groups or {})}
    drawn = {name: group_weights(own.images, ids, resamples=resamples, seed=seed) for name, ids in members.items()}
    weights = {name: one for name, one in drawn.items() if one is not None}
    gains = list(dict.fromkeys(gain for gain, _, _ in own.tests))
    found = [resampled_tests(metric, tests, weights, gains) for tests in (own, other) if tests is not None]
    figures = list(next(iter(found[0].values())))
    return [
        summed_up(own.name, gain, group, int(weights[group][0].sum()), figure, *(
            {key: values[figure][group] for key, values in one.items() if key[0] == gain} for one in found))
        for gain in gains for group in weights for figure in figures
    ]


def resampled_tests(metric: CocoMetric, kept: KeptTests, weights: Mapping[str, np.ndarray],
                    gains: Sequence[float | None]) -> dict[Key, dict[str, dict[str, np.ndarray]]]:
    """Resampled figures of every test at some of the gains; of one that stands for several draws, once."""
    known: dict[int, dict[str, dict[str, np.ndarray]]] = {}
    for key, test in kept.tests.items():
        if key[0] in gains and id(test) not in known:
            known[id(test)] = resampled(matched(metric, test, kept.images), weights)
    return {key: known[id(test)] for key, test in kept.tests.items() if key[0] in gains}


def check_paired(own: KeptTests, other: KeptTests) -> None:
    """Checks that two detectors were tested on the same images, at the same gains, with the same draws.

    The first may have been tested at fewer gains.

    Raises:
        ValueError: if they were not.
    """
    if own.images != other.images:
        raise ValueError(f'both runs must be of the same images: {own.name} has {len(own.images)}, {other.name} '
                         f'{len(other.images)}, {len(set(own.images) & set(other.images))} are of both')
    check_tested_alike(own.name, {(gain, draw) for gain, _, draw in own.tests}, other)


def check_tested_alike(name: str, pairs: set[tuple[float | None, int]], other: KeptTests) -> None:
    """Checks, before the first is tested, that another detector was tested at the same gains, with the same draws.

    Args:
        name: of the first.
        pairs: its gains and draws.
        other: the other's tests.

    Raises:
        ValueError: if it was not.
    """
    gains = {gain for gain, _ in pairs}
    theirs = {(gain, draw) for gain, _, draw in other.tests if gain in gains}
    if pairs != theirs:
        known = sorted({(gain, draw) for gain, _, draw in other.tests}, key=str)
        raise ValueError(f'both runs must have the same gains and draws (gain, draw): {name} has '
                         f'{sorted(pairs, key=str)}, {other.name} {known}')


def group_weights(images: Sequence[int], members: Sequence[int], *, resamples: int, seed: int) -> np.ndarray | None:
    """Weights (1 + resamples, images) of the members alone: every one once, then as they are drawn; `None` for none."""
    places = np.flatnonzero(np.isin(np.array(images), np.array(members)))
    if not len(places):
        return None
    weights = np.zeros((1 + resamples, len(images)), np.int64)
    weights[0, places] = 1
    weights[1:, places] = resampled_weights(len(places), resamples=resamples, seed=seed)
    return weights


def resampled(matches: Mapping[str, Sequence[CategoryMatches]],
              weights: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Figures (1 + resamples,) by name and group: the mean over overlaps, first of the images as they are."""
    return {figure: {group: average_precision(of_figure, one).mean(axis=1) for group, one in weights.items()}
            for figure, of_figure in matches.items()}


def summed_up(detector: str, gain: float | None, group: str, images: int, figure: str, own: Mapping[Key, np.ndarray],
              other: Mapping[Key, np.ndarray] | None = None) -> Figure:
    """One figure of one gain and group, from the resampled values of every checkpoint and draw."""
    mean = np.mean(list(own.values()), axis=0)
    draws, checkpoints = (
        [fmean(v[0] for key, v in own.items() if key[place] == one) for one in {key[place] for key in own}]
        for place in (2, 1))
    row = Figure(detector, gain, group, images, figure, float(mean[0]), *interval(mean[1:]),
                 len(draws), deviation(draws), len(checkpoints), deviation(checkpoints))
    if other is None:
        return row
    against = np.mean(list(other.values()), axis=0)
    low, high = interval(mean[1:] - against[1:])
    return Figure(**asdict(row) | dict(against=float(against[0]), difference=float(mean[0] - against[0]),
                                       difference_low=low, difference_high=high))


def deviation(values: Sequence[float]) -> float:
    """Standard deviation of a sample; NaN of fewer than two."""
    return stdev(values) if len(values) > 1 else NAN


def interval_text(resamples: int = RESAMPLES, seed: int = SEED) -> str:
    """How the intervals are made, in words."""
    return (f'{LEVEL:.0%} intervals over images: bootstrap, percentiles of {resamples:,} resampled sets, seed {seed}; '
            'figures unrounded, means over checkpoints and draws of the noise')
