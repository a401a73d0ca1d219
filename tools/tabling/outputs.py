"""What a method makes of a folder of pictures: 8-bit PNG files, and a record of how they came about and how long it
took."""
import hashlib
import json
import statistics
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from benchmarking.measure import describe_machine
from peers.catalog import Method
from rich.console import Console
from rich.progress import track

from isalux_mm.io.attempts import Attempts
from isalux_mm.io.images import list_images, read_image, write_image
from isalux_mm.io.names import beside, check_products
from isalux_mm.io.whole_file import check_free, write_json

RECORD = 'run.json'
DIGITS = 12  # of a checksum that is shown


def checksum(content: bytes) -> str:
    """The first digits of the SHA-256."""
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def checksums(files: Iterable[Path]) -> dict[str, str]:
    """Of every file, by its name without folders."""
    return {path.name: checksum(path.read_bytes()) for path in files}


def pictures_in(folder: Path) -> dict[str, Path]:
    """Every picture below a folder by the name of its result.

    Raises:
        ValueError: if there is none.
    """
    paths = list_images(folder)
    if not paths:
        raise ValueError(f'inputs must hold pictures, got {folder} without any')
    names = beside([path.relative_to(folder) for path in paths], '.png')
    return {name.as_posix(): path for name, path in zip(names, paths)}


def result_name(path: Path, folder: Path) -> str:
    """The name of a picture's result: its own below `folder`, as PNG."""
    return path.relative_to(folder).with_suffix('.png').as_posix()


def write_outputs(method: Method, files: Mapping[str, Path], out: Path, *, notes: Mapping[str, Any],
                  device: str = 'cpu', overwrite: bool = False) -> dict[str, Any]:
    """Runs a method on pictures and writes the results as 8-bit PNG.

    The time is that of the method alone, picture in memory to picture in memory: wall, and CPU of all threads. The
    first picture is computed once beforehand, which is not timed. Pictures that cannot be read are listed, the others
    go on.

    Args:
        method: of a picture (H, W, 3), RGB in [0, 1].
        files: pictures by the name of their result.
        out: folder of the results and of `run.json`.
        notes: what the record says of the method.
        device: that the method runs on, for the record.
        overwrite: whether files that are there are replaced.

    Returns:
        The record.

    Raises:
        FileExistsError: before any work, if a file is there and may not be replaced.
        ValueError: then, if one would be written over a picture that is read.
    """
    check_products([*(out / name for name in files), out / RECORD], files.values())
    for name in (*files, RECORD):
        check_free(out / name, overwrite=overwrite)
    seconds: dict[str, dict[str, float]] = {}
    attempts = Attempts()
    for name, path in track(files.items(), out.name, console=Console(stderr=True), transient=True):
        with attempts.attempt(str(path)):
            image = read_image(path)
            if not seconds:
                method(image)
            wall, cpu = time.perf_counter(), time.process_time()
            result = method(image)
            spent = dict(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)
            write_image(out / name, result, overwrite=overwrite)
            seconds[name] = spent
    failures = [f'{Path(name).name}: {reason}' for name, reason in attempts.failed.items()]
    record = dict(notes, machine=describe_machine(device, torch.get_num_threads()), failures=failures, seconds=seconds)
    write_json(out / RECORD, record, indent=1, overwrite=overwrite)
    return record


def read_record(out: Path) -> dict[str, Any]:
    """The record of a folder; empty where somebody else wrote it."""
    path = out / RECORD
    return json.loads(path.read_text(encoding='utf-8')) if path.is_file() else {}


def median_seconds(record: Mapping[str, Any], kind: str) -> float | None:
    """The median time of a picture, 'wall' or 'cpu'; none where nothing was timed."""
    values = [times[kind] for times in record.get('seconds', {}).values()]
    return statistics.median(values) if values else None
