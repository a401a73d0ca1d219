"""`isalux test`: tests a checkpoint with the evaluators of a config; `tools/test.py` is the same.

A config whose test pipeline makes images dark (`DarkenImage`) is tested at several levels by `--gains 1 0.1 0.01`,
exposure gains in linear light; 1 is the set as it is. Detectors are compared, with intervals, by `interval_tests`.
"""
import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from isalux_mm.cli import interval_tests, options
from isalux_mm.cli.options import WrongUseError, add_overwrite_option
from isalux_mm.cli.runner_options import add_runner_options, config_of, disk_errors_told
from isalux_mm.io.names import check_products, distinct
from isalux_mm.io.places import check_writable, sentence
from isalux_mm.io.whole_file import check_free

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import nn

METRICS_OF_SETS = ('CocoMetric', 'ExDarkMetric', 'VOCMetric', 'IoUMetric')


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the parser of the sub-command."""
    parser = subparsers.add_parser(
        'test', help='test a checkpoint with the evaluators of a config',
        description='Tests a checkpoint, prints the metrics, saves the enhanced images on request.')
    add_runner_options(parser)
    parser.add_argument('checkpoint', nargs='+', help='checkpoint (.pth or .safetensors; never unpickled), or a '
                        'packaged model; several of a detector, of training runs of one config, give mean and spread')
    parser.add_argument('--out', metavar='DIR', help='save the enhanced images here')
    parser.add_argument('--csv', type=Path, metavar='FILE', help='write the values of every image here')
    parser.add_argument('--gains', nargs='+', type=options.gain, help='test at these levels of darkness')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the metrics here; by gain with --gains')
    interval_tests.add_interval_options(parser)
    add_overwrite_option(parser)


def run(args: argparse.Namespace) -> int:
    """Tests; returns the exit code."""
    with disk_errors_told():
        return test(args)


def test(args: argparse.Namespace) -> int:
    """Tests, as `run`, with the disk's errors as they are."""
    from mmengine.dist import is_main_process
    from mmengine.runner import Runner

    from isalux_mm.io.whole_file import write_json
    for name in [*args.checkpoint, *(args.against or ())[1:]]:
        check_checkpoint(name)
    intervals = interval_tests.wants_intervals(args)
    if intervals:
        interval_tests.check_interval_options(args)
    check_tables(args)
    if intervals:
        return interval_tests.run_with_intervals(args)
    metrics = {}
    for gain in args.gains or [None]:
        runner = Runner.from_cfg(runner_config(args, gain))
        load_checkpoint(getattr(runner.model, 'module', runner.model), args.checkpoint[0])
        metrics[gain] = runner.test()
        print_table(metrics[gain] if gain is None else dict(gain=gain, **metrics[gain]))
    if args.json and is_main_process():
        write_json(args.json, metrics if args.gains else metrics[None], indent=1, overwrite=args.overwrite)
    return 0


def check_tables(args: argparse.Namespace) -> None:
    """Checks, before any work, that the files of figures may be written.

    Raises:
        WrongUseError: if one is there and may not be replaced, or one would be written over the other.
    """
    tables = [of_gain(args, args.csv, gain) for gain in args.gains or [None] if args.csv]
    tables += [*([args.json] if args.json else []), *interval_tests.products(args)]
    try:
        check_products(tables, [Path(args.config), *map(Path, args.checkpoint), *interval_tests.sources(args)])
        for path in tables:
            check_free(path, overwrite=args.overwrite)
            check_writable(path)
        for folder in (args.out, args.work_dir):
            if folder:
                check_writable(folder)
    except OSError as error:
        raise WrongUseError(sentence(error)) from error
    except ValueError as error:
        raise WrongUseError(str(error)) from error


def of_gain(args: argparse.Namespace, path: Path, gain: float | None) -> Path:
    """A file or folder of results; each of several gains has its own."""
    if gain is None or len(args.gains) < 2:
        return path
    return path.with_name(f'{path.stem}_gain_{gain:g}{path.suffix}')


def check_checkpoint(name: str) -> None:
    """Looks for the file of a checkpoint before any model is built.

    Raises:
        WrongUseError: if there is none.
    """
    from isalux_mm.model_zoo import find_weights, list_models
    if not find_weights(name).is_file():
        raise WrongUseError(f'checkpoint must be an existing file or one of {", ".join(list_models())}, got {name}')


