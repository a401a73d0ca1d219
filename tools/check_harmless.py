"""Measures whether a model harms what is not dark, and prints a table of demands:
`python tools/check_harmless.py MODEL_OR_CONFIG [CHECKPOINT] --photos DIR [--low DIR --gt DIR]`.

MODEL_OR_CONFIG is the name of a packaged model, which brings its weights, or a config file. What is measured is the
network's own result, clamped to [0, 1], not the soft highlights of `isalux enhance`. Photographs are the first 24 below
DIR, in the order of their names, with a mean luma of 0.3 and more; the same are exposed at ten gains in linear light
from 1 to 1/128, rounded to 8 bits, without noise. Pairs, such as held-out scenes of LOL-v1's our485, give the chroma
factor. What no data is given for is left out. The exit status is 1 where a demand does not hold.
"""
import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from isalux_mm.cli.options import (
    ConfigOptions,
    count,
    demand_files,
    demand_pictures,
    run_tool,
    show_failures,
)
from isalux_mm.cli.test import load_checkpoint
from isalux_mm.datasets.image_datasets import PairedImageDataset
from isalux_mm.datasets.transforms import to_tensor
from isalux_mm.evaluation.harmlessness import (
    DEMANDS,
    PHOTOGRAPHS,
    Network,
    as_markdown,
    is_well_lit,
    measure_chroma,
    measure_exposures,
    measure_gray,
    measure_well_lit,
)
from isalux_mm.functional.image_quality import WINDOW
from isalux_mm.inference.prepare import prepare_for_inference
from isalux_mm.io.attempts import Attempts
from isalux_mm.io.images import list_images, read_each, read_image
from isalux_mm.model_zoo import find_model, read_config
from isalux_mm.registry import MODELS

NAMES = 'lol_v1_holdout'  # in the config of --names


def load_network(model: str, checkpoint: str | None, options: dict | None) -> Network:
    """The network of a packaged model, or of a config and a checkpoint."""
    if Path(model).suffix == '.py':
        if checkpoint is None:
            raise ValueError(f'{model} needs a checkpoint')
        path, weights = Path(model), Path(checkpoint)
    else:
        found = find_model(model)
        path, weights = found.config, Path(checkpoint or found.weights)
    config = read_config(path, 'model', key='model')
    config.merge_from_dict(options or {})
    built = MODELS.build(dict(config.model, _scope_='isalux_mm')).eval()
    load_checkpoint(built, weights)
    return prepare_for_inference(built.network)


def read(path: str | Path) -> Tensor:
    """A picture as (1, 3, H, W)."""
    return to_tensor(read_image(path))[None]


def well_lit(folder: Path, count: int, attempts: Attempts) -> list[Tensor]:
    """The first photographs of a folder that can be read, are well lit and large enough for SSIM.

    Raises:
        ValueError: if there are less than `count`.
    """
    found: list[Tensor] = []
    for path, image in read_each(list_images(folder), attempts):
        with attempts.attempt(str(path)):
            if not is_well_lit(to_tensor(image)[None]):
                continue
            if min(image.shape[:2]) < WINDOW:
                raise ValueError(f'SSIM needs {WINDOW} x {WINDOW} pixels or more, got '
                                 f'{image.shape[1]} x {image.shape[0]}')
            found.append(to_tensor(image)[None])
        if len(found) == count:
            break
    if len(found) < count:
        raise ValueError(f'--photos must hold {count} photographs with a mean luma of 0.3 and more, '
                         f'{folder} has {len(found)}')
    return found


def pairs_of(low: Path, gt: Path, names: Sequence[str | int] | None) -> PairedImageDataset:
    """Pairs by name, all of them or those of `names` (without suffix); found, not read."""
    only = None if names is None else [str(name) for name in names]
    dataset = PairedImageDataset(data_prefix=dict(low=str(low), gt=str(gt)), only=only)
    dataset.full_init()
    return dataset


def read_pairs(dataset: PairedImageDataset) -> Iterator[tuple[Tensor, Tensor]]:
    """Low image and reference of every pair."""
    for record in (dataset.get_data_info(i) for i in range(len(dataset))):
        yield read(record['low_path']), read(record['gt_path'])


def names_in(config: Path) -> list[str | int]:
    """Names of pictures in a config.

    Raises:
        ValueError: if it has none.
    """
    names = read_config(config, '--names').get(NAMES)
    if not names:
        raise ValueError(f'--names must be a config with {NAMES}, a list of names, got {config}')
    return list(names)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model', help='name of a packaged model, or a config file')
    parser.add_argument('checkpoint', nargs='?', help='weights (.pth or .safetensors), never unpickled')
    parser.add_argument('--photos', type=Path, metavar='DIR', help='photographs of which none was trained on')
    parser.add_argument('--count', type=count, default=PHOTOGRAPHS, help='of photographs')
    parser.add_argument('--exposed', type=count, help='how many of them are shown at ten exposures; all by default')
    parser.add_argument('--low', type=Path, metavar='DIR', help='low images of pairs')
    parser.add_argument('--gt', type=Path, metavar='DIR', help='their references')
    parser.add_argument('--names', type=Path, metavar='CONFIG',
                        help=f'config with the names of the pairs to use as {NAMES}, such as '
                             'configs/_base_/datasets/lol_v1_holdout.py; all by default')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE')
    args = parser.parse_args()
    demand_pictures(parser, *(folder for folder in (args.photos, args.low, args.gt) if folder is not None))
    if args.names is not None:
        demand_files(parser, '--names', args.names)
    if (args.low is None) != (args.gt is None):
        parser.error('--low and --gt go together')
    if args.names is not None and args.low is None:
        parser.error('--names are those of pairs: it needs --low and --gt')
    return args


def main() -> int:
    args = parse_args()
    pairs = pairs_of(args.low, args.gt, names_in(args.names) if args.names else None) if args.low else None
    network = load_network(args.model, args.checkpoint, args.cfg_options)
    values: dict[str, float] = {}
    if args.photos:
        attempts = Attempts()
        try:
            photographs = well_lit(args.photos, args.count, attempts)
        finally:
            show_failures(attempts)  # others stand in for them
        values |= measure_well_lit(network, photographs)
    values |= measure_gray(network)
    if args.photos:
        values |= measure_exposures(network, photographs[:args.exposed])
    if pairs is not None:
        values |= measure_chroma(network, read_pairs(pairs))
    print(as_markdown(values))
    further = {name: value for name, value in values.items() if name not in DEMANDS}
    if further:
        print('\n' + ', '.join(f'{name} {value:.3f}' for name, value in further.items()))
    return 0 if all(DEMANDS[name].holds(value) for name, value in values.items() if name in DEMANDS) else 1


if __name__ == '__main__':
    torch.set_grad_enabled(False)
    sys.exit(run_tool(main))
