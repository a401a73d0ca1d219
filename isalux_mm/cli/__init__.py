"""The command `isalux`: `isalux enhance dark.jpg`.

A sub-command is a module of this package with `add_parser(subparsers)`, which adds its parser and options, and
`run(args) -> int`, which does the work and returns the exit code; naming it in `COMMANDS` is all that registers it.
Both heavy imports and work belong into `run`.

Exit codes: 0 all done; 1 some inputs failed, listed on standard error; 2 wrong use, or nothing could be done; 130
interrupted.
"""
import argparse
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import isalux_mm
from isalux_mm.cli import compare, enhance, evaluate, explain, export, models, serve, test, train, video
from isalux_mm.cli.options import WrongUseError
from isalux_mm.io.attempts import reason
from isalux_mm.io.whole_file import signals_interrupt

COMMANDS = (enhance, video, compare, evaluate, explain, export, models, serve, train, test)
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
            subparsers.choices[name].add_argument(
                '--debug', action='store_true', help='show where in the program an error was met')
    return parser


def run(args: argparse.Namespace) -> int:
    """Runs the chosen sub-command, which may unpickle checkpoints where its options say so."""
    if not getattr(args, 'trust_checkpoint', False):
        return args.run(args)
    from isalux_mm.io.checkpoint_file import trusted_checkpoints
    with trusted_checkpoints():
        return args.run(args)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code. SIGTERM and SIGHUP end it as Ctrl-C does, without half-written
    files."""
    args = build_parser().parse_args(arguments)
    with signals_interrupt(), any_name_printed():
        try:
            return run(args)
        except KeyboardInterrupt:
            print(f'isalux {args.command}: interrupted; what was finished is kept', file=sys.stderr)
            return INTERRUPTED
        except Exception as error:
            if args.debug and not isinstance(error, WrongUseError):
                raise
            print(f'isalux {args.command}: {explained(error)}', file=sys.stderr)
            return WRONG_USE


@contextmanager
def any_name_printed() -> Iterator[None]:
    """Has standard output show what its encoding has not, a file's name of whatever bytes, instead of raising."""
    stream = sys.stdout
    if not isinstance(stream, io.TextIOWrapper):
        yield
        return
    before = stream.errors
    stream.reconfigure(errors='backslashreplace')
    try:
        yield
    finally:
        stream.reconfigure(errors=before)


def explained(error: Exception) -> str:
    """An error for who uses the command: its message, and of one that was not foreseen how to see more."""
    foreseen = isinstance(error, ValueError | OSError) and str(error)
    return str(error) if foreseen else f'{reason(error)} (--debug shows where)'
