"""`isalux test` of detectors with intervals: several draws of the noise, several checkpoints, a second detector."""
import argparse
import csv
import io
from collections.abc import Sequence
from copy import copy
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isalux_mm.cli.options import WrongUseError

if TYPE_CHECKING:
    from mmdet.evaluation import CocoMetric
    from mmengine.config import Config

    from isalux_mm.det.detections import KeptTests
    from isalux_mm.det.intervals import Figure

KEPT_SUFFIX = '.npz'
LEAST_RESAMPLES = 100  # ours: fewer say nothing about the ends of an interval
HEAD = ('gain', 'images', 'figure', 'value', '95% interval', '± draws', '± runs', 'against', 'difference',
        '95% interval')


def add_interval_options(parser: argparse.ArgumentParser) -> None:
    """--draws, --against, --resamples, --table, --keep."""
    group = parser.add_argument_group('how sure the figures of a detector are (metrics of boxes in COCO\'s format)')
    group.add_argument('--draws', type=int, default=1, metavar='N',
                       help='draws of the darkness, by the seeds of DarkenImage from its own upwards (%(default)s)')
    group.add_argument('--against', nargs='+', metavar=('CONFIG|FILE.npz', 'CHECKPOINT'),
                       help='a second detector, tested likewise, or the --keep file of a former test: differences on '
                       'the same images, with intervals')
    group.add_argument('--resamples', type=int, metavar='N', help='resampled sets of images (1000)')
    group.add_argument('--table', type=Path, metavar='FILE', help='write the figures here (CSV)')
    group.add_argument('--keep', type=Path, metavar='FILE', help='write all detections here (.npz), for --against')


def wants_intervals(args: argparse.Namespace) -> bool:
    """Whether anything is asked for that single figures do not tell."""
    return bool(len(args.checkpoint) > 1 or args.draws != 1 or args.against or args.table or args.keep
                or args.resamples is not None)


def check_interval_options(args: argparse.Namespace) -> None:
    """Checks, before any work, what is wrong with the options themselves.

    Raises:
        WrongUseError: says which.
    """
    if args.draws < 1:
        raise WrongUseError(f'--draws must be at least 1, got {args.draws}')
    if args.resamples is not None and args.resamples < LEAST_RESAMPLES:
        raise WrongUseError(f'--resamples must be at least {LEAST_RESAMPLES}, got {args.resamples}')
    if args.keep and args.keep.suffix != KEPT_SUFFIX:
        raise WrongUseError(f'--keep must be a file *{KEPT_SUFFIX}, got {args.keep}')
    if args.against and (len(args.against) == 1) != args.against[0].endswith(KEPT_SUFFIX):
        raise WrongUseError(f'--against must be CONFIG CHECKPOINT [CHECKPOINT ...], or the file *{KEPT_SUFFIX} of a '
                            f'former --keep, got {" ".join(args.against)}')
    if args.out or args.csv:
        raise WrongUseError('--out and --csv are of one test, and go without --draws, --against, --table, --keep, '
                            '--resamples and further checkpoints')


def products(args: argparse.Namespace) -> list[Path]:
    """Files that are written."""
    return [path for path in (args.table, args.keep) if path]


def sources(args: argparse.Namespace) -> list[Path]:
    """Files that are read, beside the config and its checkpoints."""
    return [Path(path) for path in args.against or ()]


def run_with_intervals(args: argparse.Namespace) -> int:
    """Tests, compares, prints; returns the exit code."""
    from mmengine.dist import is_main_process

    from isalux_mm.det.detections import KeptTests
    from isalux_mm.det.intervals import RESAMPLES, check_tested_alike, figures_of, interval_text
    from isalux_mm.io.whole_file import write_json, write_text
    kept = None
    if args.against and len(args.against) == 1:
        pairs = {(gain, draw) for gain in args.gains or [None] for draw in range(args.draws)}
        try:
            kept = KeptTests.load(args.against[0])
            check_tested_alike(Path(args.config).stem, pairs, kept)
        except (OSError, ValueError) as error:
            raise WrongUseError(str(error)) from error
    own, metric, values = run_tests(args, args.config, args.checkpoint)
    if args.against and kept is None:
        kept = run_tests(args, args.against[0], args.against[1:])[0]
    if not is_main_process():
        return 0
    own, kept = told_apart(own, kept)
    if args.keep:
        own.save(args.keep, overwrite=args.overwrite)
    resamples = args.resamples or RESAMPLES
    rows = figures_of(metric, own, kept, groups=groups_of(metric), resamples=resamples)
    note = interval_text(resamples)
    print(f'{own.name} against {kept.name}:' if kept else f'{own.name}:')
    print(as_markdown(rows, against=kept is not None), note, sep='\n')
    if args.table:
        write_text(args.table, as_csv(rows), overwrite=args.overwrite)
    if args.json:
        write_json(args.json, dict(
            detector=own.name, checkpoints=own.checkpoints, against=kept and kept.name, intervals=note,
            figures=[row.as_json() for row in rows], tests=values), indent=1, overwrite=args.overwrite)
    return 0


