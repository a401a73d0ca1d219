"""A training of seconds: random pairs in LOL's layout and a config of a small network."""
import json
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SIDE = (24, 28)
CONFIG = """
_base_ = ['{base}']
model = dict(network=dict(embed_dims=(8, 16), depths=(1, 1), num_heads=(1, 2)),
             losses=dict(_delete_=True, loss_mse=dict(type='MSELoss')))
pipeline = [dict(type='LoadImages'), dict(type='PairedRandomCrop', crop_size=16), dict(type='PackEnhanceInputs')]
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(data_root='{data}', pipeline=pipeline))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(data_root='{data}'))
test_dataloader = val_dataloader
param_scheduler = []
train_cfg = dict(max_iters=2, val_interval=2)
default_hooks = dict(checkpoint=dict(interval=2))
log_level = 'ERROR'
"""


def write_pairs(root: Path, count: dict[str, int]) -> Path:
    """Random pairs, dark and bright, of a number for each part."""
    rng = np.random.default_rng(0)
    for part, number in count.items():
        for kind in ('low', 'high'):
            (root / part / kind).mkdir(parents=True)
        for index in range(number):
            image = rng.integers(0, 256, (*SIDE, 3), np.uint8)
            cv2.imwrite(str(root / part / 'high' / f'{index}.png'), image)
            cv2.imwrite(str(root / part / 'low' / f'{index}.png'), image // 8)
    return root


def write_config(folder: Path, data: Path, name: str = 'tiny') -> Path:
    """The config, on these data."""
    path = folder / f'{name}.py'
    path.write_text(CONFIG.format(base=ROOT / 'configs/isalux_cpu.py', data=data))
    return path


def logged_losses(work: Path) -> dict[int, float]:
    """Losses that a training has logged so far, by iteration; of those that were run twice, the last."""
    found = {}
    for path in sorted(work.glob('*/vis_data/scalars.json'), key=lambda p: p.stat().st_mtime):
        for line in path.read_text().split('\n')[:-1]:  # a line that is being written has no end yet
            entry = json.loads(line)
            if 'loss' in entry:
                found[entry['iter']] = entry['loss']
    return found
