"""`isalux train`: trains a model from a config, with mmengine's Runner; `tools/train.py` is the same."""
import argparse
import os
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

from isalux_mm.cli.options import WrongUseError, count_or_none
from isalux_mm.cli.runner_options import add_runner_options, config_of, disk_errors_told

if TYPE_CHECKING:
    from mmengine.config import Config

OF_OTHER_WRAPPERS = ('loss_scale', 'dtype', 'use_fsdp')  # options of mmengine's AmpOptimWrapper alone
AUTO, STOPPED, INTERRUPTED = 'auto', 1, 130


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the parser of the sub-command."""
    parser = subparsers.add_parser(
        'train', help='train a model from a config',
        description="Trains a model from a config, with mmengine's Runner: `isalux train isalux_lol`. Ctrl-C and "
        'SIGTERM save before they end it.')
    add_runner_options(parser)
    parser.add_argument('--resume', nargs='?', const=AUTO, metavar='CHECKPOINT',
                        help='resume from this checkpoint, or without a value from the last one in the work folder')
    parser.add_argument('--amp', action='store_true', help='mixed precision: float16, on a CPU bfloat16')
    parser.add_argument('--seed', type=count_or_none, help='seed of everything random')
    parser.add_argument('--not-finite', choices=('stop', 'skip'),
                        help='what a loss that is infinite or no number does: end the training (the default), or leave '
                        'the batch out, counted')


def run(args: argparse.Namespace) -> int:
    """Trains; returns the exit code."""
    from isalux_mm.engine.checks import NotFiniteError
    from isalux_mm.engine.interruption import INTERRUPTION, TrainingInterrupted
    from isalux_mm.engine.training import join_processes, leave_processes
    from isalux_mm.engine.work_folder import held
    cfg = config_of(args)
    first = int(os.environ.get('RANK', 0)) == 0
    try:
        with disk_errors_told():
            join_processes(cfg)
            with held(cfg.work_dir) if first else nullcontext(), INTERRUPTION.awaited():
                return train(cfg, args)
    except NotFiniteError as error:
        print(f'isalux train: {error}', file=sys.stderr)
        return STOPPED
    except TrainingInterrupted as error:
        print(f'isalux train: {error}', file=sys.stderr)
        return INTERRUPTED
    finally:
        leave_processes()


def train(cfg: 'Config', args: argparse.Namespace) -> int:
    """Trains in a work folder that is held; returns 0."""
    from mmengine.registry import RUNNERS
    from mmengine.runner import Runner

    from isalux_mm.engine.training import check_temporary_folder, end_workers, prepare_training
    check_temporary_folder(cfg.train_dataloader.get('num_workers', 0))
    if args.amp:
        set_mixed_precision(cfg)
    set_resume(cfg, args.resume)
    if args.seed is not None:
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=args.seed)
    if 'runner_type' in cfg:
        RUNNERS.build(cfg).train()
        return 0
    prepare_training(cfg, not_finite=args.not_finite)
    runner = Runner.from_cfg(cfg)
    try:
        runner.train()
    finally:
        end_workers(runner)
    return 0


def set_resume(cfg: 'Config', resume: str | None) -> None:
    """Finds what to resume from: `resume` as of the option, or what the config says.

    Raises:
        WrongUseError: if a file that is named is no checkpoint of a training.
    """
    from isalux_mm.engine.training import resume_from
    from isalux_mm.engine.work_folder import checkpoint_of
    if resume is None and not cfg.get('resume'):
        return
    named = cfg.get('load_from') if resume is None else None if resume == AUTO else resume
    found = named or checkpoint_of(cfg.work_dir)
    if found is None:
        print(f'isalux train: there is no checkpoint in {cfg.work_dir} yet, the training starts', file=sys.stderr)
        cfg.resume = False
        return
    if named:
        check_resumable(named, '--resume' if resume else 'load_from')
    resume_from(cfg, str(found))


def check_resumable(checkpoint: str, name: str) -> None:
    """Looks, before the run, whether a file holds all that a training goes on from; other addresses are left to
    mmengine.

    Raises:
        WrongUseError: if it does not.
    """
    from isalux_mm.engine.work_folder import damage
    from isalux_mm.io.checkpoint_file import CheckpointError
    from isalux_mm.model_zoo import find_weights
    path = find_weights(checkpoint)
    try:
        reason = damage(path) if path.is_file() else None
    except CheckpointError as error:
        raise WrongUseError(f'{name}: {error}') from error
    if reason is not None:
        hint = '. To start from its weights alone: --cfg-options load_from=FILE' if reason.startswith('lacks') else ''
        raise WrongUseError(
            f'{name} must be a checkpoint that a training has written, got {path}, which {reason}{hint}')


def set_mixed_precision(cfg: 'Config') -> None:
    """Mixed precision as the device at hand has it: mmengine's with a scaled loss, or bfloat16 on a CPU."""
    from mmengine.device import get_device
    if get_device() == 'cpu':
        cfg.optim_wrapper.type = 'isalux_mm.BFloat16OptimWrapper'
        for option in OF_OTHER_WRAPPERS:
            cfg.optim_wrapper.pop(option, None)
    else:
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
