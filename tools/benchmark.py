"""Times ISALux against its plain reference form and against peers: `python tools/benchmark.py --threads 2`.

Every model runs once in every round, so that noise of the machine hits all alike; ratios are taken within a round.
Writes benchmark.json, benchmark.md and benchmark.png; docs/benchmark.md explains the figures.
"""
import argparse
import importlib.util
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from benchmarking import figures, measure, report, rows

from isalux_mm.cli.options import add_overwrite_option, count, count_or_none, demand_free, run_tool

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / 'docs/figures.json'
SIZES = {'720p': (720, 1280), '1080p': (1080, 1920)}
DEFAULT_SIZES = ('256x256', '400x600', '720p', '1080p')
TRAINING_SIZES = ('256x256', )
TRAINING_BATCH = 8
REFERENCES = ('retinexformer', 'retinexformer_uncopied', 'isalux_plain_dense', 'isalux_plain_sparse')
BURST = 10  # calls queued for throughput on a GPU, ours
FAILURES = (Exception, )  # of one model: the others are measured


class Benchmark:
    """A run: builds the rows, times them in rounds, measures memory, keeps everything in `raw`, writes as it goes.

    Args:
        args: of the command line, checked.
    """

    def __init__(self, args: argparse.Namespace):
        self.args = args
        self.setup = rows.Setup(
            config=str(args.config), device=args.device, dtype=args.dtype, train=args.train, seed=args.seed)
        self.sizes = {f'{h}x{w}': (h, w) for h, w in args.sizes}
        self.skipped = set(args.skip)
        self.product = measure.MatrixProduct(args.device, args.dtype, args.product_side)
        settings = dict(
            train=args.train, device=args.device, dtype=args.dtype, batch_size=args.batch_size, seed=args.seed,
            warmup=args.warmup, repeats=args.repeats, sizes=list(self.sizes), models=args.models,
            references=[r for r in REFERENCES if r in args.models], product_side=self.product.side)
        self.raw: dict[str, Any] = dict(
            complete=False, machine=measure.describe_machine(args.device, args.threads), settings=settings, models={},
            samples=[], products=[], flops={}, memory={}, failures=[], profiles=[])
        self.built: dict[str, rows.Row] = {}

    def run(self) -> None:
        """Everything, in order; the report is brought up to date after every part."""
        self.build()
        for size in self.sizes:
            self.warm_up(size)
        for number in range(self.args.repeats):
            self.run_round(number)
            self.write()
        for size, name in self.pairs() if self.args.memory else ():
            self.measure_memory(size, name)
            self.write()
        first = next(iter(self.sizes))
        for size, name in self.pairs() if self.args.profile else ():
            if size == first:
                self.profile(size, name)
        self.raw['complete'] = True
        self.write()

    def pairs(self) -> list[tuple[str, str]]:
        """(size, model) of everything that is neither skipped nor has failed."""
        return [(size, name) for size in self.sizes for name in self.args.models if (name, size) not in self.skipped]

    def images(self, size: str) -> torch.Tensor:
        return rows.random_images(self.sizes[size], self.args.batch_size, self.setup)

    def build(self) -> None:
        for name in self.args.models:
            kind, options = rows.split_name(name, train=self.args.train)
            self.built[name] = rows.build_row(name, self.setup)
            self.raw['models'][name] = dict(
                parameters=self.built[name].parameters,
                description=', '.join([rows.KINDS[kind].description, *(rows.OPTIONS[o] for o in options)]))

    def warm_up(self, size: str) -> None:
        """Counts FLOPs and calls every model; one that cannot run at this size is noted and left out."""
        images = self.images(size)
        for name in self.args.models:
            if (name, size) in self.skipped:
                continue
            say(f'warm-up {size}: {name}')
            row = self.built[name]
            try:
                flops = row.forwards * measure.count_flops(row.counted, images)
                done = 1 if row.counted is row.call else 0
                for _ in range(self.args.warmup - done):
                    row.call(images)
            except FAILURES as error:
                self.fail(name, size, 'warm-up', error)
            else:
                self.raw['flops'].setdefault(name, {})[size] = flops

    def fail(self, name: str, size: str, step: str, error: BaseException) -> None:
        reason = (str(error) or type(error).__name__).strip().splitlines()[0]
        say(f'FAILED {name} at {size} ({step}): {reason}')
        self.raw['failures'].append(dict(model=name, size=size, step=step, reason=reason))
        self.skipped.add((name, size))

    def run_round(self, number: int) -> None:
        """One round: every size, every model once, starting with another model each time."""
        names = self.args.models
        start = number % len(names)
        for size in self.sizes:
            images, walls = self.images(size), []
            self.raw['products'].append(dict(round=number, size=size, rate=self.product.rate()))
            for name in names[start:] + names[:start]:
                if (name, size) in self.skipped:
                    continue
                try:
                    sample = self.time(name, images)
                except FAILURES as error:
                    self.fail(name, size, f'round {number + 1}', error)
                    continue
                self.raw['samples'].append(dict(round=number, size=size, model=name, **sample))
                walls.append(f'{name} {sample["wall"]:.3f} s')
            say(f'round {number + 1}/{self.args.repeats} {size}: {", ".join(walls)}')

    def time(self, name: str, images: torch.Tensor) -> dict[str, float]:
        call = self.built[name].call
        sample = measure.timed(lambda: call(images), self.args.device)
        if self.args.device == 'cuda':
            sample['burst'] = measure.timed_burst(lambda: call(images), self.args.device, BURST)
        return sample

    def measure_memory(self, size: str, name: str) -> None:
        try:
            if '+compile' in name and self.args.device == 'cpu':  # to compile again elsewhere would take minutes
                images = self.images(size)
                found = measure.resident_growth(lambda: self.built[name].call(images))
            else:
                found = measure.additional_memory(
                    name, self.setup, self.sizes[size], batch_size=self.args.batch_size, threads=self.args.threads)
        except FAILURES as error:
            self.fail(name, size, 'memory', error)
            return
        self.raw['memory'].setdefault(name, {})[size] = found
        say(f'memory {size}: {name} {found / report.MIB:.1f} MiB')

    def profile(self, size: str, name: str) -> None:
        operators = measure.dominating_operators(self.built[name].call, self.images(size))
        self.raw['profiles'].append(dict(model=name, size=size, operators=operators))

    def write(self) -> dict:
        """Writes the report of what has been measured so far."""
        return report.write_report(self.raw, self.args.out, plot=self.args.plot)


