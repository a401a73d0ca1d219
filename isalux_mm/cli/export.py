"""`isalux export`: an ONNX file or a `torch.export` program of an enhancer, alone or ahead of a detector."""
import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from isalux_mm.cli.options import add_trust_option
from isalux_mm.io.names import check_products
from isalux_mm.io.places import check_writable

if TYPE_CHECKING:
    from isalux_mm.apis.export import ExportReport


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the parser of the sub-command."""
    parser = subparsers.add_parser(
        'export', help='write an ONNX file or a torch.export program',
        description='Exports an enhancer with free batch, height and width; which experts work is decided in the file, '
        'by image. The file is compared with the network in PyTorch before it is written.')
    parser.add_argument('model', metavar='MODEL', help='packaged model (see `isalux models`) or config file')
    parser.add_argument('out', metavar='OUT', help='file to write, such as isalux.onnx or isalux.pt2')
    parser.add_argument('--weights', metavar='FILE', help='checkpoint, for a config file')
    parser.add_argument('--detector', metavar='FILE', help='checkpoint: MODEL is the config of an enhanced detector of '
                        'one stage, exported with its enhancer, at --fixed-size (416 416)')
    parser.add_argument('--format', default='onnx', choices=('onnx', 'torch'), help='(%(default)s)')
    parser.add_argument('--fixed-size', type=int, nargs=2, metavar=('H', 'W'),
                        help='one image of this size alone, for runtimes that want that')
    parser.add_argument('--half', action='store_true', help='compute in float16; input and output stay float32')
    parser.add_argument('--routing', action='store_true', help="second output 'routing': the chosen experts")
    parser.add_argument('--highlights', default='soft', choices=('soft', 'clip'),
                        help='compress what exceeds white, or cut it off (%(default)s)')
    parser.add_argument('--overwrite', action='store_true', help='replace a file that is there')
    add_trust_option(parser)
    parser.add_argument('--check', action=argparse.BooleanOptionalAction, default=True,
                        help='run the file and compare it with PyTorch (yes)')


def export_of(args: argparse.Namespace) -> 'ExportReport':
    """Exports what the options name.

    Raises:
        ValueError: if an option does not go with a detector, or the file would be written over what it is made of.
    """
    from isalux_mm.apis.export import export_detector, export_onnx, export_torch
    check_products([Path(args.out)], [Path(path) for path in (args.model, args.weights, args.detector) if path])
    check_writable(args.out)
    size = tuple(args.fixed_size) if args.fixed_size else None
    common = dict(overwrite=args.overwrite, check=args.check)
    if args.detector:
        if args.format != 'onnx' or args.half or args.routing or args.weights:
            raise ValueError('--detector goes with --format onnx alone, without --half, --routing and --weights')
        return export_detector(args.out, args.model, args.detector, fixed_size=size or (416, 416), **common)
    export = dict(onnx=export_onnx, torch=export_torch)[args.format]
    return export(args.out, args.model, weights=args.weights, half=args.half, with_routing=args.routing,
                  fixed_size=size, highlights=args.highlights, **common)


def run(args: argparse.Namespace) -> int:
    """Exports; prints the file, its size and how far it is from PyTorch."""
    report = export_of(args)
    print(f'{report.path}  {report.path.stat().st_size / 2**20:.1f} MiB, outputs {", ".join(report.outputs)}')
    if report.worst is not None:
        sizes = ', '.join('x'.join(map(str, shape)) for shape in report.shapes)
        print(f'largest difference from PyTorch {report.worst:.1e} of full scale (limit {report.limit:g}), '
              f'batch x height x width {sizes}')
    return 0
