"""Where an enhancer helps a detector and where it does not, by how well lit the picture is: what `fade` is set by.

    python tools/calibrate_fade.py configs/dark_coco/yolox_nano_frozen.py data/yolox_nano.pth --json fade.json

Pictures of the config's training set, with their boxes, are made dark by a row of exposure gains with a fixed seed.
Each goes through the detector as it is and enhanced, without any fade. Two tables follow: the AP of both by gain, and
by the picture's `light` (`functional.safeguards`) the mean by which the enhancer lowers the detector's loss, with the
standard error over pictures. Take for `fade` the light from which nothing is won any more, and the one up to which
something surely is. Use training pictures, never those of the test.
"""
import argparse
import contextlib
import copy
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, init_default_scope
from torch import nn

from isalux_mm.cli.options import (
    ConfigOptions,
    add_overwrite_option,
    count_or_none,
    demand_checkpoint,
    demand_files,
    demand_free,
    run_tool,
)
from isalux_mm.cli.options import count as a_count
from isalux_mm.cli.options import gain as a_gain
from isalux_mm.functional.safeguards import light
from isalux_mm.io.whole_file import write_json
from isalux_mm.model_zoo import read_config

GAINS = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08, 0.05, 0.03)
EDGES = (0.0, 0.01, 0.02, 0.03, 0.045, 0.065, 0.09, 0.12, 0.16, 0.2, 0.25, 0.3, 0.4, 1.0)  # of the bins of light
VARIANTS = ('none', 'enhanced')


def pipeline_at(pipeline: list[dict], gain: float, seed: int) -> list[dict]:
    """The training pipeline without chance: no flips, the darkness of one gain and seed.

    Raises:
        ValueError: if it does not make pictures dark.
    """
    found = []
    for transform in copy.deepcopy(pipeline):
        if transform['type'].endswith('DarkenImage'):
            transform = dict(type=transform['type'], gain=gain, seed=seed)
        if transform['type'] != 'RandomFlip':
            found.append(transform)
    if not any(t['type'].endswith('DarkenImage') for t in found):
        raise ValueError(f'the training pipeline must have DarkenImage, got {[t["type"] for t in pipeline]}')
    return found


def total(losses: dict[str, Any]) -> float:
    """The sum of a detector's losses."""
    return sum(float(sum(value) if isinstance(value, list) else value)
               for name, value in losses.items() if 'loss' in name)


@torch.no_grad()
def measured(model: Any, dataset: Any, metrics: dict[str, Any]) -> list[dict]:
    """Light and loss of every picture as it is and enhanced; the predictions go to the metrics."""
    rows = []
    for index in range(len(dataset)):
        data = model.data_preprocessor(pseudo_collate([dataset[index]]), False)
        images, samples = data['inputs'], data['data_samples']
        h, w = samples[0].picture_shape
        row: dict = dict(id=samples[0].img_id, light=float(light(images[:, :, :h, :w])))
        for variant, picture in zip(VARIANTS, (images, model.enhance(images, samples))):
            batch = model.second_half(images, picture, copy.deepcopy(samples))
            row[variant] = total(model.detector(**batch, mode='loss'))
            found = model.detector(**batch, mode='predict')
            metrics[variant].process({}, [sample.to_dict() for sample in found])
        rows.append(row)
    return rows


def by_light(rows: list[dict]) -> list[dict]:
    """By bins of light: pictures, mean losses, by how much the enhancer lowers it and the standard error of that."""
    found = []
    for low, high in zip(EDGES, EDGES[1:]):
        inside = [row for row in rows if low <= row['light'] < high]
        if len(inside) < 2:
            continue
        gains = np.array([row['none'] - row['enhanced'] for row in inside])
        found.append(dict(low=low, high=high, pictures=len(inside), none=float(np.mean([r['none'] for r in inside])),
                          won=float(gains.mean()), error=float(gains.std(ddof=1) / len(gains)**0.5)))
    return found


def evaluated(metric: Any, size: int) -> float:
    """AP of what a metric was given."""
    with contextlib.redirect_stdout(io.StringIO()):
        return metric.evaluate(size)['coco/bbox_mAP']


def chain_of_config(path: Path, checkpoint: str, changes: dict) -> tuple[Config, nn.Module]:
    """The config and its chain, without a fade, in eval mode."""
    from isalux_mm.cli.test import load_checkpoint
    from isalux_mm.registry import MODELS
    cfg = read_config(path, key='model')
    cfg.merge_from_dict({**changes, 'model.enhancer.fade': None})
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    model: Any = MODELS.build({'_scope_': 'isalux_mm', **cfg.model})
    load_checkpoint(model, checkpoint)
    return cfg, model.eval()


def main(arguments: list[str] | None = None) -> int:
    """Measures and prints; 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', type=Path, help='of an EnhancedDetector whose training pipeline has DarkenImage')
    parser.add_argument('checkpoint', help='of the detector or of the chain')
    parser.add_argument('--gains', type=a_gain, nargs='+', default=GAINS)
    parser.add_argument('--every', type=a_count, default=1, help='take every n-th picture')
    parser.add_argument('--seed', type=count_or_none, default=0, help='of the noise')
    parser.add_argument('--json', type=Path, help='write every row here')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, default={}, help='changes to the config')
    add_overwrite_option(parser)
    options = parser.parse_args(arguments)
    demand_files(parser, 'config', options.config)
    read = [options.config, demand_checkpoint(parser, 'checkpoint', options.checkpoint)]
    if options.json:
        demand_free(parser, options.json, overwrite=options.overwrite, read=read)
    from mmdet.evaluation import CocoMetric

    import isalux_mm.det  # noqa: F401  registers
    cfg, model = chain_of_config(options.config, options.checkpoint, options.cfg_options)
    config, rows = cfg.train_dataloader.dataset, []
    ap: dict[float, dict[str, float]] = {}
    annotations = Path(config.data_root) / config.ann_file
    if options.json:
        demand_free(parser, options.json, overwrite=options.overwrite, read=[annotations])
    for gain in options.gains:
        dataset = DATASETS.build({**config, 'pipeline': pipeline_at(config.pipeline, gain, options.seed),
                                  '_scope_': 'mmdet'})
        chosen = torch.utils.data.Subset(dataset, range(0, len(dataset), options.every))
        metrics = {variant: CocoMetric(ann_file=str(annotations)) for variant in VARIANTS}
        for metric in metrics.values():
            metric.dataset_meta = dataset.metainfo
        found = measured(model, chosen, metrics)
        rows += [dict(gain=gain, **row) for row in found]
        ids = sorted(row['id'] for row in found)
        for metric in metrics.values():
            metric.img_ids = ids
        ap[gain] = {variant: evaluated(metric, len(chosen)) for variant, metric in metrics.items()}
        lights = np.median([row['light'] for row in found])
        print(f'gain {gain:g}: median light {lights:.3f}, AP {ap[gain]["none"]:.3f} as it is, '
              f'{ap[gain]["enhanced"]:.3f} enhanced', flush=True)
    table = by_light(rows)
    for row in table:
        print(f'light {row["low"]:.3f} to {row["high"]:.3f}: {row["pictures"]:4d} pictures, loss {row["none"]:6.2f}, '
              f'won {row["won"]:+.3f} +- {row["error"]:.3f}')
    if options.json:
        write_json(options.json, dict(ap=ap, by_light=table, rows=rows), indent=1, overwrite=options.overwrite)
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main))