def quoting_pages() -> list[Path]:
    """README and the pages of the documentation."""
    return [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]


def say(text: str) -> None:
    """Progress, at once, beside the report."""
    print(text, file=sys.stderr, flush=True)


def size_of(text: str) -> tuple[int, int]:
    """(H, W) of '400x600', '720p' or '1080p'."""
    match = re.fullmatch(r'(\d+)x(\d+)', text)
    size = SIZES.get(text) or (match and (int(match[1]), int(match[2])))
    if not size or min(size) < 1:
        raise argparse.ArgumentTypeError(f'a size must be HEIGHTxWIDTH or one of {", ".join(SIZES)}, got {text!r}')
    return size


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='models: ' + '; '.join(f'{name}: {kind.description}' for name, kind in rows.KINDS.items()))
    parser.add_argument('--models', nargs='+', metavar='NAME[+OPTION]', help='rows (default: all)')
    parser.add_argument('--sizes', nargs='+', metavar='HxW', help=f'default: {" ".join(DEFAULT_SIZES)}')
    parser.add_argument('--skip', nargs='+', default=[], metavar='NAME@SIZE', help='rows left out at a size')
    parser.add_argument('--config', type=Path, default=rows.DEFAULT_CONFIG, help='config of the isalux rows')
    parser.add_argument('--repeats', type=count, default=7, help='rounds (default: 7)')
    parser.add_argument('--warmup', type=count, default=2, help='calls of every model ahead of them (default: 2)')
    parser.add_argument('--batch-size', type=count, help=f'default: 1; with --train {TRAINING_BATCH}')
    parser.add_argument('--train', action='store_true', help='time training steps: forward, backward, optimizer')
    parser.add_argument('--dtype', choices=rows.DTYPES, default='fp32', help='with --train: of autocast')
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    parser.add_argument('--threads', type=count, default=torch.get_num_threads(), help='of torch')
    parser.add_argument('--compile', action='store_true', help='add a row NAME+compile for every model')
    parser.add_argument('--profile', action='store_true', help='list what dominates, at the first size')
    parser.add_argument('--no-memory', dest='memory', action='store_false', help='leave peak memory out')
    parser.add_argument('--no-plot', dest='plot', action='store_false', help='write no plot')
    parser.add_argument('--figures', nargs='?', type=Path, const=FIGURES, metavar='FILE',
                        help='bring the file of figures, and README and docs, which quote it, up to date with this run')
    parser.add_argument('--product-side', type=count, help='of the matrix product that stands for the peak')
    parser.add_argument('--seed', type=count_or_none, default=0)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/benchmark'), help='folder of the report')
    add_overwrite_option(parser)
    args = parser.parse_args(argv)
    demand_free(parser, *report.files_of(args.out), overwrite=args.overwrite, read=[args.config])
    try:
        complete(args)
    except (ValueError, argparse.ArgumentTypeError) as error:
        parser.error(str(error))
    return args


