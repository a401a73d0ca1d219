"""Writes a low/normal-light pair set in the layout of LOL-v1 from a folder of photographs:
`python tools/dataset_converters/synthesize_lowlight.py PHOTOS OUT`.

Low images come from the physical synthesis (unprocess, darken, shot and read noise, process). The set depends on the
photographs' names and the seed alone, not on the number of workers; finished pairs are skipped when it runs again.
OUT/synthesis.json records the options and the sizes of the photographs' files; another run into the same folder with
other options is refused, and so is one with another photograph, or none, where a pair is finished.
"""
import argparse
import json
import multiprocessing
import os
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import cv2
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from isalux_mm.cli.options import count, count_or_none, run_tool
from isalux_mm.functional.degradation import seeded_generator
from isalux_mm.functional.degradation_draw import synthesize_pair
from isalux_mm.functional.degradation_ranges import BASES, PLAIN, DegradationRanges
from isalux_mm.functional.resizing import shrink
from isalux_mm.io.attempts import Attempts
from isalux_mm.io.images import list_images, read_image, write_image
from isalux_mm.io.names import distinct, fitted, same_name
from isalux_mm.io.places import check_writable
from isalux_mm.io.whole_file import signals_interrupt, write_json

TRAIN, VAL = 'our485', 'eval15'  # LOL-v1's names
RECORD = 'synthesis.json'
LATER = ('variants', 'photographs')  # what the first records had not
MAPPINGS = ('ranges', 'photographs')
ROOM = '_00000.png'  # what is added to a pair's name at most
TARGET_LUMA = (0.45, 0.04)  # LOL's references lie around 0.45


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
    """Writes what is not there of one pair; returns why that failed, whatever it was, or `None`."""
    paths = paths_of(out, f'{job.split}/{job.name}')
    attempts = Attempts()
    with attempts.attempt(str(job.photo)):
        if not all(path.is_file() for path in paths):
            photo = shrink(read_image(job.photo), max_side)
            low, gt, _ = synthesize_pair(photo, ranges, TARGET_LUMA, seeded_generator(seed, job.name))
            for path, image in zip(paths, (gt, low)):
                if not path.is_file():
                    write_image(path, image)
    return '\n'.join(line.strip() for line in attempts.lines()) or None


def paths_of(out: Path, pair: str) -> list[Path]:
    """The files of a pair, reference first; `pair` is its split and name, 'our485/name'."""
    split, _, name = pair.partition('/')
    return [out / split / side / f'{name}.png' for side in ('high', 'low')]


def make_jobs(photos: list[Path], val_names: set[str], variants: int) -> list[Job]:
    """Every photograph `variants` times for training, once for validation; names stay unique."""
    names = unique_names(photos)
    jobs = []
    for photo, name in zip(photos, names):
        if photo.stem in val_names:
            jobs.append(Job(photo, VAL, name))
        else:
            jobs += [Job(photo, TRAIN, f'{name}_{k}' if variants > 1 else name) for k in range(variants)]
    return jobs


def unique_names(photos: list[Path]) -> list[str]:
    """Stems, cut to fit; those that clash, for any file system, are led by as many parent folders as tell them apart,
    and end with their suffix; where nothing does, they get a number.

    Raises:
        ValueError: if a photograph is listed twice.
    """
    twice = [path for path, count in Counter(photos).items() if count > 1]
    if twice:
        raise ValueError(f'a photograph is listed twice: {twice[0]}')
    names = [cut(p.stem) for p in photos]
    for depth in range(2, max(len(p.parts) for p in photos) + 2):
        keys = [same_name(Path(name)) for name in names]
        counts = Counter(keys)
        if max(counts.values()) == 1:
            return names
        names = [cut('_'.join((*p.parts[-depth:-1], p.name.replace('.', '_')))) if counts[key] > 1 else name
                 for p, name, key in zip(photos, names, keys)]
    return [path.name for path in distinct([Path(name) for name in names])]


def cut(name: str) -> str:
    """A pair's name that leaves room for the number of a variant and the suffix."""
    return fitted(name, ROOM)[:-len(ROOM)]


def run_jobs(jobs: list[Job], out: Path, *, max_side: int, seed: int, workers: int,
             ranges: DegradationRanges, variants: int = 1) -> list[str]:
    """Writes all pairs, with a progress bar; returns the errors.

    Raises:
        ValueError: if the set in `out` was begun with other options or photographs.
    """
    check_record(out, dict(seed=seed, max_side=max_side, target_luma=TARGET_LUMA, ranges=asdict(ranges),
                           held_out=sorted(job.name for job in jobs if job.split == VAL), variants=variants,
                           photographs={f'{job.split}/{job.name}': job.photo.stat().st_size for job in jobs}))
    task = partial(make_pair, out=out, max_side=max_side, seed=seed, ranges=ranges)
    errors = []
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with ExitStack() as stack:
        if workers > 1:  # spawned: a forked child would inherit the locks of OpenCV's threads
            context = multiprocessing.get_context('spawn')
            pool = stack.enter_context(context.Pool(workers, initializer=cv2.setNumThreads, initargs=(1, )))
        results = pool.imap_unordered(task, jobs) if workers > 1 else map(task, jobs)
        progress = stack.enter_context(Progress(*columns))
        for error in progress.track(results, total=len(jobs), description='pairs'):
            errors += [error] if error else []
    return errors


