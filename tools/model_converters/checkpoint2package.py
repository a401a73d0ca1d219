"""A packaged model from a checkpoint of its training: half precision, with the name of its config.

    python tools/model_converters/checkpoint2package.py configs/isalux_zero_shot.py \\
        work_dirs/isalux_zero_shot/iter_12000.pth isalux_mm/weights/isalux_zero_shot.safetensors

Of a training with averaged weights the checkpoint's `state_dict` holds the average. Of several checkpoints the mean of
their weights is taken, which is of use where they started from the same ones. Every tensor of the config's model
has to be there, and no other; of a chain's checkpoint (`EnhancedDetector`, `EnhancedSegmentor`) it is the enhancer's.

`--saturation 1.1` lets the network's change of the picture lie 1.1 times as far from its luma (ours): networks that
learn from absolute differences give colours that are dull on average. It is written into the last convolution.

`--semantic-prior FILE` puts the weights of a prior in the place of those that the checkpoint holds: it is frozen in
training, and one that is adapted anew serves a model that was trained beside the old one.
"""
import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from mmengine.registry import init_default_scope
from safetensors.torch import save
from torch import Tensor

from isalux_mm.cli.options import add_overwrite_option, demand_checkpoint, demand_files, demand_free, run_tool
from isalux_mm.functional.illumination import LUMA_WEIGHTS
from isalux_mm.io.whole_file import whole_file
from isalux_mm.model_zoo import CONFIG_KEY, find_weights, read_config
from isalux_mm.models.pretrained import half_precision, read_state_dict
from isalux_mm.registry import MODELS

MOST_BYTES = 8 * 2**20
TO_RGB = 'network.to_rgb'
PRIOR = 'network.semantic_prior.network.'
CHAIN = 'enhancer.'  # ahead of the enhancer's tensors in the checkpoint of a chain


def packaged_weights(config: Path, checkpoints: Sequence[Path], saturation: float = 1.0,
                     semantic_prior: Path | None = None) -> dict[str, Tensor]:
    """The tensors of the config's model, floating ones in half precision and the mean of those of the checkpoints.

    Args:
        config: of the model.
        checkpoints: of it, one or several.
        saturation: factor of the network's change from its luma.
        semantic_prior: weights of the prior's network, in the place of the checkpoints'.

    Raises:
        ValueError: if the config has no model, a checkpoint is of another one, the prior of another network, a
            saturation is asked of a model without `to_rgb`, or a tensor is not finite in half precision.
    """
    cfg = read_config(config, key='model')
    init_default_scope(cfg.get('default_scope', 'isalux_mm'))
    own = MODELS.build(cfg.model).state_dict()
    states = [of_enhancer(read_state_dict(checkpoint)) for checkpoint in checkpoints]
    for checkpoint, state in zip(checkpoints, states):
        wrong = sorted(own.keys() ^ state.keys()) or sorted(k for k in own if own[k].shape != state[k].shape)
        if wrong:
            raise ValueError(
                f'{checkpoint}: expected the model of {config}, differs in {len(wrong)} tensors: {wrong[:3]}')
    mean = {name: _mean([state[name] for state in states]) for name in own}
    if saturation != 1:
        saturate(mean, saturation)
    if semantic_prior is not None:
        replace_prior(mean, semantic_prior)
    return half_precision(mean, name=', '.join(map(str, checkpoints)))


def saturate(state: dict[str, Tensor], saturation: float) -> None:
    """Moves the colours of the network's change away from their luma, or towards it, in place."""
    if f'{TO_RGB}.weight' not in state:
        raise ValueError(f'saturation must be 1 for a model without {TO_RGB}, got {saturation}')
    gray = torch.tensor(LUMA_WEIGHTS, dtype=torch.float64).expand(3, 3)
    mix = gray + saturation * (torch.eye(3, dtype=torch.float64) - gray)
    for name in (f'{TO_RGB}.weight', f'{TO_RGB}.bias'):
        state[name] = torch.tensordot(mix, state[name], 1)


def replace_prior(state: dict[str, Tensor], weights: Path) -> None:
    """Puts the weights of a prior's network, all of them and no other, in the place of the model's."""
    given = half_precision(read_state_dict(weights), name=str(weights))
    prior = {PRIOR + name: value for name, value in given.items()}
    own = {name for name in state if name.startswith(PRIOR)}
    wrong = sorted(own ^ prior.keys()) or sorted(name for name in own if state[name].shape != prior[name].shape)
    if wrong:
        raise ValueError(f'{weights}: expected the semantic prior of the model, differs in {len(wrong)} tensors: '
                         f'{wrong[:3]}')
    state.update(prior)


def of_enhancer(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors of a standalone enhancer: those that stand in a chain's checkpoint, or all of another."""
    of_chain = {key.removeprefix(CHAIN): value for key, value in state.items() if key.startswith(CHAIN)}
    return of_chain or state


def _mean(values: list[Tensor]) -> Tensor:
    """In double precision; of numbers that are not floating the first."""
    return torch.stack(values).double().mean(0) if values[0].is_floating_point() else values[0]


def main(arguments: list[str] | None = None) -> int:
    """Writes the weights; 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', type=Path)
    parser.add_argument('checkpoints', type=Path, nargs='+', metavar='checkpoint')
    parser.add_argument('weights', type=Path, help='safetensors file to write')
    parser.add_argument('--saturation', type=float, default=1.0, help="of the network's change (%(default)s)")
    parser.add_argument('--semantic-prior', type=Path, metavar='FILE', help='weights of a prior to take')
    add_overwrite_option(parser)
    options = parser.parse_args(arguments)
    prior = [options.semantic_prior] if options.semantic_prior else []
    demand_free(parser, options.weights, overwrite=options.overwrite,
                read=[options.config, *map(find_weights, [*options.checkpoints, *prior])])
    demand_files(parser, 'config', options.config)
    for path in options.checkpoints:
        demand_checkpoint(parser, 'checkpoint', path)
    for path in prior:
        demand_checkpoint(parser, '--semantic-prior', path)
    if not 0 <= options.saturation <= 2:
        parser.error(f'--saturation must be in [0, 2], got {options.saturation}')
    source = ' + '.join(path.name for path in options.checkpoints)
    if options.saturation != 1:
        source += f', saturation {options.saturation:g}'
    if options.semantic_prior:
        source += f', semantic prior {options.semantic_prior.name}'
    weights = packaged_weights(options.config, options.checkpoints, options.saturation, options.semantic_prior)
    content = save(weights, metadata={CONFIG_KEY: options.config.stem, 'source': source})
    if len(content) >= MOST_BYTES:
        parser.error(f'{options.weights} would have {len(content):,} bytes, {MOST_BYTES:,} are the most')
    with whole_file(options.weights, overwrite=options.overwrite) as file:
        file.write(content)
    print(f'{options.weights}: {len(content):,} bytes')
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main))
