"""Compares the low-light synthesis with real cameras: statistics of pairs as one Markdown table.
`python tools/compare_synthesis.py PHOTOS --real LOL=data/LOL/our485 --real other=data/other_camera`

PHOTOS is a folder of well-lit photographs, or several; a real set is a folder that holds pairs in low/ and high/.
Every photograph is made dark once by the training's synthesis, of a base or, with --config, as that config does it,
colour grading included; well-lit draws and charts are left out, for the real sets have none. Pictures that cannot be
read or measured are named, and the others counted. Cells are medians with the
10th to the 90th percentile; isalux_mm/functional/pair_statistics.py says what each statistic is. Of real pairs these
numbers alone are taken.
"""
import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
from rich.console import Console
from rich.progress import track

from isalux_mm.cli.options import count, count_or_none, demand_pictures, run_tool, show_failures
from isalux_mm.datasets.grading import GradeReference
from isalux_mm.datasets.image_datasets import PairedImageDataset
from isalux_mm.functional.degradation import seeded_generator
from isalux_mm.functional.degradation_draw import synthesize_pair
from isalux_mm.functional.degradation_ranges import BASES, DegradationRanges
from isalux_mm.functional.pair_mixture import LUMA_BAND, PairMixture, keep_luma, mixed_pair
from isalux_mm.functional.pair_statistics import PairStatistics, pair_statistics, spans
from isalux_mm.functional.resizing import shrink
from isalux_mm.io.attempts import Attempts
from isalux_mm.io.images import list_images, read_each, read_image
from isalux_mm.model_zoo import read_config
from isalux_mm.registry import TRANSFORMS

ROWS = dict(
    slope='log slope',
    saturation='saturation, low over reference',
    mean_ratio='mean ratio',
    reference_luma='luma of the reference',
    reference_contrast='contrast of the reference',
    reference_saturation='saturation of the reference',
    reference_red='red over green of the reference',
    reference_blue='blue over green of the reference',
    red_cast='cast, red over green',
    blue_cast='cast, blue over green',
    red_shadows='cast of the shadows, red',
    blue_shadows='cast of the shadows, blue',
    noise='noise, 8-bit levels',
    correlation='noise, correlation of neighbours',
    chroma_noise='noise, chroma over luma',
    red_noise='noise, red over green',
    blue_noise='noise, blue over green',
    clipped='share of values at zero')
USED = ('SynthesizeLowLight', 'KeepLuma', 'GradeReference')  # of a pipeline's steps
SYNTHETIC = 'synthesis'  # the column beside the real sets
ROUNDING = 0.005  # of the cells
Spans = dict[str, tuple[float, float, float]]


def real_pairs(dataset: PairedImageDataset, count: int | None, attempts: Attempts) -> Iterator[PairStatistics]:
    """Statistics of real pairs, `count` of them evenly over the sorted names, of those that can be measured."""
    for info in (dataset.get_data_info(k) for k in evenly(len(dataset), count)):
        found = None
        with attempts.attempt(str(info['low_path'])):
            found = pair_statistics(read_image(info['low_path']), read_image(info['gt_path']))
        if found is not None:
            yield found


class Synthesis(NamedTuple):
    """How photographs are made dark.

    Attributes:
        ranges: what darkness is drawn from.
        mixture: shares of what else is drawn.
        grade: what draws the reference's look, if anything does.
        luma_band: what the reference's mean luma is kept in; `None` leaves it as it is.
        target_luma: mean and standard deviation that it is drawn with, in the place of a mixture; `None` for none.
    """
    ranges: DegradationRanges
    mixture: PairMixture = PairMixture()
    grade: GradeReference | None = None
    luma_band: tuple[float, float] | None = LUMA_BAND
    target_luma: tuple[float, float] | None = None


def synthesis_of(config: Path, photos: Sequence[Path] = ()) -> Synthesis:
    """As a training config makes its photographs dark: those of one of these folders, or else the first it names.

    Raises:
        ValueError: if none of its pipelines does, by a step `SynthesizeLowLight`.
    """
    loader = read_config(config, '--config').get('train_dataloader') or {}
    parts, found = [loader.get('dataset')], {}
    while parts:
        part = parts.pop(0)
        if not isinstance(part, Mapping):
            continue
        parts += [*part.get('datasets', []), part.get('dataset')]
        named = {name_of(step): step for step in part.get('pipeline', [])}
        steps = {name: TRANSFORMS.build(named[name]) for name in USED if name in named}
        if made := steps.get('SynthesizeLowLight'):
            kept = steps.get('KeepLuma')
            found[Path(part.get('data_root') or '').resolve()] = Synthesis(
                made.ranges, made.mixture or PairMixture(lamp_share=0.0, pale_share=0.0), steps.get('GradeReference'),
                kept.band if kept else made.luma_band, made.target_luma)
    if not found:
        raise ValueError(f'--config must be a config that trains on photographs made dark, got {config}, '
                         'without a step SynthesizeLowLight in a training pipeline')
    return next((found[folder.resolve()] for folder in photos if folder.resolve() in found), next(iter(found.values())))


