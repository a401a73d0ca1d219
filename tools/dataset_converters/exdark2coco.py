"""ExDark's annotations as COCO files, one a subset, with lighting and indoor/outdoor on every image.

    python tools/dataset_converters/exdark2coco.py --list imageclasslist.txt --annotations ExDark_Annno \\
        --images ExDark --split official --out data/exdark/annotations

Reads the original files (bbGt version 3: `Class l t w h 0 0 0 0 0 0 0`, pixels, left and top counted from 0) or, with
`--format yolo`, the YOLO copies that circulate (`class cx cy w h` in fractions). Sizes come from the headers of the
images or from `--sizes`; `--count-only` needs none and writes nothing but the counts.

Splits, never mixed, named in every file: `official` (column 5 of the list), `80/20` (the detection papers' list
files, given by `--lists train=train.txt test=val.txt`), `80/20-ours` (same sizes, by a hash within each class).

What is dropped or changed is counted by reason, shown, and kept in `<split>_report.json`. Errors, all named at the end,
and nothing is written then: a class that ExDark does not have, a line or an image's header that cannot be read; and, at
once, two files for one image. With `--strict` anything dropped or changed
is an error. An image whose annotation file is missing is left out; one whose file is empty stays, without boxes.
"""
import argparse
import hashlib
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from exdark_files import (
    Box,
    Entry,
    Picture,
    index_files,
    read_bbgt,
    read_list,
    read_pictures,
    read_sizes,
    read_yolo,
    stem_of,
)

from isalux_mm.cli.options import add_overwrite_option, demand_files, demand_free, run_tool
from isalux_mm.det.exdark import EXDARK_CLASSES, EXDARK_IN_OUT, EXDARK_LIGHTING, EXDARK_SPLITS
from isalux_mm.io.attempts import Attempts
from isalux_mm.io.places import check_writable
from isalux_mm.io.whole_file import write_json

MIN_SIDE = 1.0  # pixels; mmdet leaves smaller boxes out
TOLERANCE = 1e-5  # of the image's side: rounding of written fractions, not an error


def assign_subsets(entries: Mapping[str, Entry], split: str, lists: Mapping[str, Path]) -> dict[str, str]:
    """Subset of every image that the split has.

    Args:
        entries: the official list.
        split: key of `EXDARK_SPLITS`.
        lists: for `80/20`, a text file a subset: an image a line, with or without folder and suffix.

    Raises:
        ValueError: if lists are missing or not wanted, name an unknown image, or overlap.
    """
    if split == '80/20':
        return _subsets_from_lists(entries, lists)
    if lists:
        raise ValueError(f'lists belong to the split 80/20, got them with {split}')
    if split == 'official':
        return {key: entry.subset for key, entry in entries.items()}
    return hashed_subsets(entries)


def _subsets_from_lists(entries: Mapping[str, Entry], lists: Mapping[str, Path]) -> dict[str, str]:
    if set(lists) != set(EXDARK_SPLITS['80/20']):
        raise ValueError('the split 80/20 is that of the detection papers and needs their lists, train=FILE and '
                         f'test=FILE, got {sorted(lists)}; 80/20-ours needs none')
    subsets: dict[str, str] = {}
    for subset, path in lists.items():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            key = stem_of(line)
            if not key:
                continue
            if key not in entries:
                raise ValueError(f'{path}:{number}: the official list has no image {line.strip()!r}')
            if subsets.setdefault(key, subset) != subset:
                raise ValueError(f'{path}:{number}: {line.strip()!r} is in both train and test')
    return subsets


