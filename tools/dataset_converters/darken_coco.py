"""Any COCO-format set made dark by the physical synthesis; the bright originals stay as references.

    python tools/dataset_converters/darken_coco.py --annotations instances_val2017.json --images val2017 \\
        --out data/dark_coco/val2017_gain0.01 --gain 0.01 --seed 0 --workers 8

Writes `images/<name>.png` (lossless) and `annotations.json`: the same boxes, every image with `reference` (path of the
bright file relative to the annotation file) and `degradation` (the draw). An image's darkness depends on its id, the
seed and the settings alone: not on the order, the number of workers or a restart. A run that was cut off goes on where
it stood; files appear whole or not at all. `settings.json` keeps the settings; other settings in the same folder are an
error, and so are pictures or annotations in a folder without it. An image that cannot be made does not keep the others
from being made, but the set has no annotations then: all that failed is named at the end.
"""
import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import cv2
import mmcv
import numpy as np
from coco_file import read_coco

from isalux_mm.cli.options import count, count_or_none, gain, run_tool
from isalux_mm.datasets.darkening import darken, darkness_ranges
from isalux_mm.functional.degradation import seeded_generator
from isalux_mm.functional.degradation_draw import sample_degradation
from isalux_mm.functional.degradation_ranges import DegradationRanges
from isalux_mm.io.attempts import Attempts
from isalux_mm.io.images import write_image
from isalux_mm.io.names import check_products
from isalux_mm.io.places import check_writable
from isalux_mm.io.whole_file import signals_interrupt, write_json

WANTED = ('id', 'file_name', 'height', 'width')  # of an image


def darken_record(record: dict, images: Path, out: Path, ranges: DegradationRanges, seed: int) -> dict:
    """Makes one image dark, unless its file is there, and returns its COCO record.

    Raises:
        ValueError: if the image cannot be read, or its size is not the record's.
    """
    source = images / record['file_name']
    image = mmcv.imread(source, channel_order='rgb') if source.is_file() else None
    size = (record['height'], record['width'])
    if image is None or image.shape[:2] != size:
        raise ValueError(f'{source}: expected an image of height and width {size}, '
                         f'got {"none" if image is None else image.shape[:2]}')
    target = out / 'images' / Path(record['file_name']).with_suffix('.png')
    rng = seeded_generator(seed, str(record['id']))
    if target.is_file():
        degradation = sample_degradation(image.astype(np.float32) / 255, ranges, rng)
    else:
        dark, degradation = darken(image, ranges, rng)
        write_image(target, dark.astype(np.float32) / 255)
    return record | dict(
        file_name=target.relative_to(out / 'images').as_posix(),
        reference=Path(os.path.relpath(source, out)).as_posix(),
        degradation=asdict(degradation))


def darken_records(records: list[dict], work: partial, workers: int) -> Iterator[dict | Attempts]:
    """Records in their order, made in parallel; why one was not in its place."""
    cv2.setNumThreads(1)
    attempt = partial(attempted, work=work)
    if workers <= 1:
        yield from map(attempt, records)
        return
    with Pool(workers, initializer=signal.signal, initargs=(signal.SIGTERM, signal.SIG_DFL)) as pool:
        yield from pool.imap(attempt, records, chunksize=4)


def attempted(record: dict, work: partial) -> dict | Attempts:
    """The record, or why it was not made, in a form that travels between processes."""
    attempts = Attempts()
    with attempts.attempt(record['file_name']):
        return work(record)
    return attempts


def keep_settings(path: Path, settings: dict) -> None:
    """Writes the settings, or compares them with those of an earlier run.

    Raises:
        FileExistsError: if what an earlier run would have written is there without its settings.
        ValueError: if an earlier run had other settings.
    """
    settings = json.loads(json.dumps(settings))
    if not path.is_file():
        for name in ('images', 'annotations.json'):
            if os.path.lexists(path.with_name(name)):
                raise FileExistsError(f'{path.with_name(name)} is there, and was not made here: choose another folder')
        write_json(path, settings)
        return
    earlier = json.loads(path.read_text())
    changed = sorted(k for k in settings.keys() | earlier.keys() if settings.get(k) != earlier.get(k))
    if changed:
        raise ValueError(f'{path}: the folder was begun with other settings ({", ".join(changed)}); '
                         'choose another folder or delete this one')


def check_names(records: list[dict]) -> None:
    """Raises a `ValueError` if two images would be written to one file, or one outside the output folder."""
    seen: dict[Path, str] = {}
    for record in records:
        target = Path(record['file_name']).with_suffix('.png')
        if target.is_absolute() or '..' in target.parts:
            raise ValueError(f"file_name must be a path below the image folder, got {record['file_name']}")
        if target in seen:
            raise ValueError(f"{seen[target]} and {record['file_name']} would both be written to {target}")
        seen[target] = record['file_name']


def changes(text: str) -> dict:
    """Changes to `DegradationRanges`, for argparse.

    Raises:
        argparse.ArgumentTypeError: if they are none.
    """
    try:
        found = json.loads(text)
        darkness_ranges(found)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'expected JSON of fields of DegradationRanges and their values, got {text} '
                                         f'({error})') from None
    return found


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--annotations', type=Path, required=True, help='COCO file')
    parser.add_argument('--images', type=Path, required=True, help='folder of its images')
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--gain', type=gain, help='fixed exposure gain in linear light; drawn if left out')
    parser.add_argument('--ranges', type=changes, default={}, metavar='JSON',
                        help='changes to DegradationRanges, such as \'{"jpeg_share": 1}\'')
    parser.add_argument('--seed', type=count_or_none, default=0)
    parser.add_argument('--workers', type=count, default=os.cpu_count())
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Makes the set dark; 0."""
    options = parse_arguments(arguments)
    check_writable(options.out)
    ranges = darkness_ranges(options.ranges, options.gain)
    content = read_coco(options.annotations, dict(images=WANTED))
    check_products([options.out / name for name in ('annotations.json', 'settings.json')], [options.annotations])
    check_names(content['images'])
    settings = dict(annotations=options.annotations.name, seed=options.seed, gain=options.gain, ranges=asdict(ranges))
    keep_settings(options.out / 'settings.json', settings)
    work = partial(darken_record, images=options.images, out=options.out, ranges=ranges, seed=options.seed)
    records, attempts, total = [], Attempts(), len(content['images'])
    for record in darken_records(content['images'], work, options.workers):
        if isinstance(record, Attempts):
            attempts.add(record)
            continue
        records.append(record)
        if len(records) % 100 == 0 or len(records) == total:
            print(f'{len(records)} of {total} images')
    if attempts.failed:
        raise ValueError('\n'.join([f'{len(attempts.failed)} of {total} images failed, no annotations are written:',
                                    *attempts.lines()]))
    info = content.get('info', {}) | dict(darkened=settings)
    # of the same set, which the settings have told
    write_json(options.out / 'annotations.json', content | dict(info=info, images=records), overwrite=True)
    return 0


if __name__ == '__main__':
    with signals_interrupt():
        sys.exit(run_tool(main))
