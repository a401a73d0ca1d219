"""The command `isalux`: `isalux enhance dark.jpg`.

A sub-command is a module of this package with `add_parser(subparsers)`, which adds its parser and options, and
`run(args) -> int`, which does the work and returns the exit code; naming it in `COMMANDS` is all that registers it.
Both heavy imports and work belong into `run`.

Exit codes: 0 all done; 1 some inputs failed, listed on standard error; 2 wrong use; 130 interrupted.
"""
import argparse
import signal
import sys
from collections.abc import Sequence

import isalux_mm
from isalux_mm.cli import compare, enhance, explain, export, models, serve, test, train, video
from isalux_mm.cli.options import WrongUseError

COMMANDS = (enhance, video, compare, explain, export, models, serve, train, test)
WRONG_USE, INTERRUPTED = 2, 130


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command; `args.run` is the chosen sub-command's."""
    parser = argparse.ArgumentParser(
        prog='isalux', description='Low-light enhancement of photographs and videos; training and testing.',
        epilog='`isalux COMMAND --help` shows the options of a command.')
    parser.add_argument('--version', action='version', version=f'isalux-mm {isalux_mm.__version__}')
    parser.set_defaults(debug=False)
    subparsers = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)
    for command in COMMANDS:
        known = set(subparsers.choices)
        command.add_parser(subparsers)
        for name in set(subparsers.choices) - known:
            subparsers.choices[name].set_defaults(run=command.run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Runs the chosen sub-command, which may unpickle checkpoints where its options say so."""
    if not getattr(args, 'trust_checkpoint', False):
        return args.run(args)
    from isalux_mm.io.checkpoint_file import trusted_checkpoints
    with trusted_checkpoints():
        return args.run(args)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code. SIGTERM ends it as Ctrl-C does, without half-written files."""
    args = build_parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return run(args)
    except KeyboardInterrupt:
        print(f'isalux {args.command}: interrupted; what was finished is kept', file=sys.stderr)
        return INTERRUPTED
    except (ValueError, OSError) as error:
        if args.debug and not isinstance(error, WrongUseError):
            raise
        print(f'isalux {args.command}: {error}', file=sys.stderr)
        return WRONG_USE
