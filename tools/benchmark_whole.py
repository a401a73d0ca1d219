"""What people wait for, from the shell: the whole command by format, cold start, a folder, video; and peers' networks.

    python tools/benchmark_whole.py data/photographs --peers zero_dce=Epoch99.pth sci=medium.pt --figures

Each job is a process of its own, whose wall time, CPU time and peak memory the system counts; in every round each job
runs once, in an order that rotates, and medians are given. Pictures are made from the photographs of the folder. The
last rows are calls of networks alone, on the same pictures of 600x400 in one process each, so that peers stand beside
ours. --rounds adds to a report that is there, so that a run may be taken in parts. Writes whole.json and whole.md.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from benchmark_video import STEP, panned, photograph, write_clip
from benchmarking import figures, measure
from benchmarking.pictures import is_written, written
from benchmarking.report import table

from isalux_mm.cli.options import count, demand_pictures, run_tool
from isalux_mm.io.images import list_images
from isalux_mm.io.places import check_writable
from isalux_mm.io.whole_file import write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
FIGURES, RUN = ROOT / 'docs/figures.json', 'whole'
SIZE, LARGE, SMALL = (400, 600), (4000, 6000), (96, 128)
VIDEO_SIZE = (720, 1280)
FORMATS = ('jpg', 'png', 'tif', 'webp', 'avif', 'heic', 'dng')
GAIN = 0.15  # of the photographs' values
MODES = dict(full=(), fast=('--fast', ))
MIB, KIB = 2**20, 1024
Sample = dict[str, float]
# a small process around each: Linux counts the memory of whoever starts a process as the process's own peak
LAUNCHER = f"""
import json, resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.run(sys.argv[1:]).returncode
wall, used = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps(dict(wall=wall, cpu=used.ru_utime + used.ru_stime, memory=used.ru_maxrss * {KIB})))
sys.exit(code)
"""


class Job:
    """Something that is measured.

    Args:
        command: run as it is.
        count: pictures or frames of it; the time for one is given.
        inner: whether the command measures itself and prints a sample as JSON.
    """

    def __init__(self, command: Sequence[str], count: int = 1, *, inner: bool = False):
        self.command, self.count, self.inner = list(command), count, inner

    def run(self, environment: Mapping[str, str]) -> Sample:
        """Wall and CPU seconds and peak memory in bytes.

        Raises:
            RuntimeError: if the command fails.
        """
        process = subprocess.run([sys.executable, '-S', '-c', LAUNCHER, *self.command], capture_output=True, text=True,
                                 env=dict(environment), check=False)
        if process.returncode:
            raise RuntimeError(f'{" ".join(self.command)} failed: {process.stderr.strip().splitlines()[-1:]}')
        *output, found = process.stdout.splitlines()
        sample = json.loads(found)
        return sample | json.loads(output[-1]) if self.inner else sample


def isalux(*arguments: object) -> list[str]:
    """The command line of a command, as the shell runs it."""
    return [sys.executable, '-m', 'isalux_mm', *map(str, arguments)]


def dark(folder: Path, number: int, size: tuple[int, int]) -> np.ndarray:
    """A photograph made dark, (H, W, 3), BGR, in [0, 255], float32."""
    return np.ascontiguousarray(GAIN * photograph(folder, number, size)[:size[0], :size[1], ::-1])


def jobs_of(args: argparse.Namespace, place: Path) -> dict[str, Job]:
    """Every job by its name, its pictures written into a folder."""
    out, jobs = place / 'out', dict[str, Job]()

    def enhance(source: Path, *options: object) -> list[str]:
        return isalux('enhance', source, '--out', out, '--overwrite', '--quiet', *options)

    jobs['import torch'] = Job([sys.executable, '-c', 'import torch'])
    small = written(place / 'small.png', dark(args.photographs, 0, SMALL))
    jobs['cold start, 128x96 PNG, full'] = Job(enhance(small))
    jobs['cold start, 128x96 PNG, fast'] = Job(enhance(small, '--fast'))
    image = dark(args.photographs, 0, SIZE)
    for suffix in filter(is_written, FORMATS):
        jobs[f'600x400 {suffix.upper()}, fast'] = Job(enhance(written(place / f'middle.{suffix}', image), '--fast'))
    jobs['600x400 JPG, full'] = Job(enhance(place / 'middle.jpg'))
    large = written(place / 'large.jpg', dark(args.photographs, 0, LARGE))
    jobs['6000x4000 JPG, fast'] = Job(enhance(large, '--fast'))
    if args.large_full:
        jobs['6000x4000 JPG, full'] = Job(enhance(large))
    for mode, options in MODES.items():
        count = getattr(args, f'folder_{mode}')
        folder = place / f'folder_{mode}'
        folder.mkdir()
        for i in range(count):
            written(folder / f'{i:04d}.jpg', dark(args.photographs, i % args.different, SIZE))
        jobs[f'folder of {count} JPG 600x400, {mode}'] = Job(enhance(folder, *options), count)
    clip, frames = place / 'clip.mp4', dict(full=args.frames_full, fast=args.frames_fast)
    room = STEP * max(frames.values()) + 2
    write_clip(clip, panned(photograph(args.photographs, 0, (VIDEO_SIZE[0], VIDEO_SIZE[1] + room)) * GAIN,
                            max(frames.values())), max(frames.values()))
    for mode, options in MODES.items():
        jobs[f'video 1280x720, {frames[mode]} frames, {mode}'] = Job(
            isalux('video', clip, place / f'{mode}.mp4', '--max-frames', frames[mode], '--overwrite', '--quiet',
                   *options), frames[mode])
    for name in ('full', 'fast', *args.peers):
        weights = args.peers.get(name, [])
        jobs[f'network alone, 600x400: {name}'] = Job(
            [sys.executable, __file__, str(place / 'folder_full'), '--alone', name, *weights, '--calls',
             str(args.calls)], inner=True)
    return jobs


def alone(name: str, weights: Sequence[str], folder: Path, calls: int) -> Sample:
    """Median seconds of a call of a network, after two that warm it up: ours by its mode, or a peer's."""
    from isalux_mm.apis import EnhanceInferencer
    from isalux_mm.datasets.transforms import to_tensor
    from isalux_mm.io.images import read_image
    images = [to_tensor(read_image(path))[None] for path in list_images(folder)]
    if name in MODES:
        call: Any = EnhanceInferencer(device='cpu', mode=name, show_progress=False).enhance
    else:
        from peers.catalog import load_network
        call = torch.inference_mode()(load_network(name, [Path(path) for path in weights]))
    found = []
    for i in range(calls + 2):
        image = images[i % len(images)]
        found.append(measure.timed(partial(call, image), 'cpu'))
    return {key: median(one[key] for one in found[2:]) for key in ('wall', 'cpu')}


