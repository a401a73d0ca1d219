"""What a method makes of a folder of pictures: 8-bit PNG files, and a record of how they came about and how long it
took."""
import hashlib
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track

from benchmarking.measure import describe_machine
from isalux_mm.io.images import list_images, read_image, write_image
from isalux_mm.io.picture_file import ImageReadError
from isalux_mm.io.whole_file import write_json
from peers.catalog import Method

RECORD = 'run.json'
DIGITS = 12  # of a checksum that is shown


def checksum(path: Path) -> str:
    """The first digits of a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:DIGITS]


def write_outputs(method: Method, inputs: Path, out: Path, *, parameters: int, weights: Sequence[Path] = (),
                  notes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Runs a method on every picture below a folder and writes the results under the same names as 8-bit PNG.

    The time is that of the method alone, picture in memory to picture in memory: wall, and CPU of all threads. The
    first picture is computed once beforehand, which is not timed. Pictures that cannot be read are listed, the others
    go on.

    Args:
        method: of a picture (H, W, 3), RGB in [0, 1].
        inputs: folder.
        out: folder of the results and of `run.json`.
        parameters: of the network, for the record.
        weights: files, of which the record holds name and checksum.
        notes: further entries of the record.

    Returns:
        The record.

    Raises:
        ValueError: if there is no picture.
    """
    files = list_images(inputs)
    if not files:
        raise ValueError(f'inputs must hold pictures, got {inputs} without any')
    seconds: dict[str, dict[str, float]] = {}
    failures = []
    for path in track(files, out.name, console=Console(stderr=True), transient=True):
        name = path.relative_to(inputs).with_suffix('.png').as_posix()
        try:
            image = read_image(path)
        except ImageReadError as error:
            failures.append(str(error).replace(str(inputs), inputs.name))
            continue
        if not seconds:
            method(image)
        wall, cpu = time.perf_counter(), time.process_time()
        result = method(image)
        seconds[name] = dict(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)
        write_image(out / name, result)
    record = dict(
        notes or {}, parameters=parameters, weights={path.name: checksum(path) for path in weights},
        machine=describe_machine('cpu', torch.get_num_threads()), failures=failures, seconds=seconds)
    write_json(out / RECORD, record, indent=1)
    return record


def read_record(out: Path) -> dict[str, Any]:
    """The record of a folder; empty where somebody else wrote it."""
    path = out / RECORD
    return json.loads(path.read_text(encoding='utf-8')) if path.is_file() else {}


def median_seconds(record: Mapping[str, Any], kind: str) -> float | None:
    """The median time of a picture, 'wall' or 'cpu'; none where nothing was timed."""
    values = [times[kind] for times in record.get('seconds', {}).values()]
    return statistics.median(values) if values else None
