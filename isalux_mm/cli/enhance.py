"""`isalux enhance`: pictures and folders in, enhanced files out."""
import argparse

from isalux_mm.cli.options import (
    add_model_options,
    add_overwrite_option,
    add_tone_options,
    build_inferencer,
    show_report,
    tone_of,
)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the parser of the sub-command."""
    parser = subparsers.add_parser(
        'enhance', help='enhance photographs', description='Enhances photographs. Depth, alpha, EXIF, orientation, '
        'colour profile, names and sub-folders are kept; inputs are never overwritten; files that are there are '
        'skipped, whatever options made them.')
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help="file, folder or pattern such as 'photos/**/*.jpg'")
    parser.add_argument('--out', default='enhanced', metavar='FOLDER|FILE',
                        help='folder of the results, or for one input a file name (%(default)s)')
    parser.add_argument('--recursive', action=argparse.BooleanOptionalAction, default=True,
                        help='read sub-folders (yes)')
    add_overwrite_option(parser, '--redo')
    parser.add_argument('--explain', action='store_true', help='write NAME_explained.png beside every result, too')
    parser.add_argument('--batch-size', type=int, default=1, metavar='N',
                        help='pictures of one size that go through the network together (%(default)s)')
    add_tone_options(parser)
    add_model_options(parser, fast=True)


def run(args: argparse.Namespace) -> int:
    """Enhances; shows what was done, also when it is interrupted."""
    inferencer = build_inferencer(args)
    try:
        inferencer(args.inputs, batch_size=args.batch_size, out=args.out, return_explanation=args.explain,
                   recursive=args.recursive, redo=args.overwrite, **tone_of(args))
    except KeyboardInterrupt:
        show_report(inferencer.report, args.out, debug=args.debug)
        raise
    return show_report(inferencer.report, args.out, debug=args.debug)