def run_tests(args: argparse.Namespace, config: str,
              checkpoints: Sequence[str]) -> tuple['KeptTests', 'CocoMetric', list[dict]]:
    """Every checkpoint at every gain and draw: the detections, the metric, and the metrics' own figures."""
    from mmengine.runner import Runner

    from isalux_mm.cli.test import load_checkpoint, runner_config
    from isalux_mm.det.detections import KeptDetections, KeptTests, box_metric_of
    own = copy(args)
    own.config = config
    tests: dict = {}
    values, images, metric = [], [], None
    for place, checkpoint in enumerate(checkpoints):
        for gain in args.gains or [None]:
            for draw in range(args.draws):
                if gain == 1 and draw:  # nothing is drawn there
                    tests[gain, place, draw] = tests[gain, place, 0]
                    continue
                cfg = runner_config(own, gain)
                set_draw(cfg, draw, gain, wanted=args.draws > 1)
                runner = Runner.from_cfg(cfg)
                metrics: Any = runner.test_loop.evaluator.metrics
                try:
                    metric, keeper = box_metric_of(metrics), KeptDetections()
                except ValueError as error:
                    raise WrongUseError(str(error)) from error
                metrics.append(keeper)
                keeper.dataset_meta = metric.dataset_meta
                load_checkpoint(getattr(runner.model, 'module', runner.model), checkpoint)
                figures = runner.test()
                values.append(dict(config=config, checkpoint=checkpoint, gain=gain, draw=draw, metrics=figures))
                if keeper.images:  # of the main process
                    images = keeper.images
                    tests[gain, place, draw] = keeper.detections(metric.cat_ids)
                else:
                    tests[gain, place, draw] = None
    return KeptTests(Path(config).stem, tuple(images), tuple(map(str, checkpoints)), tests), metric, values


def set_draw(cfg: 'Config', draw: int, gain: float | None, *, wanted: bool) -> None:
    """Sets the seed of the darkness of the test images: its own, or 0, and as many further as draws went before.

    Raises:
        WrongUseError: if several draws are wanted of a pipeline that draws nothing.
    """
    darkening = [t for t in cfg.test_dataloader.dataset.pipeline if t.type.endswith('DarkenImage')]
    if wanted and not darkening and gain != 1:
        raise WrongUseError('--draws needs DarkenImage in test_dataloader.dataset.pipeline, got '
                            f'{[t.type for t in cfg.test_dataloader.dataset.pipeline]}')
    for transform in darkening:
        transform.seed = (transform.get('seed') or 0) + draw


def told_apart(own: 'KeptTests', other: 'KeptTests | None') -> tuple['KeptTests', 'KeptTests | None']:
    """Both with names that differ: those of their checkpoints where the config is one."""
    from dataclasses import replace
    if other is None or own.name != other.name:
        return own, other
    first, second = ('+'.join(Path(name).stem for name in tests.checkpoints) for tests in (own, other))
    if first == second:
        first, second = f'{first}, this', f'{second}, former'
    return replace(own, name=f'{own.name} {first}'), replace(other, name=f'{other.name} {second}')


def groups_of(metric: 'CocoMetric') -> dict[str, list[int]]:
    """The groups of images that a metric knows, by name: ExDark's lighting types."""
    return getattr(metric, 'image_groups', dict)()


def as_markdown(rows: Sequence['Figure'], *, against: bool) -> str:
    """The figures as a table in Markdown, a row each."""
    head = HEAD if against else HEAD[:7]
    lines = [f'| {" | ".join(head)} |', f'|{"---|" * len(head)}']
    for row in rows:
        cells = [
            '-' if row.gain is None else f'{row.gain:g}', f'{row.group} ({row.images})', row.figure,
            f'{row.value:.4f}', between(row.low, row.high), spread(row.draw_deviation),
            spread(row.checkpoint_deviation)]
        if against:
            cells += [f'{row.against:.4f}', f'{row.difference:+.4f}',
                      between(row.difference_low, row.difference_high, sign='+')]
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)


def between(low: float, high: float, sign: str = '') -> str:
    """An interval."""
    return f'{low:{sign}.4f} to {high:{sign}.4f}' if low == low else '-'


def spread(deviation: float) -> str:
    """A standard deviation, or a dash for none."""
    return f'{deviation:.4f}' if deviation == deviation else '-'


def as_csv(rows: Sequence['Figure']) -> str:
    """The figures as a table."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(asdict(rows[0])), lineterminator='\n')
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return file.getvalue()
