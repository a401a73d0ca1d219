"""Every detection config as it is, through mmengine's Runner: one epoch on four small images, then validation.

Sizes, data folders and downloads alone are changed; schedules, hooks, pipelines, metrics, optimizers are the config's.
"""
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmengine.runner import Runner

from isalux_mm.det.exdark import EXDARK_CLASSES

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted([*(ROOT / 'configs/exdark').glob('*.py'), *(ROOT / 'configs/dark_coco').glob('*.py')])
SIDE = 96
IMAGES = 4
ENHANCER_ALONE = ('yolox_nano_joint_enhancer', 'yolox_nano_detect')  # the detector is frozen
NOTHING_LEARNS = ('yolox_nano_frozen', 'yolox_nano_gamma')
VARIANTS = ('none', 'frozen', 'joint')
# what has the fewest parts in common with the joint ones, each of which is tried every time; the rest is slow together
TRIED = ('retinanet_r50_exdark_none', 'retinanet_r50_exdark_frozen', 'yolox_nano_joint_enhancer', 'yolox_nano_gamma',
         'yolox_nano_detect', 'yolox_nano_exposure_aware')
SMALL = {'ResNet': dict(depth=18, base_channels=16), 'Shared2FCBBoxHead': dict(fc_out_channels=64)}
TO_SMALL = 16  # channels of ResNet-50's stages over those of that ResNet-18's


def write_set(folder: Path, names: list[str], info: dict | None = None) -> None:
    """Four dark images of odd sizes with two boxes each, as a COCO file."""
    rng = np.random.default_rng(0)
    (folder / 'images').mkdir()
    images, annotations = [], []
    for i in range(IMAGES):
        h, w = 75 + 2 * i, 91 - 4 * i
        cv2.imwrite(str(folder / f'images/{i}.png'), rng.integers(0, 70, (h, w, 3), np.uint8))
        images.append(dict(id=i, file_name=f'{i}.png', height=h, width=w, lighting='Low', in_out='Indoor'))
        for box in ([4, 5, 40, 44], [20, 9, 45, 50]):
            annotations.append(dict(id=len(annotations) + 1, image_id=i, category_id=1 + len(annotations) % 12,
                                    bbox=box, area=box[2] * box[3], iscrowd=0))
    content = dict(images=images, annotations=annotations, info=info or {},
                   categories=[dict(id=i + 1, name=name) for i, name in enumerate(names)])
    (folder / 'annotations.json').write_text(json.dumps(content))