def check_record(out: Path, options: dict) -> None:
    """Records the options of a set, or compares them with those it was begun with.

    Of the photographs, sizes of files by pair, those count of which a pair, or half of one, is there: a damaged one may
    be put right, and others may be added. What a set of before has no record of is taken to be the same.

    Raises:
        ValueError: if the set in `out` was begun with other options or photographs, pairs lie there that were not made
            here, or its record is damaged.
    """
    path = out / RECORD
    options = json.loads(json.dumps(options))
    if not path.is_file():
        strange = [out / split for split in (TRAIN, VAL) if os.path.lexists(out / split)]
        if strange:
            raise ValueError(f'{strange[0]} is there, and was not made here: choose another folder')
        write_json(path, options, indent=2)
        return
    known = read_record(path)
    before = dict(known)
    if 'ranges' in known:  # a set begun before a range was added has its default
        known['ranges'] = json.loads(json.dumps(asdict(PLAIN))) | known['ranges']
    known = {name: options[name] for name in LATER} | known
    photographs, sizes = known.pop('photographs'), options['photographs']
    changed = sorted(k for k in known.keys() | options.keys() - {'photographs'} if known.get(k) != options.get(k))
    others = [pair for pair, size in photographs.items() if sizes.get(pair) != size
              and any(path.is_file() for path in paths_of(out, pair))]
    if changed or others:
        names = ', '.join([*changed, *([f'photographs, of {others[0]} say'] if others else [])])
        raise ValueError(f'{out} was begun with other options ({names}): choose another folder, or remove it')
    if before != options:
        write_json(path, options, indent=2, overwrite=True)


def read_record(path: Path) -> dict:
    """The options that a set was begun with.

    Raises:
        ValueError: if the file holds none.
    """
    try:
        known = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'{path} must be the record of a set, got no JSON ({error})') from error
    if not (isinstance(known, dict) and all(isinstance(known.get(name, {}), dict) for name in MAPPINGS)):
        raise ValueError(f'{path} must be the record of a set, a mapping of its options, got {str(known)[:60]}')
    return known


def chosen_names(photos: list[Path], names: list[str] | None, fraction: float) -> set[str]:
    """Stems of the photographs that are held out: as named, else a share, evenly over the sorted photographs.

    Raises:
        ValueError: if a name is not among the photographs, or none is left to train on.
    """
    stems = sorted({p.stem for p in photos})
    if names is None:
        count = round(len(stems) * fraction)
        names = [stems[i * len(stems) // count] for i in range(count)]
    unknown = sorted(set(names) - set(stems))
    if unknown:
        raise ValueError(f'--val-names are not among the photographs: {unknown}')
    if set(names) == set(stems):
        raise ValueError('no photograph is left to train on: hold out fewer')
    return set(names)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('photos', type=Path, help='folder of photographs, searched with its sub-folders')
    parser.add_argument('out', type=Path, help='folder of the pair set')
    parser.add_argument('--val-names', nargs='*', metavar='NAME',
                        help='photographs (names without suffix) that are held out; nothing for none')
    parser.add_argument('--val-fraction', type=float, default=0.1,
                        help='share that is held out where --val-names is not given, evenly over the sorted names')
    parser.add_argument('--variants', type=count, default=1, help='how often each training photograph is made dark')
    parser.add_argument('--max-side', type=count, default=1024, help='photographs are shrunk to this longest side')
    parser.add_argument('--base', choices=sorted(BASES), default='plain',
                        help='one plain camera, or many with casts, tone curves and exposures of all kinds')
    parser.add_argument('--mean-ratio', type=float, nargs=2, metavar=('LOW', 'HIGH'),
                        help='range of mean luma, low over normal, of all pictures; default: that of the base')
    parser.add_argument('--seed', type=count_or_none, default=0, help='of the whole set, 0 or more')
    parser.add_argument('--workers', type=count, default=os.cpu_count())
    args = parser.parse_args()
    if not args.photos.is_dir():
        parser.error(f'photos must be a folder, got {args.photos}')
    if args.out.resolve().is_relative_to(args.photos.resolve()):
        parser.error(f'out must lie outside of the photographs, got {args.out} in {args.photos}')
    if not 0 <= args.val_fraction < 1:
        parser.error(f'--val-fraction must be in [0, 1), got {args.val_fraction}')
    if args.mean_ratio and not 0 < args.mean_ratio[0] <= args.mean_ratio[1] <= 1:
        parser.error(f'--mean-ratio must be LOW <= HIGH in (0, 1], got {args.mean_ratio}')
    return args


def main() -> int:
    args = parse_args()
    check_writable(args.out)
    photos = list_images(args.photos)
    if not photos:
        print(f'no photograph in {args.photos}', file=sys.stderr)
        return 2
    ranges = BASES[args.base]
    if args.mean_ratio:
        ranges = replace(ranges, mean_ratio=tuple(args.mean_ratio), extreme_share=0.0, lit_share=0.0)
    try:
        jobs = make_jobs(photos, chosen_names(photos, args.val_names, args.val_fraction), args.variants)
        errors = run_jobs(jobs, args.out, max_side=args.max_side, seed=args.seed, workers=args.workers,
                          ranges=ranges, variants=args.variants)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    for message in errors:
        print(message, file=sys.stderr)
    counts = Counter(job.split for job in jobs)
    print(f'{len(jobs) - len(errors)} of {len(jobs)} pairs in {args.out} ({counts[TRAIN]} for training, {counts[VAL]} '
          f'held out), {len(errors)} failed')
    return 1 if errors else 0


if __name__ == '__main__':
    with signals_interrupt():
        sys.exit(run_tool(main))
