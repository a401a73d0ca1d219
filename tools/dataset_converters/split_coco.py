"""Holds a part of a COCO set out: two annotation files, of the images to learn from and of those to choose by.

    python tools/dataset_converters/split_coco.py data/coco/annotations/instances_train2017.json \\
        --out data/coco_split --every 4

writes data/coco_split/learn.json and data/coco_split/choose.json, the latter with every fourth image by its id.
"""
import argparse
import sys
from pathlib import Path

from coco_file import read_coco

from isalux_mm.cli.options import add_overwrite_option, count, demand_free, run_tool
from isalux_mm.io.whole_file import write_json

NAMES = ('learn', 'choose')
WANTED = dict(images=('id', ), annotations=('image_id', ))


def split(content: dict, every: int) -> tuple[dict, dict]:
    """The content of a COCO file without every n-th image, and with these alone.

    Args:
        content: of a COCO file.
        every: one image in how many, by id, is held out; at least 2.

    Raises:
        ValueError: if one part would be empty.
    """
    if every < 2:
        raise ValueError(f'every must be at least 2, got {every}')
    held = {image['id'] for image in sorted(content['images'], key=lambda image: image['id'])[every - 1::every]}
    if not held:
        raise ValueError(f'at least {every} images are needed, got {len(content["images"])}')
    return _part(content, held, inside=False), _part(content, held, inside=True)


def _part(content: dict, ids: set, *, inside: bool) -> dict:
    images = [image for image in content['images'] if (image['id'] in ids) == inside]
    annotations = [a for a in content['annotations'] if (a['image_id'] in ids) == inside]
    return {**content, 'images': images, 'annotations': annotations}


def main(arguments: list[str] | None = None) -> int:
    """Writes the two files; 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('annotations', type=Path, help='COCO file')
    parser.add_argument('--out', type=Path, required=True, help='folder of the two files')
    parser.add_argument('--every', type=count, default=4, help='one image in how many is held out (4)')
    add_overwrite_option(parser)
    options = parser.parse_args(arguments)
    targets = [options.out / f'{name}.json' for name in NAMES]
    for target in targets:
        demand_free(parser, target, overwrite=options.overwrite, read=[options.annotations])
    try:
        parts = split(read_coco(options.annotations, WANTED), options.every)
    except ValueError as error:
        parser.error(str(error))
    for target, part in zip(targets, parts):
        write_json(target, part, overwrite=options.overwrite)
        print(f'{target}: {len(part["images"])} images, {len(part["annotations"])} boxes')
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main))
