"""Ends `make demo`: scores input and output of the held-out photographs and writes the picture:
`python tools/demo_report.py work_dirs/demo`. The last checkpoint is scored, not the one that did best on them.
"""
import argparse
import sys
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from rich.console import Console
from rich.table import Table

from isalux_mm.cli.options import add_overwrite_option, demand_free, run_tool
from isalux_mm.engine.work_folder import checkpoint_of
from isalux_mm.io.images import write_image
from isalux_mm.models.pretrained import read_state_dict
from isalux_mm.registry import MODELS
from isalux_mm.visualization.panels import side_by_side, to_array

MINIMUM_GAIN = 6.0  # dB of raw PSNR over the dark input; below it the recipe is wrong
METRICS = ('PSNR', 'SSIM', 'PSNR_GTmean', 'SSIM_GTmean')


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work_dir', type=Path, help="the training's work folder")
    add_overwrite_option(parser)
    args = parser.parse_args()
    checkpoint = checkpoint_of(args.work_dir)
    if checkpoint is None:
        parser.error(f'no checkpoint in {args.work_dir}: train first')
    config = next(args.work_dir.glob('isalux_*.py'), None)
    if config is None:
        parser.error(f'no config isalux_*.py in {args.work_dir}: train first')
    demand_free(parser, args.work_dir / 'demo.png', overwrite=args.overwrite, read=[Path(checkpoint), config])
    cfg = Config.fromfile(config)
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model).eval()
    model.load_state_dict(read_state_dict(checkpoint))
    loader = Runner.build_dataloader(cfg.test_dataloader)
    evaluator = Evaluator(cfg.test_evaluator)
    panels = []
    for batch in loader:
        samples = model.test_step(batch)
        evaluator.process(data_samples=samples, data_batch=batch)
        for sample in samples:
            panels.append(side_by_side(
                dict(input=to_array(sample.low_img), output=to_array(sample.pred_img),
                     reference=to_array(sample.gt_img)), max_side=320))
    metrics = evaluator.evaluate(len(loader.dataset))
    width = max(panel.shape[1] for panel in panels)
    picture = np.concatenate(
        [np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)), constant_values=255) for p in panels])
    write_image(args.work_dir / 'demo.png', picture / 255, overwrite=args.overwrite)
    table = Table('held-out photographs', 'dark input', 'output')
    for name in METRICS:
        table.add_row(name, f'{metrics[f"{name}_input"]:.3f}', f'{metrics[name]:.3f}')
    Console().print(table)
    gain = metrics['PSNR'] - metrics['PSNR_input']
    print(f'picture: {args.work_dir / "demo.png"}')
    if gain < MINIMUM_GAIN:
        print(f'make demo: FAILED, the output beats the input by {gain:.1f} dB, expected {MINIMUM_GAIN} at least')
        return 1
    print(f'make demo: done, the output beats the dark input by {gain:.1f} dB of raw PSNR')
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main))