def load_checkpoint(model: 'nn.Module', path: str | Path) -> None:
    """Loads weights strictly: what is missing, left over or of another shape is an error, not a line in the log.

    Raises:
        ValueError: if they do not fit.
    """
    from isalux_mm.models.pretrained import check_shapes, read_state_dict
    state = read_state_dict(path)
    check_shapes(model.state_dict(), state, name=str(path))
    result = model.load_state_dict(state, strict=False)
    if result.missing_keys or result.unexpected_keys:
        raise ValueError(f'{path} does not fit the model: {len(result.missing_keys)} tensors are missing '
                         f'{result.missing_keys[:3]}, {len(result.unexpected_keys)} left over '
                         f'{result.unexpected_keys[:3]}')


def drop_training(cfg: 'Config') -> None:
    """Takes training and validation out of a config: a test needs neither their data nor an optimizer."""
    for key in ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'val_dataloader', 'val_cfg',
                'val_evaluator'):
        cfg[key] = None


def set_gain(cfg: 'Config', gain: float) -> None:
    """Sets the darkness of the test images; 1 takes the darkening out.

    Raises:
        ValueError: if the test pipeline does not make images dark.
    """
    pipeline = cfg.test_dataloader.dataset.pipeline
    darkening = [t for t in pipeline if t.type.endswith('DarkenImage')]
    if not darkening:
        raise ValueError('--gains needs DarkenImage in test_dataloader.dataset.pipeline, '
                         f'got {[t.type for t in pipeline]}')
    if gain == 1:
        cfg.test_dataloader.dataset.pipeline = [t for t in pipeline if t not in darkening]
    for transform in darkening:
        transform.gain = gain


def keep_source(cfg: 'Config') -> None:
    """Has the runner, which writes its config to the work folder, not write it over the file that was read.

    A config that a training left there would lose the training, and the next gain would read what the last one left.
    """
    source = Path(cfg.filename)
    if Path(cfg.work_dir, source.name).resolve() == source.resolve():
        object.__setattr__(cfg, '_filename', f'{source.stem}_tested{source.suffix}')


def runner_config(args: argparse.Namespace, gain: float | None = None) -> 'Config':
    """The config of one test.

    Args:
        args: of the command line.
        gain: level of darkness of the test images; `None` leaves them as they are.
    """
    cfg = config_of(args)
    if gain is not None:
        set_gain(cfg, gain)
    cfg.load_from, cfg.resume = None, False
    drop_training(cfg)
    keep_source(cfg)
    if args.out:
        cfg.custom_hooks = [*cfg.get('custom_hooks', []), dict(
            type='isalux_mm.SaveEnhancedHook', out_dir=str(of_gain(args, Path(args.out), gain)),
            overwrite=args.overwrite)]
    if args.csv:
        check_table_of_images(cfg)
        evaluators = cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]
        named = [e for e in evaluators if e.get('type', '').endswith('PairedImageQuality') and not e.get('of_input')]
        named = named or evaluators[:1]
        for evaluator, path in zip(named, distinct([of_gain(args, args.csv, gain)] * len(named))):
            evaluator.csv_path = str(path)
    return cfg


def check_table_of_images(cfg: 'Config') -> None:
    """Checks that the metrics have values of single images.

    Raises:
        WrongUseError: if they are of boxes or regions, whose figures are of a whole set.
    """
    evaluators = cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]
    of_sets = [e['type'] for e in evaluators if e.get('type', '').rpartition('.')[2] in METRICS_OF_SETS]
    if len(of_sets) == len(evaluators):
        raise WrongUseError(f'--csv is for metrics of single images, got {", ".join(of_sets)}; --table writes the '
                            'figures of a detector')


def print_table(metrics: dict) -> None:
    """The metrics, a row each, on the terminal."""
    from rich.console import Console
    from rich.table import Table
    table = Table('metric', 'value')
    for name, value in metrics.items():
        table.add_row(name, f'{value:.4f}' if isinstance(value, float) else str(value))
    Console().print(table)
