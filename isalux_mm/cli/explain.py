"""`isalux explain`: one picture of priors, enrichment weights and experts for every input."""
import argparse
import sys
from pathlib import Path

from isalux_mm.cli.options import SOME_FAILED, add_model_options, add_tone_options, build_inferencer, tone_of


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the parser of the sub-command."""
    parser = subparsers.add_parser(
        'explain', help='show priors and chosen experts', description='Draws, for every input, the input, the output, '
        'the priors, the enrichment weights of each block and the experts it chose with their probabilities.')
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help='file, folder or pattern')
    parser.add_argument('--out', default='explained', metavar='FOLDER', help='folder of the pictures (%(default)s)')
    add_tone_options(parser)
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    """Draws one file after the other, NAME_explained.png in the sub-folder of its input."""
    from isalux_mm.apis.explaining import EXPLAINED
    from isalux_mm.apis.sources import gather
    from isalux_mm.io.images import write_image
    out, inferencer, failed = Path(args.out), build_inferencer(args, progress=False), 0
    for source in gather(args.inputs, leave_out=out):
        result = inferencer(source.content, return_explanation=True, **tone_of(args))
        if result['report'].failed:
            print(result['report'].summary(), file=sys.stderr)
            failed += 1
            continue
        path = out / source.name.with_name(source.name.stem + EXPLAINED)
        write_image(path, result['visualization'][0] / 255)
        print(path)
    return SOME_FAILED if failed else 0
