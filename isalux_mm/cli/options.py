"""Options that several sub-commands share, and the inferencer that they describe."""
import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isalux_mm.io.names import check_products
from isalux_mm.io.places import WRONG_USE, check_writable, disk_errors_told, sentence
from isalux_mm.io.whole_file import check_free

if TYPE_CHECKING:
    from isalux_mm.apis import EnhanceInferencer, EnhanceReport
    from isalux_mm.io.attempts import Attempts

SOME_FAILED = 1


class WrongUseError(ValueError):
    """What is wrong with a command line itself, as against with what it names: a traceback would say nothing more."""


class ConfigOptions(argparse.Action):
    """--cfg-options: mmengine's `DictAction`, imported when an option is given, of what has its form."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any,
                 option_string: str | None = None) -> None:
        from mmengine.config import DictAction
        for word in values:
            key, equals, _ = word.partition('=')
            if not (key and equals):
                parser.error(f'argument {option_string}: expected KEY=VALUE, got {word}')
        DictAction(self.option_strings, self.dest, nargs='+')(parser, namespace, values, option_string)


def run_tool(main: Callable[[], int | None]) -> int:
    """Runs a tool's command line; returns the exit code.

    What is wrong with what the tool was given, a `ValueError` or an error of the disk, is one line on standard error
    and exit code 2; any other error is the program's own and keeps its traceback, as does each with `python -X dev`.
    """
    if sys.flags.dev_mode:
        return main() or 0
    try:
        with disk_errors_told():
            return main() or 0
    except ValueError as error:
        print(f'{Path(sys.argv[0]).name}: {error}', file=sys.stderr)
        return WRONG_USE


def add_trust_option(parser: argparse._ActionsContainer) -> None:
    """--trust-checkpoint."""
    parser.add_argument('--trust-checkpoint', action='store_true',
                        help='unpickle checkpoints, which runs whatever code they hold: if you trust who made them')


def add_model_options(parser: argparse.ArgumentParser, *, tiles: bool = True, fast: bool = False) -> None:
    """--model, --weights, --device, --dtype, --quiet and, where pictures may be large, --tile; on request --fast."""
    group = parser.add_argument_group('model')
    group.add_argument('--model', metavar='NAME|CONFIG', help='packaged model (see `isalux models`) or config file')
    group.add_argument('--weights', metavar='FILE', help='checkpoint, for a config file')
    group.add_argument('--device', help="'cpu', 'cuda:0'; the accelerator where there is one by default")
    group.add_argument('--dtype', default='float32', choices=('float32', 'float16', 'bfloat16', 'auto'),
                       help='number format the network computes in; auto: bfloat16 where that was measured to be '
                       'faster and within one level of 255 (%(default)s)')
    if tiles:
        group.add_argument('--tile', type=tile_size, default=None, metavar='PIXELS|auto',
                           help='side of the tiles of large pictures; 0 never tiles (auto)')
    parser.set_defaults(fast=False)
    if fast:
        group.add_argument('--fast', action='store_true', help='let the network see a small copy, and carry what it '
                           'decides to the picture: a tenth of the time or less; no --tile')
    group.add_argument('--quiet', action='store_true', help='no progress bar')
    add_trust_option(group)


def add_tone_options(parser: argparse.ArgumentParser) -> None:
    """--strength, --reference-brightness, --highlights."""
    group = parser.add_argument_group('tone')
    group.add_argument('--strength', type=float, default=1.0, metavar='0..1',
                       help='blends input (0) and full result (1)')
    group.add_argument('--reference-brightness', type=float, metavar='0..1',
                       help='mean luma of the result, set by a power law; the network decides by default')
    group.add_argument('--highlights', default='soft', choices=('soft', 'clip'),
                       help='compress what exceeds white, or cut it off as benchmarks do (%(default)s)')


def tone_of(args: argparse.Namespace) -> dict:
    """The options of `add_tone_options` as keyword arguments of the inferencer, checked.

    Raises:
        ValueError: if one is out of its range.
    """
    from isalux_mm.apis import Tone
    return asdict(Tone(args.strength, args.reference_brightness, args.highlights))


def gain(text: str) -> float:
    """An exposure gain in linear light, for argparse: above 0, and 1 for a picture that is not darkened.

    Raises:
        argparse.ArgumentTypeError: if it is none.
    """
    value = number(text, 'a gain above 0 and up to 1')
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f'expected a gain above 0 and up to 1, got {text}')
    return value


def count(text: str) -> int:
    """A number of things, for argparse: a whole number from 1 up.

    Raises:
        argparse.ArgumentTypeError: if it is none.
    """
    return whole_number(text, 1)


def count_or_none(text: str) -> int:
    """A number of things that may be 0, for argparse: a whole number from 0 up, a seed among them.

    Raises:
        argparse.ArgumentTypeError: if it is none.
    """
    return whole_number(text, 0)


def whole_number(text: str, least: int) -> int:
    """A whole number of a command line.

    Raises:
        argparse.ArgumentTypeError: if it is none, or less than the least.
    """
    wanted = f'a whole number from {least} up'
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'expected {wanted}, got {text}') from None
    if value < least:
        raise argparse.ArgumentTypeError(f'expected {wanted}, got {text}')
    return value


def number(text: str, wanted: str) -> float:
    """A number of a command line, by what is wanted.

    Raises:
        argparse.ArgumentTypeError: if it is none.
    """
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'expected {wanted}, got {text}') from None


def tile_size(text: str) -> int | None:
    """'auto' as `None`, else a number of pixels."""
    return None if text == 'auto' else int(text)


def build_inferencer(args: argparse.Namespace, *, progress: bool = True, at_once: int = 1) -> 'EnhanceInferencer':
    """The inferencer of the options of `add_model_options`; with a bar on a terminal, unless `progress` is off."""
    from isalux_mm.apis import EnhanceInferencer
    from isalux_mm.model_zoo import DEFAULT_MODEL
    inferencer = EnhanceInferencer(
        args.model or DEFAULT_MODEL, args.weights, args.device, dtype=args.dtype, tile=args.tile,
        mode='fast' if args.fast else 'full', at_once=at_once,
        show_progress=progress and sys.stderr.isatty() and not args.quiet)
    say_dtype(args, inferencer)
    return inferencer


def say_dtype(args: argparse.Namespace, inferencer: 'EnhanceInferencer') -> None:
    """Says on standard error what `--dtype auto` has chosen, unless it is to be quiet."""
    if args.dtype == 'auto' and not args.quiet:
        print(f'dtype: {inferencer.dtype}, {inferencer.dtype_reason}', file=sys.stderr)


def add_overwrite_option(parser: argparse.ArgumentParser, *other_names: str) -> None:
    """--overwrite, by its other names too."""
    parser.add_argument('--overwrite', *other_names, action='store_true',
                        help='make files anew that are there; nothing is ever overwritten without it')


def demand_pictures(parser: argparse.ArgumentParser, *folders: Path) -> None:
    """Ends a command line, before any work, where a folder of pictures is not there or has none, sub-folders included.

    Args:
        parser: reports it.
        folders: that the work will read, every one of them.
    """
    from isalux_mm.io.images import list_images
    for folder in folders:
        if not list_images(folder):
            parser.error(f'expected a folder with pictures, got {folder}' + ('' if folder.is_dir() else ', no folder'))


def demand_files(parser: argparse.ArgumentParser, name: str, *paths: Path) -> None:
    """Ends a command line, before any work, where a file that it reads is not there.

    Args:
        parser: reports it.
        name: of the argument.
        paths: that it was given.
    """
    for path in paths:
        if not path.is_file():
            parser.error(f'{name} must be an existing file, got {path}')


def demand_checkpoint(parser: argparse.ArgumentParser, name: str, checkpoint: str | Path) -> Path:
    """The file of a checkpoint or of a packaged model by its name; ends a command line where there is none.

    Args:
        parser: reports it.
        name: of the argument.
        checkpoint: that it was given.
    """
    from isalux_mm.model_zoo import find_weights, list_models
    found = find_weights(checkpoint)
    if not found.is_file():
        parser.error(f'{name} must be an existing file or one of {", ".join(list_models())}, got {checkpoint}')
    return found


def demand_packaged(parser: argparse.ArgumentParser, name: str, model: str) -> None:
    """Ends a command line, before any work, where there is no packaged model of a name.

    Args:
        parser: reports it.
        name: of the argument.
        model: that it was given.
    """
    from isalux_mm.model_zoo import list_models
    if model not in list_models():
        parser.error(f'{name} must be one of {", ".join(list_models())}, got {model}')


def demand_enhancers(parser: argparse.ArgumentParser, name: str, enhancers: Sequence[str]) -> None:
    """Ends a command line, before any work, where an enhancer is neither a packaged model nor the gamma of a power law.

    Args:
        parser: reports it.
        name: of the argument.
        enhancers: that it was given.
    """
    from isalux_mm.model_zoo import list_models
    models = list_models()
    for enhancer in enhancers:
        if enhancer not in models and not is_gamma(enhancer):
            parser.error(f'{name} must be of {", ".join(models)}, or a gamma above 0 such as 0.45, got {enhancer}')


def is_gamma(text: str) -> bool:
    """Whether a text is the exponent of a power law."""
    try:
        return 0 < float(text) < float('inf')
    except ValueError:
        return False


def demand_picture_name(parser: argparse.ArgumentParser, name: str, path: Path) -> None:
    """Ends a command line, before any work, where no picture can be written under the suffix of a file.

    Args:
        parser: reports it.
        name: of the argument.
        path: that it was given.
    """
    from isalux_mm.io.formats import WRITTEN_SUFFIXES
    if path.suffix.lower() not in WRITTEN_SUFFIXES:
        parser.error(f'{name} must end in one of {", ".join(WRITTEN_SUFFIXES)}, got {path}')


def demand_free(parser: argparse.ArgumentParser, *paths: Path, overwrite: bool, read: Sequence[Path] = ()) -> None:
    """Ends a command line, before any work, where a file that it will write is read, is there and not to be replaced,
    or cannot be written.

    Args:
        parser: reports it.
        paths: files that will be written.
        overwrite: whether those that are there may be replaced.
        read: files that are read.
    """
    try:
        check_products(paths, read)
        for path in paths:
            check_free(path, overwrite=overwrite)
            check_writable(path)
    except OSError as error:
        parser.error(sentence(error))
    except ValueError as error:
        parser.error(str(error))


def show_report(report: 'EnhanceReport', out: str, *, debug: bool = False) -> int:
    """Prints counts, and the failed inputs on standard error; returns the exit code."""
    counts = report.summary().splitlines()[0]
    print(f'{counts} (results in {out})' if report.done or report.skipped else counts)
    return show_failures(report, debug=debug)


def show_failures(attempts: 'Attempts', *, debug: bool = False) -> int:
    """Prints what failed on standard error, with tracebacks where faults of the program are looked for; returns the
    exit code."""
    for line in [*attempts.lines(), *(attempts.tracebacks.values() if debug else ())]:
        print(line, file=sys.stderr)
    return SOME_FAILED if attempts.failed else 0
