"""Tests a checkpoint, prints the metrics, saves the enhanced images on request:
`python tools/test.py CONFIG CHECKPOINT --out DIR --csv FILE`.

A config whose test pipeline makes images dark (`DarkenImage`) is tested at several levels by `--gains 1 0.1 0.01`,
exposure gains in linear light; 1 is the set as it is.
"""
import argparse
import json
import os
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.runner import Runner
from rich.console import Console
from rich.table import Table

from isalux_mm.models.pretrained import read_state_dict


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint (.pth or .safetensors); never unpickled')
    parser.add_argument('--work-dir', help='folder for logs; default: work_dirs/NAME_OF_CONFIG')
    parser.add_argument('--out', metavar='DIR', help='save the enhanced images here')
    parser.add_argument('--csv', metavar='FILE', help='write the values of every image here')
    parser.add_argument('--gains', nargs='+', type=float, help='test at these levels of darkness')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the metrics here; by gain with --gains')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE')
    parser.add_argument('--launcher', choices=('none', 'pytorch', 'slurm', 'mpi'), default='none')
    parser.add_argument('--local-rank', '--local_rank', type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def load_checkpoint(model: torch.nn.Module, path: str) -> None:
    """Loads weights strictly: what is missing or left over is an error, not a line in the log."""
    state = read_state_dict(path)
    result = model.load_state_dict(state, strict=False)
    if result.missing_keys or result.unexpected_keys:
        raise ValueError(f'{path} does not fit the model: {len(result.missing_keys)} tensors are missing '
                         f'{result.missing_keys[:3]}, {len(result.unexpected_keys)} left over '
                         f'{result.unexpected_keys[:3]}')


def drop_training(cfg: Config) -> None:
    """Takes training and validation out of a config: a test needs neither their data nor an optimizer."""
    for key in ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'val_dataloader', 'val_cfg',
                'val_evaluator'):
        cfg[key] = None


def set_gain(cfg: Config, gain: float) -> None:
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


def build_runner(args: argparse.Namespace, gain: float | None = None) -> Runner:
    cfg = Config.fromfile(args.config)
    if args.cfg_options:
        cfg.merge_from_dict(args.cfg_options)
    if gain is not None:
        set_gain(cfg, gain)
    cfg.launcher = args.launcher
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or str(Path('work_dirs') / Path(args.config).stem)
    cfg.load_from, cfg.resume = None, False
    drop_training(cfg)
    if args.out:
        cfg.custom_hooks = [*cfg.get('custom_hooks', []), dict(type='isalux_mm.SaveEnhancedHook', out_dir=args.out)]
    if args.csv:
        evaluators = cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]
        named = [e for e in evaluators if e.get('type', '').endswith('PairedImageQuality') and not e.get('of_input')]
        for evaluator in named or evaluators[:1]:
            evaluator.csv_path = args.csv
    return Runner.from_cfg(cfg)


def print_table(metrics: dict) -> None:
    """The metrics, a row each, on the terminal."""
    table = Table('metric', 'value')
    for name, value in metrics.items():
        table.add_row(name, f'{value:.4f}' if isinstance(value, float) else str(value))
    Console().print(table)


def write_json(path: Path, content: dict) -> None:
    """Writes JSON whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f'.{path.name}.unfinished')
    unfinished.write_text(json.dumps(content, indent=1))
    os.replace(unfinished, path)


def main() -> None:
    args = parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    metrics = {}
    for gain in args.gains or [None]:
        runner = build_runner(args, gain)
        load_checkpoint(getattr(runner.model, 'module', runner.model), args.checkpoint)
        metrics[gain] = runner.test()
        print_table(metrics[gain] if gain is None else dict(gain=gain, **metrics[gain]))
    if args.json:
        write_json(args.json, metrics if args.gains else metrics[None])


if __name__ == '__main__':
    main()
