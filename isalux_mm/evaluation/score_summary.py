"""What the values of a folder come to: means with confidence intervals, two methods compared, and tables of both."""
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from isalux_mm.evaluation.measures import MEASURES
from isalux_mm.functional.confidence import LEVEL, RESAMPLES, SEED, bootstrap_mean, signed_rank

FARTHEST = 5  # pictures that a comparison names
Values = Mapping[str, float]  # by image


@dataclass(frozen=True)
class Summary:
    """A measure over the pictures of a method.

    Attributes:
        measure: its name.
        pictures: how many have a value.
        without: how many have none, and are left out.
        capped: how many are above what counts at most (PSNR of equal pictures), and count as that.
        mean, median: of the values.
        low, high: confidence interval of the mean.
        worst: the picture with the worst value.
        worst_value: that value.
    """
    measure: str
    pictures: int
    without: int
    capped: int
    mean: float
    median: float
    low: float
    high: float
    worst: str
    worst_value: float


@dataclass(frozen=True)
class Comparison:
    """A measure of two methods on the same pictures; differences are of the first from the second.

    Attributes:
        measure: its name.
        pictures: how many have a value of both.
        better, worse: on how many of them the first is; the rest are equal.
        mean: of the differences.
        low, high: confidence interval of that mean.
        p: of Wilcoxon's signed-rank test, two-sided.
        farthest: the pictures with the largest differences, and these.
    """
    measure: str
    pictures: int
    better: int
    worse: int
    mean: float
    low: float
    high: float
    p: float
    farthest: tuple[tuple[str, float], ...]


def summarize(measure: str, values: Values) -> Summary:
    """Mean, median, interval and worst picture of a measure.

    Args:
        measure: its name.
        values: by image; NaN where there is none.
    """
    known = counted(measure, values)
    without = len(values) - len(known)
    nan = float('nan')
    if not known:
        return Summary(measure, 0, without, 0, nan, nan, nan, nan, '', nan)
    numbers = np.array(list(known.values()))
    worst = (min if MEASURES[measure].higher_is_better else max)(known, key=lambda image: known[image])
    return Summary(measure, len(known), without, sum(v > MEASURES[measure].most for v in values.values()),
                   float(numbers.mean()), float(np.median(numbers)),
                   *bootstrap_mean(numbers), worst, known[worst])


def compare(measure: str, first: Values, second: Values) -> Comparison:
    """The paired differences of two methods.

    Args:
        measure: its name.
        first: values by image.
        second: values by image; pictures that only one has are left out.
    """
    own, others = counted(measure, first), counted(measure, second)
    differences = {image: own[image] - others[image] for image in own if image in others}
    numbers = np.array(list(differences.values()))
    if not differences:
        nan = float('nan')
        return Comparison(measure, 0, 0, 0, nan, nan, nan, nan, ())
    sign = 1 if MEASURES[measure].higher_is_better else -1
    farthest = sorted(differences.items(), key=lambda item: (-abs(item[1]), item[0]))[:FARTHEST]
    return Comparison(measure, len(numbers), int((sign * numbers > 0).sum()), int((sign * numbers < 0).sum()),
                      float(numbers.mean()), *bootstrap_mean(numbers), signed_rank(numbers), tuple(farthest))


def counted(measure: str, values: Values) -> dict[str, float]:
    """The values as they count in means: none for NaN, at most what the measure allows."""
    most = MEASURES[measure].most
    return {image: min(value, most) for image, value in values.items() if not math.isnan(value)}


def summary_table(summaries: Sequence[Summary]) -> str:
    """A method's measures, one a line, in Markdown."""
    lines = ['| measure | mean | 95% interval | median | worst | worst picture | pictures |',
             '|---|--:|:-:|--:|--:|---|--:|']
    for s in summaries:
        measure = MEASURES[s.measure]
        arrow, unit = '↑' if measure.higher_is_better else '↓', f' {measure.unit}' if measure.unit else ''
        numbers = [_text(s.measure, value) for value in (s.mean, s.median, s.worst_value)]
        lines.append(f'| {s.measure} {arrow} | {numbers[0]}{unit} | {_interval(s)} | {numbers[1]} | {numbers[2]} | '
                     f'{s.worst or "-"} | {s.pictures} |')
    return '\n'.join(lines)


def row_table(methods: Mapping[str, Sequence[Summary]]) -> str:
    """A method a row, a measure a column: what goes into a table of methods, in Markdown."""
    names = [s.measure for s in next(iter(methods.values()))]
    heads = [f'{name} {"↑" if MEASURES[name].higher_is_better else "↓"}' for name in names]
    lines = [f'| method | pictures | {" | ".join(heads)} |', f'|---|--:|{"--:|" * len(heads)}']
    for method, summaries in methods.items():
        cells = [f'{_text(s.measure, s.mean)} [{_interval(s)}]' for s in summaries]
        lines.append(f'| {method} | {max(s.pictures for s in summaries)} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def comparison_table(comparisons: Sequence[Comparison]) -> str:
    """The differences, one measure a line, and the pictures that differ most, in Markdown."""
    lines = ['| measure | mean difference | 95% interval | better on | worse on | p | differ most |',
             '|---|--:|:-:|--:|--:|--:|---|']
    for c in comparisons:
        arrow = '↑' if MEASURES[c.measure].higher_is_better else '↓'
        farthest = ', '.join(f'{image} ({_text(c.measure, value, sign=True)})' for image, value in c.farthest)
        lines.append(f'| {c.measure} {arrow} | {_text(c.measure, c.mean, sign=True)} | {_interval(c, sign=True)} | '
                     f'{c.better} of {c.pictures} | {c.worse} of {c.pictures} | '
                     f'{"-" if math.isnan(c.p) else f"{c.p:.2g}"} | {farthest or "-"} |')
    return '\n'.join(lines)


def remarks(summaries: Sequence[Summary]) -> list[str]:
    """What was counted otherwise than it was measured."""
    found = []
    for s in summaries:
        if s.capped:
            found.append(f'{s.measure}: {s.capped} of {s.pictures} pictures are equal to their references, to '
                         f'rounding at least, and count as {MEASURES[s.measure].most:g} dB')
        if s.without:
            found.append(f'{s.measure}: {s.without} of {s.without + s.pictures} pictures have no value, and are left '
                         'out')
    return found


def as_json(item: Summary | Comparison) -> dict[str, object]:
    """The fields; a number that is none becomes null."""
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(item).items()}


def interval_text() -> str:
    """How the intervals are made, in words."""
    return (f'{LEVEL:.0%} intervals: bootstrap over pictures, percentiles of {RESAMPLES:,} resampled means, '
            f'seed {SEED}')


def _text(measure: str, value: float, *, sign: bool = False) -> str:
    if not math.isfinite(value):
        return '-'
    return f'{value:{"+" if sign else ""}.{MEASURES[measure].digits}f}'


def _interval(item: Summary | Comparison, *, sign: bool = False) -> str:
    ends = [_text(item.measure, value, sign=sign) for value in (item.low, item.high)]
    return '-' if '-' in ends else ' to '.join(ends)
