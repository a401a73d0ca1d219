"""A packaged model from a checkpoint of its training: half precision, with the name of its config.

    python tools/model_converters/checkpoint2package.py configs/isalux_zero_shot.py \\
        work_dirs/isalux_zero_shot/iter_12000.pth isalux_mm/weights/isalux_zero_shot.safetensors

Of a training with averaged weights the checkpoint's `state_dict` holds the average. Of several checkpoints the mean of
their weights is taken, which is of use where they started from the same ones. Every tensor of the config's model
has to be there, and no other; of a chain's checkpoint (`EnhancedDetector`, `EnhancedSegmentor`) it is the enhancer's.
"""
import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from safetensors.torch import save
from torch import Tensor

from isalux_mm.cli.options import add_overwrite_option, demand_free
from isalux_mm.io.places import check_writable, disk_errors_told
from isalux_mm.io.whole_file import whole_file
from isalux_mm.model_zoo import CONFIG_KEY
from isalux_mm.models.pretrained import read_state_dict
from isalux_mm.registry import MODELS

MOST_BYTES = 8 * 2**20
CHAIN = 'enhancer.'  # ahead of the enhancer's tensors in the checkpoint of a chain


def packaged_weights(config: Path, checkpoints: Sequence[Path]) -> dict[str, Tensor]:
    """The tensors of the config's model, floating ones in half precision and the mean of those of the checkpoints.

    Raises:
        ValueError: if a checkpoint is of another model.
    """
    cfg = Config.fromfile(config)
    init_default_scope(cfg.get('default_scope', 'isalux_mm'))
    own = MODELS.build(cfg.model).state_dict()
    states = [of_enhancer(read_state_dict(checkpoint)) for checkpoint in checkpoints]
    for checkpoint, state in zip(checkpoints, states):
        wrong = sorted(own.keys() ^ state.keys()) or sorted(k for k in own if own[k].shape != state[k].shape)
        if wrong:
            raise ValueError(
                f'{checkpoint}: expected the model of {config}, differs in {len(wrong)} tensors: {wrong[:3]}')
    return {name: _mean([state[name] for state in states]).contiguous() for name in own}


def of_enhancer(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors of a standalone enhancer: those that stand in a chain's checkpoint, or all of another."""
    of_chain = {key.removeprefix(CHAIN): value for key, value in state.items() if key.startswith(CHAIN)}
    return of_chain or state


def _mean(values: list[Tensor]) -> Tensor:
    """In half precision; of numbers that are not floating the first."""
    return torch.stack(values).double().mean(0).half() if values[0].is_floating_point() else values[0]


def main(arguments: list[str] | None = None) -> int:
    """Writes the weights; 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', type=Path)
    parser.add_argument('checkpoints', type=Path, nargs='+', metavar='checkpoint')
    parser.add_argument('weights', type=Path, help='safetensors file to write')
    add_overwrite_option(parser)
    options = parser.parse_args(arguments)
    demand_free(parser, options.weights, overwrite=options.overwrite, read=[options.config, *options.checkpoints])
    check_writable(options.weights)
    source = ' + '.join(path.name for path in options.checkpoints)
    content = save(packaged_weights(options.config, options.checkpoints),
                   metadata={CONFIG_KEY: options.config.stem, 'source': source})
    if len(content) >= MOST_BYTES:
        parser.error(f'{options.weights} would have {len(content):,} bytes, {MOST_BYTES:,} are the most')
    with whole_file(options.weights, overwrite=options.overwrite) as file:
        file.write(content)
    print(f'{options.weights}: {len(content):,} bytes')
    return 0


if __name__ == '__main__':
    with disk_errors_told():
        sys.exit(main())
