"""`isalux explain`: one picture of priors, enrichment weights and experts for every input."""
import argparse
from pathlib import Path

from isalux_mm.cli.options import (
    add_model_options,
    add_overwrite_option,
    add_tone_options,
    build_inferencer,
    show_failures,
    tone_of,
)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the parser of the sub-command."""
    parser = subparsers.add_parser(
        'explain', help='show priors and chosen experts', description='Draws, for every input, the input, the output, '
        'the priors, the enrichment weights of each block and the experts it chose with their probabilities.')
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help='file, folder or pattern')
    parser.add_argument('--out', default='explained', metavar='FOLDER', help='folder of the pictures (%(default)s)')
    add_overwrite_option(parser)
    add_tone_options(parser)
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    """Draws one file after the other, NAME_explained.png in the sub-folder of its input."""
    from isalux_mm.apis.explaining import EXPLAINED
    from isalux_mm.apis.jobs import products_of
    from isalux_mm.apis.sources import gather
    from isalux_mm.io.attempts import Attempts
    from isalux_mm.io.images import write_image
    out, inferencer, attempts = Path(args.out), build_inferencer(args, progress=False), Attempts()
    sources = gather(args.inputs, leave_out=out)
    for source, path in zip(sources, products_of(sources, out, EXPLAINED)):
        if path.is_file() and not args.overwrite:
            print(f'{path} is there and stays: --overwrite makes it anew')
            continue
        result = inferencer(source.content, return_explanation=True, **tone_of(args))
        attempts.add(result['report'])
        if not result['report'].failed:
            with attempts.attempt(str(source.content)):
                write_image(path, result['visualization'][0] / 255, overwrite=args.overwrite)
                print(path)
    return show_failures(attempts, debug=args.debug)
