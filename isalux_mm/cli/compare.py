"""`isalux compare`: input, output, reference and other methods side by side, with crops and figures."""
import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from isalux_mm.cli.options import (
    WrongUseError,
    add_model_options,
    add_overwrite_option,
    add_tone_options,
    build_inferencer,
    show_failures,
    tone_of,
)

if TYPE_CHECKING:
    import numpy as np

    from isalux_mm.apis.sources import Source

METRICS = ('PSNR', 'SSIM', 'PSNR GT-mean', 'SSIM GT-mean')
DIGITS = (2, 3, 2, 3)
OWN = ('input', 'ours', 'reference')  # pictures of a sheet beside the peers'
Quality = tuple[float, float, float, float]


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the parser of the sub-command."""
    parser = subparsers.add_parser(
        'compare', help='compare with a reference and other methods', description='Draws input, output, reference and '
        "other methods' results side by side, with enlarged crops; under each PSNR and SSIM against the reference, "
        'raw and after scaling to its mean grey value (GT-mean). Files are matched by name.')
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help='file, folder or pattern')
    parser.add_argument('--out', type=given_path, default='compared', metavar='FOLDER',
                        help='folder of the pictures (%(default)s)')
    parser.add_argument('--reference', type=given_path, metavar='FILE|FOLDER', help='normal-light pictures')
    parser.add_argument('--peers', nargs='+', type=named_folder, default=[], metavar='[NAME=]FOLDER',
                        help="other methods' results")
    parser.add_argument('--crop', nargs=4, type=int, action='append', metavar=('LEFT', 'TOP', 'WIDTH', 'HEIGHT'),
                        help='part to enlarge, may be repeated; two telling ones by default')
    parser.add_argument('--csv', type=Path, metavar='FILE', help='write the figures of every picture here')
    add_overwrite_option(parser)
    add_tone_options(parser)
    add_model_options(parser)


def given_path(text: str) -> Path:
    """A path, which must not be empty: that would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError('expected a path, got an empty one')
    return Path(text)


def named_folder(text: str) -> tuple[str, Path]:
    """'NAME=FOLDER', or a folder that gives its name."""
    name, _, folder = text.rpartition('=')
    path = given_path(folder)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f'no folder {folder}')
    return name or path.name, path


def run(args: argparse.Namespace) -> int:
    """Draws one picture an input; prints the means of the figures."""
    from isalux_mm.apis.jobs import products_of
    from isalux_mm.apis.sources import gather
    from isalux_mm.evaluation.metrics import write_csv
    from isalux_mm.io.attempts import Attempts
    from isalux_mm.io.images import write_image
    from isalux_mm.io.places import check_writable
    from isalux_mm.io.whole_file import check_free
    check_options(args)
    out, tables = args.out, [args.csv] if args.csv else []
    sources = gather(args.inputs, leave_out=out)
    partners = partner_tables([source.name for source in sources], args.reference, args.peers)
    paths = products_of(sources, out, '_compared.png', *tables, read=files_in(args))
    for path in tables:
        check_free(path, overwrite=args.overwrite)
        check_writable(path)
    check_some_crop(args.crop, sources)
    inferencer, rows, attempts = build_inferencer(args, progress=False), [], Attempts()
    for source, path in zip(sources, paths):
        result = inferencer(source.content, True, **tone_of(args))
        attempts.add(result['report'])
        if result['report'].failed:
            continue
        with attempts.attempt(str(source.content)):
            sample = result['predictions'][0]
            pictures = dict(
                input=sample.low_img.permute(1, 2, 0).numpy(), ours=sample.pred_img.permute(1, 2, 0).numpy())
            pictures |= partners_of(source.name, partners)
            figures = quality(pictures)
            if 'reference' in pictures and not figures:
                print(f'{source.name}: no figures, the reference is of another size or too small', file=sys.stderr)
            others = [name for name in pictures if figures and name != 'reference' and name not in figures]
            if others:
                print(f'{source.name}: no figures of {", ".join(others)}, of another size than the reference',
                      file=sys.stderr)
            if path.is_file() and not args.overwrite:
                print(f'{path} is there and stays: --overwrite makes it anew')
            else:
                write_image(path, draw(pictures, figures, args.crop), overwrite=args.overwrite)
            rows += [(method, str(source.name), *values) for method, values in figures.items()]
    if args.csv:
        write_csv(args.csv, ('method', 'image', *METRICS), rows, overwrite=args.overwrite)
    print_means(rows)
    print(f'pictures in {out}')
    return show_failures(attempts, debug=args.debug)


def files_in(args: argparse.Namespace) -> list[Path]:
    """All pictures of the reference and the peers, those that no input belongs to among them."""
    from isalux_mm.io.images import list_images
    places = [*([args.reference] if args.reference else []), *(folder for _, folder in args.peers)]
    return [path for place in places for path in (list_images(place) if place.is_dir() else [place])]


