"""Writes a low/normal-light pair set in the layout of LOL-v1 from a folder of photographs:
`python tools/dataset_converters/synthesize_lowlight.py PHOTOS OUT`.

Low images come from the physical synthesis (unprocess, darken, shot and read noise, process). The set depends on the
photographs' names and the seed alone, not on the number of workers; finished pairs are skipped when it runs again.
"""
import argparse
import multiprocessing
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
from rich.progress import Progress

from isalux_mm.datasets.synthesis import DEFAULT_RANGES, synthesize_pair
from isalux_mm.datasets.transforms import PairedResize
from isalux_mm.functional.degradation import DegradationRanges
from isalux_mm.functional.image_io import ImageReadError, list_images, read_image, write_image

TRAIN, VAL = 'our485', 'eval15'  # LOL-v1's names


@dataclass(frozen=True)
class Job:
    """One pair to be written.

    Attributes:
        photo: the photograph.
        split: 'our485' or 'eval15'.
        name: the pair's file name without suffix.
    """
    photo: Path
    split: str
    name: str


def make_pair(job: Job, *, out: Path, max_side: int, seed: int, ranges: DegradationRanges) -> str | None:
    """Writes one pair, unless it is there; returns an error's text, or `None`."""
    low_path, gt_path = (out / job.split / side / f'{job.name}.png' for side in ('low', 'high'))
    if low_path.is_file() and gt_path.is_file():
        return None
    try:
        photo = PairedResize(max_side=max_side).transform(dict(gt=read_image(job.photo)))['gt']
    except ImageReadError as error:
        return str(error)
    low, gt = synthesize_pair(photo, job.name, ranges=ranges, seed=seed)
    write_image(gt_path, gt)
    write_image(low_path, low)
    return None


def make_jobs(photos: list[Path], val_names: set[str], variants: int) -> list[Job]:
    """Every photograph `variants` times for training, once for validation; names stay unique."""
    stems = [p.stem for p in photos]
    clashing = {s for s in stems if stems.count(s) > 1}
    jobs = []
    for photo in photos:
        name = f'{photo.parent.name}_{photo.stem}' if photo.stem in clashing else photo.stem
        held_out = photo.stem in val_names
        jobs += [
            Job(photo, VAL if held_out else TRAIN, f'{name}_{k}' if variants > 1 and not held_out else name)
            for k in range(1 if held_out else variants)
        ]
    return jobs


def run_jobs(jobs: list[Job], out: Path, *, max_side: int, seed: int, workers: int,
             ranges: DegradationRanges = DEFAULT_RANGES) -> list[str]:
    """Writes all pairs, with a progress bar; returns the errors."""
    task = partial(make_pair, out=out, max_side=max_side, seed=seed, ranges=ranges)
    errors = []
    with Progress() as progress, multiprocessing.Pool(workers, initializer=cv2.setNumThreads, initargs=(1, )) as pool:
        bar = progress.add_task('pairs', total=len(jobs))
        for error in pool.imap_unordered(task, jobs):
            errors += [error] if error else []
            progress.advance(bar)
    return errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('photos', type=Path, help='folder of photographs, searched with its sub-folders')
    parser.add_argument('out', type=Path, help='folder of the pair set')
    parser.add_argument('--val-names', nargs='*', default=(), metavar='NAME',
                        help='photographs (names without suffix) that are held out')
    parser.add_argument('--val-fraction', type=float, default=0.1,
                        help='share that is held out where --val-names is not given, evenly over the sorted names')
    parser.add_argument('--variants', type=int, default=1, help='how often each training photograph is made dark')
    parser.add_argument('--max-side', type=int, default=1024, help='photographs are shrunk to this longest side')
    parser.add_argument('--mean-ratio', type=float, nargs=2, default=DegradationRanges.mean_ratio,
                        metavar=('LOW', 'HIGH'), help='range of mean luma, low over normal')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--workers', type=int, default=multiprocessing.cpu_count())
    args = parser.parse_args()
    if not args.photos.is_dir():
        parser.error(f'photos must be a folder, got {args.photos}')
    if not 0 <= args.val_fraction < 1:
        parser.error(f'--val-fraction must be in [0, 1), got {args.val_fraction}')
    if min(args.variants, args.max_side, args.workers) < 1:
        parser.error('--variants, --max-side and --workers must be at least 1')
    return args


def main() -> int:
    args = parse_args()
    photos = list_images(args.photos)
    if not photos:
        print(f'no photograph in {args.photos}', file=sys.stderr)
        return 2
    unknown = set(args.val_names) - {p.stem for p in photos}
    if unknown:
        print(f'--val-names not found in {args.photos}: {sorted(unknown)}', file=sys.stderr)
        return 2
    held_out = set(args.val_names)
    if not held_out and args.val_fraction:
        count = round(len(photos) * args.val_fraction)
        held_out = {photos[i * len(photos) // count].stem for i in range(count)}
    jobs = make_jobs(photos, held_out, args.variants)
    errors = run_jobs(jobs, args.out, max_side=args.max_side, seed=args.seed, workers=args.workers,
                      ranges=DegradationRanges(mean_ratio=tuple(args.mean_ratio)))
    for error in errors:
        print(error, file=sys.stderr)
    counts = {s: sum(j.split == s for j in jobs) for s in (TRAIN, VAL)}
    print(f'{len(jobs) - len(errors)} of {len(jobs)} pairs in {args.out} ({counts[TRAIN]} for training, {counts[VAL]} '
          f'held out), {len(errors)} failed')
    return 1 if errors else 0


if __name__ == '__main__':
    sys.exit(main())
