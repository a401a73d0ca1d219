"""`isalux serve`: a web page on this machine."""
import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from isalux_mm.cli.options import add_model_options, build_inferencer

if TYPE_CHECKING:
    from isalux_mm.apis import EnhanceInferencer


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the parser of the sub-command."""
    parser = subparsers.add_parser(
        'serve', help='a web page on this machine', description='Serves a page on this machine: drop pictures, see '
        "before and after, download. Works offline, sends nothing anywhere. Needs pip install 'isalux-mm[serve]'. "
        'Ctrl-C ends it and removes what was uploaded and made.')
    parser.add_argument('--host', default='127.0.0.1', help='address to listen at; 0.0.0.0 opens the page to your '
                        'network, without a password (%(default)s)')
    parser.add_argument('--port', type=int, default=7860, help='0 takes any that is free (%(default)s)')
    parser.add_argument('--allow-host', action='append', default=[], metavar='NAME', help='name or address under '
                        'which the page may be asked for, beside localhost and --host; may be repeated')
    parser.add_argument('--root-path', default='', metavar='/PATH', help='under which a reverse proxy shows the page')
    parser.add_argument('--max-megapixels', type=float, default=50, metavar='N', help='of a picture (%(default)s)')
    parser.add_argument('--max-mb', type=int, default=100, metavar='N', help='of a file, MiB (%(default)s)')
    parser.add_argument('--queue-size', type=int, default=8, metavar='N',
                        help='requests that may wait while one is worked on (%(default)s)')
    parser.add_argument('--max-total-mb', type=int, default=300, metavar='N',
                        help='of all files that the page holds, MiB; no upload is taken beyond (%(default)s)')
    parser.add_argument('--keep-minutes', type=int, default=30, metavar='N',
                        help='after which uploads and results are removed (%(default)s)')
    parser.add_argument('--upload-seconds', type=int, default=300, metavar='N',
                        help='in which an upload must have come (%(default)s)')
    parser.add_argument('--detector', nargs=2, metavar=('CONFIG', 'CHECKPOINT'),
                        help='plain MMDetection detector, whose boxes are shown before and after')
    add_model_options(parser, fast=True)


def run(args: argparse.Namespace) -> int:
    """Serves until it is interrupted, which is its normal end."""
    from isalux_mm.apis.serve import Limits, check_gradio, serve
    from isalux_mm.model_zoo import DEFAULT_MODEL
    try:
        check_gradio()
    except ImportError as error:
        raise ValueError(str(error)) from error
    limits = Limits(int(args.max_megapixels * 1e6), args.max_mb, args.queue_size, args.max_total_mb, args.keep_minutes,
                    args.upload_seconds)
    inferencer, overlay = build_inferencer(args, progress=False), None
    if args.detector:
        from isalux_mm.det.overlay import BoxOverlay
        overlay = BoxOverlay(*args.detector, device=args.device)
    try:
        serve(inferencer, args.host, port=args.port, limits=limits, overlay=overlay, hosts=args.allow_host,
              model=Path(args.model or DEFAULT_MODEL).name, models=other_models(args), root_path=args.root_path,
              started=announce)
    except KeyboardInterrupt:
        print('isalux serve: ended, its files are removed', file=sys.stderr)
    return 0


def other_models(args: argparse.Namespace) -> dict[str, Callable[[], 'EnhanceInferencer']]:
    """Packaged models by name, each built when the page first asks for it."""
    from isalux_mm.model_zoo import list_models

    def build(name: str) -> 'EnhanceInferencer':
        return build_inferencer(argparse.Namespace(**{**vars(args), 'model': name, 'weights': None}), progress=False)

    return {name: partial(build, name) for name in list_models()}


def announce(address: str) -> None:
    """Says where the page is, at once also into a pipe."""
    print(f'isalux serve: {address} (Ctrl-C ends it)', flush=True)