def hashed_subsets(entries: Mapping[str, Entry]) -> dict[str, str]:
    """`80/20-ours`: a fifth of every class for testing, those whose SHA-256 of the stem is lowest.

    A fifth of the whole is rounded down (1,472 of 7,363); the rest of each class's rounding goes to the largest
    remainders, then to the earlier class.
    """
    by_class = defaultdict(list)
    for key, entry in entries.items():
        by_class[entry.image_class].append(key)
    takes = {name: len(keys) // 5 for name, keys in by_class.items()}
    short = len(entries) // 5 - sum(takes.values())
    for name in sorted(by_class, key=lambda n: (-(len(by_class[n]) % 5), EXDARK_CLASSES.index(n)))[:short]:
        takes[name] += 1
    test = set()
    for name, keys in by_class.items():
        test.update(sorted(keys, key=lambda k: hashlib.sha256(k.encode()).hexdigest())[:takes[name]])
    return {key: 'test' if key in test else 'train' for key in entries}


class Converter:
    """Boxes checked and gathered, with an account of everything dropped or changed.

    Args:
        entries: the official list.
        subsets: subset by image.
        annotations: annotation file by image.
        pictures: size by image; `None` counts without sizes.
        fractions: boxes come in fractions (YOLO).
        attempts: is told which annotations cannot be read.
    """

    def __init__(self, entries: Mapping[str, Entry], subsets: Mapping[str, str], annotations: Mapping[str, Path],
                 pictures: Mapping[str, Picture] | None, *, fractions: bool, attempts: Attempts):
        self.attempts = attempts
        self.entries, self.subsets, self.annotations = entries, subsets, annotations
        self.pictures, self.fractions = pictures, fractions
        self.account: dict[str, list[str]] = defaultdict(list)
        self.counts: dict[str, Counter] = {
            name: Counter() for name in ('images', 'boxes', 'class', 'lighting', 'in_out')}

    def run(self) -> dict[str, dict]:
        """COCO files by subset (without `info`), images in the order of the official list."""
        subsets = sorted(set(self.subsets.values()))
        files: dict[str, dict] = {subset: dict(images=[], annotations=[]) for subset in subsets}
        for key, subset in sorted(self.subsets.items(), key=lambda item: self.entries[item[0]].number):
            with self.attempts.attempt(str(self.annotations.get(key, key))):
                boxes = self._boxes(key)
                if boxes is not None:
                    self._add(files[subset], subset, key, boxes)
        for key in sorted(set(self.annotations) - set(self.entries)):
            self.account['annotation of an image that is not in the list'].append(str(self.annotations[key]))
        return files

    def _boxes(self, key: str) -> list[Box] | None:
        """Checked boxes of an image, in pixels where its size is known; `None` leaves the image out."""
        name = self.entries[key].name
        if key not in self.annotations:
            self.account['image left out: no annotation file'].append(name)
            return None
        if self.pictures is not None and key not in self.pictures:
            self.account['image left out: no image file or size'].append(name)
            return None
        path = self.annotations[key]
        boxes = (read_yolo if self.fractions else read_bbgt)(path)
        if not boxes:
            self.account['image kept without boxes: empty annotation file'].append(str(path))
        if self.pictures is not None and self.pictures[key].turned:
            self.account['image with an EXIF turn (load it with color_type="color_ignore_orientation")'].append(name)
        return [kept for box in boxes if (kept := self._check(box, key, path)) is not None]

    def _check(self, box: Box, key: str, path: Path) -> Box | None:
        """The box within its image, in pixels where the size is known; `None` if nothing of it is left."""
        size = self.pictures and (self.pictures[key].width, self.pictures[key].height)
        scale = size if self.fractions and size else (1, 1)
        limit = size or ((1, 1) if self.fractions else (float('inf'), float('inf')))
        width, height = box.width * scale[0], box.height * scale[1]
        left, top = box.left * scale[0], box.top * scale[1]
        where = f'{path}: {box.label} {left:g} {top:g} {width:g} {height:g}'
        if not (width > 0 and height > 0):
            self.account['box dropped: no area'].append(where)
            return None
        right, bottom = min(left + width, limit[0]), min(top + height, limit[1])
        new_left, new_top = max(left, 0), max(top, 0)
        if right <= new_left or bottom <= new_top:
            self.account['box dropped: outside the image'].append(where)
            return None
        if size and min(right - new_left, bottom - new_top) < MIN_SIDE:
            self.account['box dropped: under one pixel within the image'].append(where)
            return None
        beyond_x, beyond_y = max(new_left - left, left + width - right), max(new_top - top, top + height - bottom)
        if max(beyond_x / limit[0], beyond_y / limit[1]) > TOLERANCE:
            self.account['box clipped to the image'].append(where)
        return Box(box.label, new_left, new_top, right - new_left, bottom - new_top, box.crowd)

    def _add(self, file: dict, subset: str, key: str, boxes: list[Box]) -> None:
        entry = self.entries[key]
        self.counts['images'][subset] += 1
        self.counts['boxes'][subset] += len(boxes)
        self.counts['lighting'][entry.lighting] += len(boxes)
        self.counts['in_out'][entry.in_out] += len(boxes)
        self.counts['class'].update(box.label for box in boxes)
        if self.pictures is None:
            return
        picture = self.pictures[key]
        file['images'].append(
            dict(id=entry.number, file_name=picture.name, width=picture.width, height=picture.height,
                 lighting=entry.lighting, in_out=entry.in_out, image_class=entry.image_class))
        for box in boxes:
            rectangle = [round(value, 3) for value in box[1:5]]
            file['annotations'].append(
                dict(id=len(file['annotations']) + 1, image_id=entry.number, bbox=rectangle,
                     category_id=EXDARK_CLASSES.index(box.label) + 1, area=rectangle[2] * rectangle[3],
                     iscrowd=int(box.crowd), segmentation=[]))


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--list', type=Path, required=True, help='imageclasslist.txt')
    parser.add_argument('--annotations', type=Path, required=True, help='folder, with or without class folders')
    parser.add_argument('--format', choices=('bbgt', 'yolo'), default='bbgt')
    parser.add_argument('--images', type=Path, help='folder, with or without class folders; sizes from the headers')
    parser.add_argument('--sizes', type=Path, help='CSV (name,width,height) or COCO file, in place of --images')
    parser.add_argument('--count-only', action='store_true', help='count without sizes, write no COCO file')
    parser.add_argument('--split', choices=tuple(EXDARK_SPLITS), required=True)
    parser.add_argument('--lists', nargs='+', default=[], metavar='SUBSET=FILE', help='for the split 80/20')
    parser.add_argument('--out', type=Path, required=True, help='folder of the COCO files and the report')
    parser.add_argument('--strict', action='store_true', help='fail where anything is dropped or changed')
    add_overwrite_option(parser)
    options = parser.parse_args(arguments)
    if sum(map(bool, (options.images, options.sizes, options.count_only))) != 1:
        parser.error('exactly one of --images, --sizes and --count-only is needed')
    if any('=' not in item for item in options.lists):
        parser.error(f'--lists takes SUBSET=FILE, got {options.lists}')
    subsets = () if options.count_only else EXDARK_SPLITS[options.split]
    read = [options.list, *([options.sizes] if options.sizes else []),
            *(Path(item.partition('=')[2]) for item in options.lists)]
    demand_files(parser, '--list', options.list)
    demand_files(parser, '--sizes', *([options.sizes] if options.sizes else []))
    demand_free(parser, *(file_of(options, name) for name in ('report', *subsets)), overwrite=options.overwrite,
                read=read)
    return options


def file_of(options: argparse.Namespace, name: str) -> Path:
    """The file of a subset, or of the report."""
    return options.out / f'{options.split.replace("/", "-")}_{name}.json'


def summarize(converter: Converter, split: str) -> list[str]:
    """The counts and the account, to be read."""
    lines = [f'ExDark, split {split}']
    for subset, expected in EXDARK_SPLITS[split].items():
        found = converter.counts['images'][subset]
        note = '' if found == expected else f' (expected {expected})'
        lines.append(f"  {subset}: {found} images{note}, {converter.counts['boxes'][subset]} boxes")
    for name, order in (('class', EXDARK_CLASSES), ('lighting', EXDARK_LIGHTING), ('in_out', EXDARK_IN_OUT)):
        lines.append(f'  boxes by {name}: ' + ', '.join(f'{n} {converter.counts[name][n]}' for n in order))
    for reason, cases in sorted(converter.account.items()):
        lines.append(f'  {len(cases)} x {reason}, such as {cases[0]}')
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Converts; 0, or 1 where `--strict` meets something dropped or changed."""
    options = parse_arguments(arguments)
    check_writable(options.out)
    entries = read_list(options.list)
    lists = {subset: Path(path) for subset, path in (item.split('=', 1) for item in options.lists)}
    pictures, attempts = None, Attempts()
    if not options.count_only:
        pictures = read_pictures(options.images, attempts) if options.images else read_sizes(options.sizes)
    converter = Converter(
        entries, assign_subsets(entries, options.split, lists), index_files(options.annotations, ('.txt', )), pictures,
        fractions=options.format == 'yolo', attempts=attempts)
    files = converter.run()
    if attempts.failed:
        raise ValueError('\n'.join(['files that cannot be read, nothing is written:', *attempts.lines()]))
    print('\n'.join(summarize(converter, options.split)))
    write_json(file_of(options, 'report'),
               dict(split=options.split, counts=converter.counts, account=converter.account),
               overwrite=options.overwrite)
    if options.strict and converter.account:
        print('--strict: something was dropped or changed, no COCO file is written', file=sys.stderr)
        return 1
    if not options.count_only:
        categories = [dict(id=number, name=name) for number, name in enumerate(EXDARK_CLASSES, 1)]
        for subset, content in files.items():
            info = dict(description='ExDark', split=options.split, subset=subset)
            write_json(file_of(options, subset), dict(info=info, categories=categories, **content),
                       overwrite=options.overwrite)
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main))