def check_some_crop(crops: list[list[int]] | None, sources: 'Sequence[Source]') -> None:
    """Checks by the headers, ahead of any work, that the crops lie in one of the pictures at least.

    Raises:
        ValueError: if they lie in none of those that can be read.
    """
    from isalux_mm.apis.jobs import files_of
    from isalux_mm.io.attempts import outcome
    from isalux_mm.io.picture_file import read_size
    from isalux_mm.visualization.comparison import check_crops
    error = None
    for path in files_of(sources) if crops else ():
        size = outcome(read_size, path)
        if isinstance(size, tuple):
            error = outcome(check_crops, crops, *size)
            if error is None:
                return
    if error is not None:
        raise error


def check_options(args: argparse.Namespace) -> None:
    """Checks that the options go together.

    Raises:
        WrongUseError: if a peer has the name of another picture of the sheet, or there is nothing that figures are of.
    """
    names = [*OWN, *(name for name, _ in args.peers)]
    for name in names:
        if names.count(name) > 1:
            raise WrongUseError(f'two pictures of a sheet would be called {name}: name the peer by --peers NAME=FOLDER')
    if args.csv and args.reference is None:
        raise WrongUseError('--csv writes figures against a reference: name it by --reference')


def partner_tables(names: 'Sequence[Path]', reference: Path | None,
                   peers: list[tuple[str, Path]]) -> dict[str, dict[Path, Path] | Path]:
    """Files by the names of their inputs, for the reference and every peer; a single file as it is.

    Raises:
        FileNotFoundError: if a file or folder is missing.
        ValueError: if two pictures of a folder share a name.
    """
    from isalux_mm.apis.evaluating import partners_of_names
    from isalux_mm.io.images import list_images
    folders = dict(([('reference', reference)] if reference is not None else []) + peers)
    for name, folder in folders.items():
        if not folder.exists():
            raise FileNotFoundError(f'{name} must be an existing file or folder, got {folder}')
    return {name: partners_of_names(names, {p.relative_to(folder): p for p in list_images(folder)})
            if folder.is_dir() else folder for name, folder in folders.items()}


def partners_of(name: Path, tables: Mapping[str, dict[Path, Path] | Path]) -> 'dict[str, np.ndarray]':
    """The pictures of the tables that belong to an input; those that lack one are left out, with a warning."""
    from isalux_mm.io.images import read_image
    found = {}
    for method, table in tables.items():
        path = table if isinstance(table, Path) else table.get(name)
        if path is None:
            print(f'{method} has no picture for {name}', file=sys.stderr)
        else:
            found[method] = read_image(path)
    return found


def quality(pictures: 'Mapping[str, np.ndarray]') -> dict[str, Quality]:
    """Raw and GT-mean PSNR and SSIM against the reference, of those that have its size."""
    from isalux_mm.apis.jobs import to_tensor
    from isalux_mm.evaluation.metrics import paired_quality
    from isalux_mm.functional.image_quality import WINDOW
    reference = pictures.get('reference')
    if reference is None or min(reference.shape[:2]) < WINDOW:
        return {}
    return {name: paired_quality(to_tensor(picture), to_tensor(reference)) for name, picture in pictures.items()
            if name != 'reference' and picture.shape == reference.shape}


def draw(pictures: 'Mapping[str, np.ndarray]', figures: Mapping[str, Quality],
         crops: list[list[int]] | None) -> 'np.ndarray':
    """The sheet (H, W, 3), RGB in [0, 1]."""
    import numpy as np

    from isalux_mm.visualization.comparison import draw_comparison, telling_crops
    notes: dict[str, tuple[str, ...]] = {
        name: (f'PSNR {p:.2f} dB, SSIM {s:.3f}', f'GT-mean: {pm:.2f} dB, {sm:.3f}')
        for name, (p, s, pm, sm) in figures.items()}
    size = pictures['input'].shape
    notes |= {name: (f'{p.shape[1]}x{p.shape[0]}: another size, shown resized', )
              for name, p in pictures.items() if p.shape != size}
    boxes = crops or telling_crops(pictures['input'], pictures['ours'])
    shown = {name: np.round(picture * 255).astype(np.uint8) for name, picture in pictures.items()}
    return draw_comparison(shown, notes, [(x, y, width, height) for x, y, width, height in boxes]) / np.float32(255)


def print_means(rows: list[tuple]) -> None:
    """A table of the methods' means over the pictures, where there are figures."""
    methods = list(dict.fromkeys(row[0] for row in rows))
    if methods:
        print(f'{"method":16}{"pictures":>9}' + ''.join(f'{name:>14}' for name in METRICS))
    for method in methods:
        values = [row[2:] for row in rows if row[0] == method]
        means = [sum(column) / len(values) for column in zip(*values)]
        print(f'{method:16}{len(values):9}' + ''.join(f'{m:14.{d}f}' for m, d in zip(means, DIGITS)))
