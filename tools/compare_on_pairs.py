"""Scores a checkpoint on folders of pairs, beside the dark input and two classical methods:
`python tools/compare_on_pairs.py CONFIG CHECKPOINT --low DIR --gt DIR`.

Methods: input; gamma (a power law that brings the mean luma to 0.45); CLAHE (clip limit 4, 8x8 tiles, on the L of Lab);
the checkpoint. Raw and GT-mean PSNR and SSIM, means over the pairs. Where the references are published at another size
than the low images, --resize brings each result to that size and --window cuts out the reference's part.
"""
import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import torch
from peers.classical import clahe, gamma
from rich.console import Console
from rich.progress import track
from rich.table import Table

from isalux_mm.apis.evaluating import pair_files
from isalux_mm.cli.options import (
    add_overwrite_option,
    count,
    count_or_none,
    demand_checkpoint,
    demand_files,
    demand_free,
    run_tool,
    show_failures,
)
from isalux_mm.cli.test import load_checkpoint
from isalux_mm.datasets.image_datasets import PairedImageDataset
from isalux_mm.datasets.transforms import to_tensor
from isalux_mm.evaluation.metrics import paired_quality, write_csv
from isalux_mm.io.attempts import Attempts
from isalux_mm.io.images import list_images, read_image, write_image
from isalux_mm.io.names import beside, check_products
from isalux_mm.io.places import check_writable
from isalux_mm.io.whole_file import check_free
from isalux_mm.model_zoo import read_config
from isalux_mm.registry import MODELS

COLUMNS = ('PSNR', 'SSIM', 'PSNR GT-mean', 'SSIM GT-mean')
Method = Callable[[np.ndarray], np.ndarray]


def load_network(config: str, checkpoint: str) -> Method:
    """The checkpoint's network as a function of a picture."""
    model = MODELS.build(dict(read_config(config, key='model').model, _scope_='isalux_mm')).eval()
    load_checkpoint(model, checkpoint)

    @torch.no_grad()
    def enhance(image: np.ndarray) -> np.ndarray:
        return model.network(to_tensor(image)[None]).clamp(0, 1)[0].permute(1, 2, 0).numpy()

    return enhance


def to_reference(image: np.ndarray, shape: tuple[int, int], resize: list[int] | None,
                 window: list[int] | None) -> np.ndarray:
    """The part of an enhanced picture that a reference of this shape shows."""
    if resize:
        image = np.clip(cv2.resize(image, resize, interpolation=cv2.INTER_CUBIC), 0, 1)
    left, top = window or (0, 0)
    part = image[top:top + shape[0], left:left + shape[1]]
    if part.shape[:2] != shape:
        raise ValueError(f'the reference of {shape} does not fit the result of {image.shape[:2]} at {(left, top)}')
    return part


def find_pairs(low: Path, gt: Path, resized: bool) -> list[tuple[Path, Path]]:
    """Pairs by name; with `resized` their sizes may differ."""
    if not resized:
        dataset = PairedImageDataset(data_prefix=dict(low=str(low), gt=str(gt)))
        records = (dataset.get_data_info(i) for i in range(len(dataset)))
        return [(Path(r['low_path']), Path(r['gt_path'])) for r in records]
    pairs = pair_files(low, gt)
    found = [(path, partner) for path, partner in pairs.items() if partner is not None]
    if not found:
        raise ValueError(f'no pair: {low} and {gt} share no name')
    if len(found) < len(pairs):
        alone = ', '.join(str(path) for path, partner in pairs.items() if partner is None)
        print(f'left out, as {gt} has no picture of their name: {alone}', file=sys.stderr)
    return found


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('checkpoint', nargs='?', help='without one, the classical methods alone')
    parser.add_argument('--low', type=Path, required=True)
    parser.add_argument('--gt', type=Path, required=True)
    parser.add_argument('--resize', type=count, nargs=2, metavar=('WIDTH', 'HEIGHT'))
    parser.add_argument('--window', type=count_or_none, nargs=2, metavar=('LEFT', 'TOP'))
    parser.add_argument('--csv', type=Path, help='write the values of every picture here')
    parser.add_argument('--out', type=Path, help='save the results of every method here')
    add_overwrite_option(parser)
    args = parser.parse_args()
    if args.checkpoint:
        demand_files(parser, 'config', Path(args.config))
        demand_checkpoint(parser, 'checkpoint', args.checkpoint)
    if args.csv:
        demand_free(parser, args.csv, overwrite=args.overwrite, read=files_read(args))
    return args


def files_read(args: argparse.Namespace) -> list[Path]:
    """Pictures of both folders, and the checkpoint."""
    return [*list_images(args.low), *list_images(args.gt), *([Path(args.checkpoint)] if args.checkpoint else [])]


def targets_of(args: argparse.Namespace, methods: Iterable[str], lows: Sequence[Path]) -> dict[str, list[Path]]:
    """Where the results of every method go, checked ahead of the work.

    Raises:
        FileExistsError: if one is there and may not be replaced.
        OSError: if nothing can be written there.
        ValueError: if one would be written over a picture that is read, the checkpoint or the table.
    """
    names = beside([Path(low.name) for low in lows], '.png')
    targets = {method: [args.out / method / name for name in names] for method in methods}
    results = list(chain.from_iterable(targets.values()))
    check_products([*results, *([args.csv] if args.csv else [])], files_read(args))
    check_writable(args.out)
    for path in results:
        check_free(path, overwrite=args.overwrite)
    return targets


def main() -> int:
    args = parse_args()
    methods: dict[str, Method] = dict(input=lambda image: image, gamma=gamma, CLAHE=clahe)
    if args.checkpoint:
        methods['ISALux'] = load_network(args.config, args.checkpoint)
    rows, attempts = [], Attempts()
    pairs = find_pairs(args.low, args.gt, bool(args.resize))
    targets = targets_of(args, methods, [low for low, _ in pairs]) if args.out else {}
    for index, (low, gt) in enumerate(track(pairs, 'pairs')):
        with attempts.attempt(str(low)):
            dark, reference, found = read_image(low), read_image(gt), []
            for name, method in methods.items():
                result = method(dark)
                if targets:
                    write_image(targets[name][index], result, overwrite=args.overwrite)
                part = to_reference(result, reference.shape[:2], args.resize, args.window)
                found.append((name, low.name, *paired_quality(to_tensor(part), to_tensor(reference))))
            rows += found
    failed = show_failures(attempts)
    if not rows:
        return failed
    if args.csv:
        write_csv(args.csv, ('method', 'image', *COLUMNS), rows, overwrite=args.overwrite)
    table = Table('method', *COLUMNS)
    for name in methods:
        values = np.mean([row[2:] for row in rows if row[0] == name], axis=0)
        table.add_row(name, *(f'{v:.{digits}f}' for v, digits in zip(values, (2, 3, 2, 3))))
    Console().print(table)
    print(f'{len(rows) // len(methods)} pairs')
    return failed


if __name__ == '__main__':
    sys.exit(run_tool(main))
