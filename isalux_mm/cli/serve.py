"""`isalux serve`: a web page on this machine."""
import argparse
import sys

from isalux_mm.cli.options import add_model_options, build_inferencer


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the parser of the sub-command."""
    parser = subparsers.add_parser(
        'serve', help='a web page on this machine', description='Serves a page on this machine: drop a picture, see '
        "before and after, download. Works offline, sends nothing anywhere. Needs pip install 'isalux-mm[serve]'. "
        'Ctrl-C ends it and removes what was uploaded and made.')
    parser.add_argument('--host', default='127.0.0.1', help='address to listen at; 0.0.0.0 opens the page to your '
                        'network, without a password (%(default)s)')
    parser.add_argument('--port', type=int, default=7860, help='(%(default)s)')
    parser.add_argument('--max-megapixels', type=float, default=50, metavar='N', help='of a picture (%(default)s)')
    parser.add_argument('--max-mb', type=int, default=100, metavar='N', help='of a file, MiB (%(default)s)')
    parser.add_argument('--queue-size', type=int, default=8, metavar='N',
                        help='pictures that may wait while one is worked on (%(default)s)')
    parser.add_argument('--detector', nargs=2, metavar=('CONFIG', 'CHECKPOINT'),
                        help='plain MMDetection detector, whose boxes are shown before and after')
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    """Serves until it is interrupted, which is its normal end."""
    from isalux_mm.apis.serve import Limits, check_gradio, serve
    try:
        check_gradio()
    except ImportError as error:
        raise ValueError(str(error)) from error
    limits = Limits(int(args.max_megapixels * 1e6), args.max_mb, args.queue_size)
    inferencer, overlay = build_inferencer(args, progress=False), None
    if args.detector:
        from isalux_mm.det.overlay import BoxOverlay
        overlay = BoxOverlay(*args.detector, device=args.device)
    try:
        serve(inferencer, args.host, port=args.port, limits=limits, overlay=overlay, started=announce)
    except KeyboardInterrupt:
        print('isalux serve: ended, its files are removed', file=sys.stderr)
    return 0


def announce(address: str) -> None:
    """Says where the page is, at once also into a pipe."""
    print(f'isalux serve: {address} (Ctrl-C ends it)', flush=True)
