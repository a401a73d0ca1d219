"""The weights of an adapted semantic prior, taken out of a checkpoint of its training.

    python tools/model_converters/adapted_prior2package.py work_dirs/dark_adaptation/iter_1000.pth \\
        isalux_mm/weights/semantic_prior.safetensors --overwrite

Half precision, under the names of the network alone, as `PackagedSemanticPrior` loads them. Of a training with averaged
weights the checkpoint's `state_dict` holds the average.
"""
import argparse
import sys
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from isalux_mm.cli.options import add_overwrite_option, demand_checkpoint, demand_free, run_tool
from isalux_mm.io.whole_file import whole_file
from isalux_mm.model_zoo import find_weights
from isalux_mm.models.pretrained import half_precision, read_state_dict

PREFIX = 'student.network.'


def student_weights(checkpoint: Path) -> dict[str, Tensor]:
    """The student's tensors in half precision.

    Raises:
        ValueError: if there are none: the checkpoint is of another model; or if one is not finite in half precision.
    """
    state = read_state_dict(checkpoint)
    found = {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
    if not found:
        raise ValueError(f'{checkpoint}: expected a checkpoint of PriorAdaptation, with {PREFIX}..., '
                         f'got {list(state)[:3]}')
    return half_precision(found, name=str(checkpoint))


def main(arguments: list[str] | None = None) -> int:
    """Writes the weights; 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument('weights', type=Path, help='safetensors file to write')
    add_overwrite_option(parser)
    options = parser.parse_args(arguments)
    demand_free(parser, options.weights, overwrite=options.overwrite, read=[find_weights(options.checkpoint)])
    demand_checkpoint(parser, 'checkpoint', options.checkpoint)
    weights = student_weights(options.checkpoint)
    with whole_file(options.weights, overwrite=options.overwrite) as file:
        file.write(save(weights, metadata=dict(source=options.checkpoint.name)))
    print(f'{options.weights}: {sum(value.numel() for value in weights.values()):,} weights')
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main))
