"""`isalux enhance`: pictures and folders in, enhanced files out."""
import argparse

from isalux_mm.cli.engine import add_engine_options, run_on_ray
from isalux_mm.cli.options import (
    WrongUseError,
    add_model_options,
    add_overwrite_option,
    add_tone_options,
    build_inferencer,
    show_report,
    tone_of,
)

MOST_AT_ONCE = 4  # ours: pictures, by default; on more cores each has several


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
    parser.add_argument('--at-once', type=int, metavar='N',
                        help='pictures that a CPU works on at the same time, each with its share of the cores; large '
                        f'ones alone (one a core, {MOST_AT_ONCE} at most)')
    add_tone_options(parser)
    add_model_options(parser, fast=True)
    add_engine_options(parser)


def run(args: argparse.Namespace) -> int:
    """Enhances; shows what was done, also when it is interrupted."""
    if args.engine == 'ray':
        return run_on_ray(args)
    if args.at_once is not None and args.at_once < 1:
        raise WrongUseError(f'--at-once must be at least 1, got {args.at_once}')
    inferencer = build_inferencer(args, at_once=args.at_once or min(threads(), MOST_AT_ONCE))
    try:
        inferencer(args.inputs, batch_size=args.batch_size, out=args.out, return_explanation=args.explain,
                   recursive=args.recursive, redo=args.overwrite, **tone_of(args))
    except KeyboardInterrupt:
        show_report(inferencer.report, args.out, debug=args.debug)
        raise
    return show_report(inferencer.report, args.out, debug=args.debug)


def threads() -> int:
    """That PyTorch computes with."""
    import torch
    return torch.get_num_threads()