def shrink(node, folder: Path):
    """A config's node with small pictures, a small ResNet, data from `folder` and no pretrained weights."""
    if isinstance(node, list | tuple):
        return type(node)(shrink(item, folder) for item in node)
    if not isinstance(node, dict):
        return node
    node = ConfigDict({key: shrink(value, folder) for key, value in node.items()})
    kind = node.get('type', '')
    if node.get('init_cfg', None) and node.init_cfg.get('type') == 'Pretrained':
        node.init_cfg = None
    node.update(SMALL.get(kind, {}))
    if kind in ('FPN', 'ChannelMapper'):  # the necks of ResNets
        node.in_channels = [channels // TO_SMALL for channels in node.in_channels]
    for key in ('scale', 'img_scale', 'size', 'crop_size', 'scales'):
        if kind and isinstance(node.get(key), list | tuple) and 'Anchor' not in kind:
            node[key] = small(node[key])
    if kind == 'RandomAffine':
        node.border = (-SIDE // 2, -SIDE // 2)
    if 'random_size_range' in node:
        node.random_size_range = (SIDE, SIDE + 32)
    if 'ann_file' in node:
        node.ann_file = str(folder / 'annotations.json')
    if 'data_prefix' in node:
        node.update(data_root='', data_prefix={kind: str(folder / 'images') + '/' for kind in node.data_prefix})
    if 'leave_out' in node:
        node.leave_out = ()
    if 'max_side' in node:
        node.max_side = SIDE
    if 'min_size' in node:
        node.min_size = 1
    return node


def small(scale: list | tuple):
    return [small(s) for s in scale] if isinstance(scale[0], list | tuple) else (SIDE, SIDE)


def parts_of(dataset: ConfigDict) -> list:
    """The COCO sets of a dataset."""
    return [part for part in dataset.get('datasets', [dataset]) if 'ann_file' in part]


def loader(config: dict, batch_size: int) -> None:
    config.update(batch_size=batch_size, num_workers=0, persistent_workers=False)


def prepared(path: Path, folder: Path, work_dir: Path) -> Config:
    cfg = Config.fromfile(path)
    exdark = 'exdark' in path.parts[-2]
    split = '80/20' if exdark and cfg.val_evaluator.ann_file.endswith('80-20_test.json') else 'official'
    names = list(EXDARK_CLASSES) if exdark else ['person', *(f'class {i}' for i in range(1, 12))]
    write_set(folder, names, dict(split=split, subset='train') if exdark else None)
    for key in ('model', 'train_dataloader', 'val_dataloader', 'test_dataloader', 'val_evaluator', 'test_evaluator',
                'custom_hooks'):
        if key in cfg:
            cfg[key] = shrink(cfg[key], folder)
    if not exdark:  # the classes of the small set in the place of COCO's
        for part in ('train', 'val', 'test'):
            for dataset in parts_of(cfg[f'{part}_dataloader'].dataset):
                dataset.setdefault('metainfo', dict(classes=names))
    loader(cfg.train_dataloader, 2)
    loader(cfg.val_dataloader, 2)
    cfg.train_dataloader.pop('batch_sampler', None)
    if cfg.train_cfg.type == 'IterBasedTrainLoop':
        cfg.train_cfg.update(max_iters=2, val_interval=2)
    else:
        cfg.train_cfg.update(max_epochs=1, val_interval=1)
        cfg.train_cfg.pop('dynamic_intervals', None)
    cfg.default_hooks.checkpoint = None  # files of 200 MB; `save_best` is checked against the metrics instead
    cfg.work_dir, cfg.load_from, cfg.log_level = str(work_dir), None, 'WARNING'
    return cfg


def test_every_config_of_the_folders_is_here():
    detectors = {path.stem.rsplit('_', 1)[0] for path in CONFIGS if path.parent.name == 'exdark'}
    assert len(detectors) == 7
    assert {path.stem for path in CONFIGS if path.parent.name == 'exdark'} == {
        f'{detector}_{variant}' for detector in detectors for variant in VARIANTS}
    assert len([path for path in CONFIGS if path.parent.name == 'dark_coco']) >= 5
    assert {path.stem for path in CONFIGS} >= set(TRIED)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_head_of_the_config(path):
    head = [line for line in path.read_text().split('_base_')[0].splitlines() if line]
    assert all(line.startswith('# ') for line in head)
    assert any('Expected' in line for line in head)
    assert path.relative_to(ROOT).as_posix() in head[-1]


@pytest.mark.parametrize('path', [pytest.param(
    path, id=path.stem, marks=() if path.stem.endswith('joint') or path.stem in TRIED else pytest.mark.slow)
    for path in CONFIGS])
def test_trains_and_predicts(path, tmp_path, monkeypatch):
    # formatting the config for the log would take three quarters of the test's time
    monkeypatch.setattr(Config, 'pretty_text', property(lambda self: ''))
    (tmp_path / 'data').mkdir()
    save_best = Config.fromfile(path).default_hooks.checkpoint.get('save_best')
    cfg = prepared(path, tmp_path / 'data', tmp_path / 'work')
    runner = Runner.from_cfg(cfg)
    runner.model = revert_sync_batchnorm(runner.model)
    runner.model.init_weights()  # `train` would; the second time nothing happens
    before = {name: p.detach().clone() for name, p in runner.model.named_parameters()}
    optimized = {id(p) for group in runner.build_optim_wrapper(cfg.optim_wrapper).param_groups for p in group['params']}
    runner.train()

    parameters = dict(runner.model.named_parameters())
    assert all(torch.isfinite(p).all() for p in parameters.values())
    moved = {name for name, p in parameters.items() if not torch.equal(p, before[name])}
    enhancer = {name for name in parameters if name.startswith('enhancer.')}
    if 'joint' in path.stem or path.stem in ENHANCER_ALONE:
        first = 'enhancer.network.embed.weight'
        assert first in moved and id(parameters[first]) in optimized  # gradients reach the enhancer's first layer
    else:
        assert not moved & enhancer
    if path.stem in ENHANCER_ALONE:
        assert moved <= enhancer
    elif path.stem not in NOTHING_LEARNS:
        assert moved - enhancer
    if save_best:
        assert save_best in runner.message_hub.log_scalars.keys() | {
            key.removeprefix('val/') for key in runner.message_hub.log_scalars}