def complete(args: argparse.Namespace) -> None:
    """Fills in defaults that depend on the mode and checks what depends on more than one argument.

    Raises:
        ValueError: if a name is unknown or something needed is missing.
    """
    if args.device == 'cuda' and not torch.cuda.is_available():
        raise ValueError('--device cuda needs a GPU that torch can use; there is none here. The same command gives the '
                         'table on a machine that has one; --device cpu runs anywhere')
    if args.plot and importlib.util.find_spec('matplotlib') is None:
        raise ValueError('the plot needs matplotlib, which is not installed; --no-plot does without')
    if not args.config.is_file():
        raise ValueError(f'--config must be a config file, got {args.config}')
    args.models = args.models or rows.default_names(train=args.train)
    compilable = [name for name in args.models if '+compile' not in name]
    args.models += [f'{name}+compile' for name in compilable if args.compile]
    args.models = list(dict.fromkeys(args.models))
    for name in args.models:
        rows.split_name(name, train=args.train)
    args.sizes = [size_of(s) for s in args.sizes or (TRAINING_SIZES if args.train else DEFAULT_SIZES)]
    args.batch_size = args.batch_size or (TRAINING_BATCH if args.train else 1)
    args.skip = [skipped_pair(text, args.models) for text in args.skip]


def skipped_pair(text: str, models: Sequence[str]) -> tuple[str, str]:
    """(model, 'HxW') of 'NAME@SIZE'.

    Raises:
        ValueError: if the text has no such form or the model is not among `models`.
    """
    name, at, size = text.partition('@')
    if not at or name not in models:
        raise ValueError(f'--skip must be NAME@SIZE with a model that is measured ({", ".join(models)}), got {text!r}')
    return name, '{}x{}'.format(*size_of(size))


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    torch.set_num_threads(args.threads)
    benchmark = Benchmark(args)
    try:
        benchmark.run()
    except KeyboardInterrupt:
        benchmark.write()
        say(f'interrupted; what was measured is in {args.out}')
        return 130
    results = benchmark.write()
    print(report.to_markdown(results))
    print(f'written: {args.out}')
    if args.figures:
        figures.update(args.figures, results, quoting_pages())
        print(f'written: {args.figures}, and the pages that quote it')
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main))
