"""The files of ExDark as they are: the official list, annotations in both formats, sizes of the images."""
import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from isalux_mm.det.exdark import EXDARK_CLASSES, EXDARK_IN_OUT, EXDARK_LIGHTING
from isalux_mm.io.attempts import Attempts

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.gif')
OFFICIAL_SUBSETS = ('train', 'val', 'test')
BBGT_HEADER = '% bbGt version=3'
BBGT_FIELDS, YOLO_FIELDS = 12, 5
BBGT_IGNORE = 10  # field that marks a region to be ignored
EXIF_ORIENTATION = 0x0112


class Entry(NamedTuple):
    """A line of the official list; `number` is its position, from 1."""
    number: int
    name: str
    image_class: str
    lighting: str
    in_out: str
    subset: str


class Box(NamedTuple):
    """Left, top, width, height; in pixels, or in fractions where the file is YOLO's."""
    label: str
    left: float
    top: float
    width: float
    height: float
    crowd: bool = False


@dataclass(frozen=True)
class Picture:
    """An image file: name below the image folder, size, whether its EXIF data turn it."""
    name: str
    width: int
    height: int
    turned: bool = False


def stem_of(name: str) -> str:
    """Key of an image: `Bicycle/2015_00001.PNG`, `2015_00001.png.txt` and `2015_00001.txt` share `2015_00001`."""
    stem = Path(name.strip()).name.lower()
    stem = stem.removesuffix('.txt')
    return stem.removesuffix(Path(stem).suffix) if Path(stem).suffix in IMAGE_SUFFIXES else stem


def index_files(folder: Path, suffixes: Iterable[str]) -> dict[str, Path]:
    """Files below a folder by `stem_of`.

    Raises:
        ValueError: if the folder does not exist, or two files belong to one image.
    """
    if not folder.is_dir():
        raise ValueError(f'{folder}: no such folder')
    found: dict[str, Path] = {}
    for path in sorted(p for p in folder.rglob('*') if p.suffix.lower() in suffixes and not p.name.startswith('.')):
        key = stem_of(path.name)
        if key in found:
            raise ValueError(f'two files for the image {key}: {found[key]} and {path}')
        found[key] = path
    return found


def read_list(path: Path) -> dict[str, Entry]:
    """The official image list by `stem_of`: name, class 1-12, light 1-10, in/out 1-2, subset 1-3, after a heading.

    Raises:
        ValueError: if a line has another form, or an image stands there twice.
    """
    entries: dict[str, Entry] = {}
    tables = (EXDARK_CLASSES, EXDARK_LIGHTING, EXDARK_IN_OUT, OFFICIAL_SUBSETS)
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines[1:], 1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != 5 or not all(f.isdigit() and 1 <= int(f) <= len(t) for f, t in zip(fields[1:], tables)):
            raise ValueError(f'{path}:{number + 1}: expected "name class(1-12) light(1-10) in/out(1-2) set(1-3)", '
                             f'got {line!r}')
        entry = Entry(number, fields[0], *(t[int(f) - 1] for f, t in zip(fields[1:], tables)))
        if stem_of(entry.name) in entries:
            raise ValueError(f'{path}:{number + 1}: {entry.name} stands in the list twice')
        entries[stem_of(entry.name)] = entry
    if not entries:
        raise ValueError(f'{path}: expected the official image list, got no line below the heading')
    return entries


def class_name(label: str, place: str) -> str:
    """ExDark's spelling of a class.

    Raises:
        ValueError: if ExDark has no such class.
    """
    by_lower = {name.lower(): name for name in EXDARK_CLASSES}
    if label.lower() not in by_lower:
        raise ValueError(f'{place}: ExDark has the classes {", ".join(EXDARK_CLASSES)}, got {label!r}')
    return by_lower[label.lower()]


def read_bbgt(path: Path) -> list[Box]:
    """Boxes of a bbGt version 3 file, in pixels. An empty file or one with the header alone has none.

    Raises:
        ValueError: if the header is missing, or a line or class cannot be understood.
    """
    lines = path.read_text().splitlines()
    if lines and lines[0].strip() and lines[0].strip() != BBGT_HEADER:
        raise ValueError(f'{path}:1: expected {BBGT_HEADER!r}, got {lines[0]!r}')
    boxes = []
    for number, line in enumerate(lines[1:], 2):
        fields, place = line.split(), f'{path}:{number}'
        if not fields:
            continue
        label, values = fields[0], _numbers(fields[1:], BBGT_FIELDS - 1, place, line)
        left, top, width, height = values[:4]
        boxes.append(Box(class_name(label, place), left, top, width, height, bool(values[BBGT_IGNORE - 1])))
    return boxes


def read_yolo(path: Path) -> list[Box]:
    """Boxes of a YOLO file, in fractions of the image.

    Raises:
        ValueError: if a line or class cannot be understood.
    """
    boxes = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        fields, place = line.split(), f'{path}:{number}'
        if not fields:
            continue
        values = _numbers(fields, YOLO_FIELDS, place, line)
        if values[0] not in range(len(EXDARK_CLASSES)):
            raise ValueError(f'{place}: class must be in 0 to {len(EXDARK_CLASSES) - 1}, got {fields[0]}')
        _, x, y, width, height = values
        boxes.append(Box(EXDARK_CLASSES[int(values[0])], x - width / 2, y - height / 2, width, height))
    return boxes


def _numbers(fields: list[str], count: int, place: str, line: str) -> list[float]:
    try:
        values = [float(field) for field in fields]
    except ValueError:
        values = []
    if len(values) != count:
        raise ValueError(f'{place}: expected {count} numbers, got {line!r}')
    return values


def read_pictures(folder: Path, attempts: Attempts) -> dict[str, Picture]:
    """Images below a folder, from their headers: the stored size, before any EXIF turn, which boxes refer to.

    Args:
        folder: of the images, with or without class folders.
        attempts: is told whose header cannot be read.

    Raises:
        ValueError: if two files belong to one image.
    """
    pictures = {}
    for key, path in index_files(folder, IMAGE_SUFFIXES).items():
        with attempts.attempt(str(path)), Image.open(path) as image:
            turned = image.getexif().get(EXIF_ORIENTATION, 1) != 1
            pictures[key] = Picture(path.relative_to(folder).as_posix(), *image.size, turned)
    return pictures


def read_sizes(path: Path) -> dict[str, Picture]:
    """Sizes from a CSV file with the columns name, width, height, or from the images of a COCO file."""
    if path.suffix == '.json':
        rows = [(i['file_name'], i['width'], i['height']) for i in json.loads(path.read_text())['images']]
    else:
        with open(path, newline='') as file:
            rows = [(row['name'], row['width'], row['height']) for row in csv.DictReader(file)]
    return {stem_of(name): Picture(name, int(width), int(height)) for name, width, height in rows}