def name_of(step: object) -> str:
    """The type of a pipeline's step, without its scope."""
    kind = step.get('type', '') if isinstance(step, Mapping) else step
    return kind.rpartition('.')[2] if isinstance(kind, str) else getattr(kind, '__name__', '')


def synthetic_pairs(photos: list[Path], synthesis: Synthesis, count: int | None, *, max_side: int, seed: int,
                    attempts: Attempts) -> Iterator[PairStatistics]:
    """Statistics of photographs made dark, `count` of them evenly over the sorted names, of those that can be read
    and measured."""
    ranges = replace(synthesis.ranges, lit_share=0.0, exposed_share=0.0)
    mixture = replace(synthesis.mixture, chart_share=0.0)
    for path, photo in read_each((photos[k] for k in evenly(len(photos), count)), attempts):
        found = None
        with attempts.attempt(str(path)):
            rng, image = seeded_generator(seed, path.name), shrink(photo, max_side)
            if synthesis.grade:
                image = synthesis.grade.drawn(image, rng.spawn(1)[0])
            if synthesis.luma_band is not None:
                image = keep_luma(image, synthesis.luma_band)
            if synthesis.target_luma is None:
                low, reference, _ = mixed_pair(image, ranges, mixture, rng)
            else:
                low, reference, _ = synthesize_pair(image, ranges, synthesis.target_luma, rng)
            found = pair_statistics(low, reference)
        if found is not None:
            yield found


def evenly(total: int, count: int | None) -> list[int]:
    """At most `count` of `total` indices, evenly spaced."""
    count = min(count or total, total)
    return [k * total // count for k in range(count)]


def markdown(columns: dict[str, Spans]) -> str:
    """The table: a row for each statistic, a column for each set."""
    lines = ['| | ' + ' | '.join(columns) + ' |', '|---' * (len(columns) + 1) + '|']
    for name, title in ROWS.items():
        cells = ('{:.2f} ({:.2f} to {:.2f})'.format(*found[name]) for found in columns.values())
        lines.append(f'| {title} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def uncovered(synthetic: Spans, real: dict[str, Spans]) -> list[str]:
    """What of the real sets' 10th to 90th percentiles lies outside the synthesis's; a line each."""
    lines = []
    for name, title in ROWS.items():
        _, low, high = synthetic[name]
        lines += [f'{title}: {set_name} reaches from {a:.2f} to {b:.2f}, the synthesis from {low:.2f} to {high:.2f}'
                  for set_name, (_, a, b) in ((key, found[name]) for key, found in real.items())
                  if a < low - ROUNDING or b > high + ROUNDING]
    return lines


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('photos', type=Path, nargs='+', help='folders of well-lit photographs, read with sub-folders')
    parser.add_argument('--real', action='append', default=[], metavar='NAME=FOLDER', help='a set of real pairs')
    made = parser.add_mutually_exclusive_group()
    made.add_argument('--base', choices=sorted(BASES), default='cameras', help='what darkness is drawn from')
    made.add_argument('--config', type=Path, help='a training config that says how photographs are made dark')
    parser.add_argument('--count', type=count, help='at most so many pairs of each set, evenly; default: all')
    parser.add_argument('--max-side', type=count, default=640, help='photographs are shrunk to this longest side')
    parser.add_argument('--seed', type=count_or_none, default=0)
    args = parser.parse_args()
    names = [real.partition('=')[0].strip() for real in args.real]
    for name, real in zip(names, args.real):
        if '=' not in real or not name:
            parser.error(f'--real must be NAME=FOLDER, got {real}')
        if name == SYNTHETIC or names.count(name) > 1:
            parser.error(f'--real must have names of their own, beside {SYNTHETIC}, got {real}')
    pairs = (Path(real.partition('=')[2]) / kind for real in args.real for kind in ('low', 'high'))
    demand_pictures(parser, *args.photos, *pairs)
    return args


def main() -> int:
    args = parse_args()
    cv2.setNumThreads(1)
    photos = sorted(path for folder in args.photos for path in list_images(folder))
    show = partial(track, console=Console(stderr=True))  # the table alone goes to the output
    attempts = Attempts()
    try:
        found = {name: PairedImageDataset(folder, dict(low='low', gt='high'))
                 for name, folder in (one.split('=', 1) for one in args.real)}
        for dataset in found.values():
            dataset.full_init()  # names that have no partner come to light ahead of all work
        synthesis = synthesis_of(args.config, args.photos) if args.config else Synthesis(BASES[args.base])
    except (FileNotFoundError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    real = {}
    for name, dataset in found.items():
        measured = list(show(real_pairs(dataset, args.count, attempts), description=name))
        if not measured:
            show_failures(attempts)
            raise ValueError(f'--real {name}: expected pairs that can be measured, found none')
        real[name] = spans(measured)
    made = synthetic_pairs(photos, synthesis, args.count, max_side=args.max_side, seed=args.seed, attempts=attempts)
    statistics = list(show(made, description='synthesis'))
    failed = show_failures(attempts)
    if not statistics:
        return failed
    synthetic = spans(statistics)
    print(markdown({**real, SYNTHETIC: synthetic}))
    for line in uncovered(synthetic, real):
        print(f'not spanned: {line}', file=sys.stderr)
    return failed


if __name__ == '__main__':
    sys.exit(run_tool(main))
