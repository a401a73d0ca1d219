"""What an enhancer adds to a detector's own time: CPU time of the chain and of the detector alone, on dark pictures.

    python tools/benchmark_chain.py configs/dark_coco/yolox_nano_none.py data/yolox_nano.pth

CONFIG and CHECKPOINT are a detector's own; pictures are the first of its test set, made dark by --gain, ready for
`test_step`, whose time is taken: the pipeline is left out. In every round the detector, each chain and its enhancer
alone run once over all pictures; shares are taken within a round, and their median is given. The allocator keeps its
memory, as commands have it. What detections it leaves, tools/test_dark.py says.
"""
import argparse
import copy
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, init_default_scope
from test_dark import behind, with_darkness

from isalux_mm.cli.options import count, demand_checkpoint, demand_files, demand_packaged, gain, run_tool
from isalux_mm.cli.process import keep_memory
from isalux_mm.cli.test import load_checkpoint
from isalux_mm.model_zoo import read_config
from isalux_mm.registry import MODELS

VARIANTS = ('isalux_detect:64:full', 'isalux_detect:64:fast', 'isalux_detect_small:64:fast',
            'isalux_detect_small:48:fast', 'isalux_detect_small:32:fast')


def variant(text: str) -> tuple[str, int, str]:
    """(network, short side, mode) of 'isalux_detect:64:full'."""
    parts = text.split(':')
    if len(parts) != 3 or not parts[1].isdecimal():
        raise argparse.ArgumentTypeError(f'must be NETWORK:SHORT_SIDE:MODE, got {text!r}')
    return parts[0], int(parts[1]), parts[2]


def built(model: dict, checkpoint: str) -> torch.nn.Module:
    """A detector or chain with its weights, in eval mode."""
    found = MODELS.build({'_scope_': 'mmdet', **model})
    load_checkpoint(found, checkpoint)
    return found.eval()


def enhanced(chain: Any, batch: Any) -> object:
    """What the enhancer of a chain makes of a batch that the chain's own preprocessor has prepared."""
    return chain.enhance(batch['inputs'], batch['data_samples'])


def rounds(steps: dict[str, tuple[Callable[[Any], object], Sequence[Any]]],
           number: int) -> list[dict[str, float]]:
    """CPU seconds a picture of every step on its batches, by round; a round ahead of them warms up."""
    found = []
    with torch.no_grad():
        for _ in range(number + 1):
            taken = {}
            for name, (step, batches) in steps.items():
                own = copy.deepcopy(batches)
                start = time.process_time()
                for batch in own:
                    step(batch)
                taken[name] = (time.process_time() - start) / sum(len(batch['inputs']) for batch in own)
            found.append(taken)
    return found[1:]


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', type=Path, help='of an mmdet detector')
    parser.add_argument('checkpoint', help='its weights')
    parser.add_argument('--variants', nargs='+', type=variant, default=[variant(text) for text in VARIANTS],
                        metavar='NETWORK:SHORT_SIDE:MODE', help=f'({" ".join(VARIANTS)})')
    parser.add_argument('--gain', type=gain, default=0.02, help='exposure of the pictures (%(default)s)')
    parser.add_argument('--pictures', type=count, default=8, help='%(default)s')
    parser.add_argument('--batch-size', type=count, default=1, help='%(default)s')
    parser.add_argument('--rounds', type=count, default=7, help='%(default)s')
    parser.add_argument('--threads', type=count, default=1, help='of torch (%(default)s)')
    options = parser.parse_args(arguments)
    demand_files(parser, 'config', options.config)
    demand_checkpoint(parser, 'checkpoint', options.checkpoint)
    for name, _, _ in options.variants:
        demand_packaged(parser, '--variants', name)
    keep_memory()
    torch.set_num_threads(options.threads)
    cfg = read_config(options.config, key='model')
    init_default_scope('mmdet')
    import isalux_mm.det  # noqa: F401  registers the chain
    set_of = copy.deepcopy(cfg.test_dataloader.dataset)
    set_of.pipeline = with_darkness(set_of.pipeline, 0)
    for step in set_of.pipeline:
        if step['type'].endswith('DarkenImage'):
            step['gain'] = options.gain
    dataset = DATASETS.build({'_scope_': 'mmdet', **set_of})
    pictures = [dataset[i] for i in range(min(options.pictures, len(dataset)))]
    batches = [pseudo_collate(pictures[i:i + options.batch_size])
               for i in range(0, len(pictures), options.batch_size)]
    chains: dict[str, Any] = {f'{name}, {side}, {mode}': built(behind(cfg.model, name, side, mode), options.checkpoint)
              for name, side, mode in options.variants}
    alone: Any = built(cfg.model, options.checkpoint)
    steps: dict[str, Any] = {'alone': (alone.test_step, batches)}
    for name, chain in chains.items():
        ready = [chain.data_preprocessor(copy.deepcopy(batch)) for batch in batches]
        steps |= {name: (chain.test_step, batches), f'{name}: enhancer': (partial(enhanced, chain), ready)}
    found = rounds(steps, options.rounds)
    print(f'detector alone: {1000 * median(one["alone"] for one in found):.1f} ms of CPU time a picture\n')
    print('| enhancer | by itself (ms) | share of the detector\'s own | the chain adds (ms) | share |\n|' + '---|' * 5)
    for name in chains:
        own, added = ([one[f'{name}: enhancer'] for one in found], [one[name] - one['alone'] for one in found])
        cells = [f'{1000 * median(part):.1f} | {median(x / one["alone"] for x, one in zip(part, found)):.0%}'
                 for part in (own, added)]
        print(f'| {name} | {cells[0]} | {cells[1]} |')
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main))
