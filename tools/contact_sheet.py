"""Draws a set of pictures before and after a model on one sheet, to be looked at:
`python tools/contact_sheet.py MODEL_OR_CONFIG [CHECKPOINT] --inputs DIR [DIR ...] --out SHEET.jpg`.

One column a picture: input, output and, where --references has a picture of the same name, the reference; its name is
under it. MODEL_OR_CONFIG is the name of a packaged model, which brings its weights, or a config file. Outputs are what
`isalux enhance` gives, with --clip what benchmarks score. Examples:

    python tools/contact_sheet.py isalux_zero_shot --inputs data/LOL/eval15/low --references data/LOL/eval15/high \\
        --out eval15.jpg
    python tools/contact_sheet.py isalux_zero_shot --inputs DARK_PHOTOS WELL_LIT --well-lit --count 20 --out lit.jpg
"""
import argparse
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from rich.progress import track

from isalux_mm.apis import EnhanceInferencer
from isalux_mm.apis.evaluating import partners_of_names
from isalux_mm.apis.tone import Tone
from isalux_mm.cli.options import (
    add_overwrite_option,
    count,
    demand_free,
    demand_picture_name,
    demand_pictures,
    run_tool,
    show_failures,
)
from isalux_mm.datasets.transforms import to_tensor
from isalux_mm.evaluation.harmlessness import is_well_lit
from isalux_mm.io.attempts import Attempts
from isalux_mm.io.formats import BY_SUFFIX
from isalux_mm.io.images import list_images, read_each, read_image, write_image
from isalux_mm.io.limits import PictureTooLargeError, limits_in_force
from isalux_mm.visualization.contact_sheet import draw_contact_sheet, sheet_size
from isalux_mm.visualization.panels import to_array

ROWS = ('input', 'output', 'reference')


def references_of(inputs: dict[Path, list[Path]], folders: list[Path]) -> dict[Path, Path]:
    """The reference of every input that has one in any of the folders.

    Raises:
        ValueError: if two pictures of a folder share a name, or an input has a reference in two folders.
    """
    found: dict[Path, Path] = {}
    for folder, paths in inputs.items():
        for references in folders:
            own = partners_of_names([path.relative_to(folder) for path in paths],
                                    {path.relative_to(references): path for path in list_images(references)})
            for name, reference in own.items():
                if folder / name in found:
                    raise ValueError(f'{folder / name} has two references, {found[folder / name]} and {reference}')
                found[folder / name] = reference
    return found


def inputs_of(inputs: dict[Path, list[Path]], well_lit: bool,
              attempts: Attempts) -> Iterator[tuple[str, Path, np.ndarray]]:
    """Caption, path and picture of every input that can be read, all or those that are well lit."""
    for folder, paths in inputs.items():
        for path, image in read_each(paths, attempts):
            if not well_lit or is_well_lit(to_tensor(image)[None]):
                name = path.relative_to(folder)
                yield (name if len(inputs) == 1 else folder.name / name).as_posix(), path, image


def check_size(columns: list[list[tuple[int, int]]], out: Path, *, per_band: int, width: int) -> None:
    """Checks, before the work, that the sheet of pictures of these sizes can be drawn, written and read again.

    Raises:
        ValueError: if it would be too large.
    """
    height, length = sheet_size(columns, per_band=per_band, width=width)
    made, one = f'--columns {per_band} and --width {width} make too large a sheet', BY_SUFFIX[out.suffix.lower()]
    if one.longest is not None and max(height, length) > one.longest:
        raise ValueError(f'{made}: {length} x {height} pixels, a side of {one.name} may have {one.longest:,}')
    try:
        limits_in_force().check(length, height)
    except PictureTooLargeError as error:
        raise ValueError(f'{made}: {error}') from error


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model', help='name of a packaged model, or a config file')
    parser.add_argument('checkpoint', nargs='?', help='weights (.pth or .safetensors), never unpickled')
    parser.add_argument('--inputs', type=Path, nargs='+', required=True, metavar='DIR')
    parser.add_argument('--references', type=Path, nargs='+', default=[], metavar='DIR')
    parser.add_argument('--out', type=Path, required=True, metavar='FILE', help='a picture; .jpg keeps it small')
    parser.add_argument('--count', type=count, help='first pictures only')
    parser.add_argument('--well-lit', action='store_true', help='only pictures with a mean luma of 0.3 and more')
    parser.add_argument('--clip', action='store_true', help='cut highlights off instead of compressing them')
    parser.add_argument('--columns', type=count, default=6, help='pictures side by side')
    parser.add_argument('--width', type=count, default=240, help='of a picture on the sheet, pixels')
    add_overwrite_option(parser)
    args = parser.parse_args()
    demand_pictures(parser, *args.inputs, *args.references)
    demand_picture_name(parser, '--out', args.out)
    demand_free(parser, args.out, overwrite=args.overwrite,
                read=[path for folder in (*args.inputs, *args.references) for path in list_images(folder)])
    for folder in (*args.inputs, *args.references):
        if args.out.resolve().is_relative_to(folder.resolve()):
            parser.error(f'--out must lie outside of {folder}, or the next run would draw it, got {args.out}')
    return args


def main() -> int:
    args = parse_args()
    inferencer = EnhanceInferencer(args.model, args.checkpoint, device='cpu', show_progress=False)
    found = {folder: list_images(folder) for folder in args.inputs}
    references = references_of(found, args.references)
    columns, tone, attempts = [], Tone(highlights='clip' if args.clip else 'soft'), Attempts()
    inputs = list(islice(inputs_of(found, args.well_lit, attempts), args.count))
    if inputs:  # references are taken to have the sizes of their inputs
        check_size([[image.shape[:2]] * (3 if path in references else 2) for _, path, image in inputs], args.out,
                   per_band=args.columns, width=args.width)
    for caption, path, image in track(inputs, 'pictures'):
        with attempts.attempt(caption):
            low = to_tensor(image)[None]
            pictures = [to_array(low[0]), to_array(tone.apply(inferencer.enhance(low), low)[0])]
            if path in references:
                pictures.append(to_array(to_tensor(read_image(references[path]))))
            columns.append((caption, pictures))
    alone = [caption for caption, path, _ in inputs if args.references and path not in references]
    if alone:
        print(f'without a reference: {", ".join(alone)}', file=sys.stderr)
    failed = show_failures(attempts)
    if not columns:
        print(f'no picture in {", ".join(map(str, args.inputs))}', file=sys.stderr)
        return 1
    sheet = draw_contact_sheet(columns, ROWS, per_band=args.columns, width=args.width)
    write_image(args.out, sheet / np.float32(255), overwrite=args.overwrite)
    print(f'{len(columns)} pictures: {args.out}')
    return failed


if __name__ == '__main__':
    with torch.inference_mode():
        sys.exit(run_tool(main))