def summary(samples: Sequence[Mapping[str, Any]], counts: Mapping[str, int]) -> dict[str, Sample]:
    """Medians by job, for one picture or frame of it; `start` is the wall time over that of importing torch."""
    by_job: dict[str, list[Mapping[str, Any]]] = {}
    for sample in samples:
        by_job.setdefault(sample['job'], []).append(sample)
    imports = {sample['round']: sample for sample in by_job.get('import torch', [])}
    rows = {}
    for name, found in by_job.items():
        rows[name] = {key: median(one[key] for one in found) for key in ('wall', 'cpu', 'memory')}
        busy = median(one['cpu'] / one['wall'] for one in found)
        rows[name] |= dict(rounds=len(found), count=counts[name], busy=busy)
        starts = [one['cpu'] / imports[one['round']]['cpu'] for one in found if one['round'] in imports]
        if starts and name.startswith('cold start'):
            rows[name]['start'] = median(starts)
    return rows


def lines_of(rows: Mapping[str, Sample]) -> list[list[str]]:
    """The cells of the table, `figures.WHOLE_HEADER` above them."""
    return [[name, f'{row["wall"]:.3g}', f'{row["cpu"]:.3g}', f'{row["busy"]:.2f}',
             f'{row["count"] / row["wall"]:.3g}' if row['count'] > 1 else '', f'{row["memory"] / MIB:.0f}']
            for name, row in rows.items()]


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('photographs', type=Path, help='folder of well-lit photographs')
    parser.add_argument('--rounds', type=count, default=3, help='added to those of the report (%(default)s)')
    parser.add_argument('--peers', nargs='+', default=[], metavar='NAME=FILE[,FILE]', help='peers and their weights')
    parser.add_argument('--only', nargs='+', default=[], metavar='TEXT', help='jobs whose names hold one of these')
    parser.add_argument('--folder-fast', type=count, default=60, metavar='N',
                        help='pictures of the folder (%(default)s)')
    parser.add_argument('--folder-full', type=count, default=16, metavar='N', help='likewise (%(default)s)')
    parser.add_argument('--different', type=count, default=8, metavar='N', help='of them that differ (%(default)s)')
    parser.add_argument('--frames-fast', type=count, default=100, metavar='N', help='of the video (%(default)s)')
    parser.add_argument('--frames-full', type=count, default=4, metavar='N', help='likewise (%(default)s)')
    parser.add_argument('--large-full', action='store_true', help='24 megapixels in full mode, too: minutes')
    parser.add_argument('--calls', type=count, default=5, help='of a network alone (%(default)s)')
    parser.add_argument('--threads', type=count, help='of every process; by default as many as there are cores')
    parser.add_argument('--figures', nargs='?', type=Path, const=FIGURES, metavar='FILE',
                        help='bring the file of figures, and README and docs, which quote it, up to date')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/benchmark_whole'), help='folder of the report')
    parser.add_argument('--alone', nargs='+', help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    demand_pictures(parser, args.photographs)
    args.peers = {name: files.split(',') for name, _, files in (entry.partition('=') for entry in args.peers)}
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, writes the report after every round, prints the table; 0."""
    args = parse_args(argv)
    if args.alone:
        print(json.dumps(alone(args.alone[0], args.alone[1:], args.photographs, args.calls)))
        return 0
    check_writable(args.out / 'whole.json')
    known = args.out / 'whole.json'
    raw: dict[str, Any] = json.loads(known.read_text(encoding='utf-8')) if known.is_file() else dict(
        machine=measure.describe_machine('cpu', args.threads or os.cpu_count() or 1), samples=[], counts={})
    threads = {} if args.threads is None else dict(OMP_NUM_THREADS=str(args.threads))
    environment = {**os.environ, **threads, 'PYTHONPATH': f'{ROOT}:{ROOT / "tools"}'}
    first = 1 + max((sample['round'] for sample in raw['samples']), default=-1)
    with tempfile.TemporaryDirectory() as folder:
        jobs = jobs_of(args, Path(folder))
        names = [name for name in jobs if not args.only or any(text in name for text in args.only)]
        raw['counts'] |= {name: jobs[name].count for name in names}
        for number in range(first, first + args.rounds):
            start = number % len(names)
            for name in names[start:] + names[:start]:
                sample = jobs[name].run(environment)
                raw['samples'].append(dict(job=name, round=number, **sample))
                print(f'round {number + 1}: {name} {sample["wall"]:.3g} s', file=sys.stderr, flush=True)
                write_json(known, raw, indent=1, overwrite=True)
    rows = summary(raw['samples'], raw['counts'])
    text = '\n'.join(table(figures.WHOLE_HEADER, lines_of(rows)))
    write_text(args.out / 'whole.md', text, overwrite=True)
    print(text)
    if args.figures:
        figures.put(args.figures, {RUN: dict(machine=raw['machine'], lines=lines_of(rows), rows=rows)},
                    [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))])
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main))
