"""`isalux train`: trains a model from a config, with mmengine's Runner; `tools/train.py` is the same."""
import argparse
from typing import TYPE_CHECKING

from isalux_mm.cli.runner_options import add_runner_options, config_of

if TYPE_CHECKING:
    from mmengine.config import Config


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the parser of the sub-command."""
    parser = subparsers.add_parser(
        'train', help='train a model from a config',
        description="Trains a model from a config, with mmengine's Runner: `isalux train isalux_lol`.")
    add_runner_options(parser)
    parser.add_argument('--resume', nargs='?', const='auto', metavar='CHECKPOINT',
                        help='resume from this checkpoint, or without a value from the last one in the work folder')
    parser.add_argument('--amp', action='store_true', help='mixed precision: float16, on a CPU bfloat16')
    parser.add_argument('--seed', type=int, help='seed of everything random')


def run(args: argparse.Namespace) -> int:
    """Trains; returns the exit code."""
    from mmengine.registry import RUNNERS
    from mmengine.runner import Runner
    cfg = config_of(args)
    if args.amp:
        set_mixed_precision(cfg)
    if args.seed is not None:
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=args.seed)
    if args.resume:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    runner.train()
    return 0


def set_mixed_precision(cfg: 'Config') -> None:
    """Mixed precision as the device at hand has it: mmengine's with a scaled loss, or bfloat16 on a CPU."""
    from mmengine.device import get_device
    if get_device() == 'cpu':
        cfg.optim_wrapper.type = 'isalux_mm.BFloat16OptimWrapper'
    else:
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
