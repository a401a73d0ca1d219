"""Every segmentation config as it is, through mmengine's Runner: two steps on small images, then validation."""
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmengine.runner import Runner

pytest.importorskip('mmseg')

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / 'configs/seg').glob('*.py'))
# beside the joint ones, each of which is tried every time; the rest is slow together
TRIED = ('segformer_b0_dark_zurich_none', 'deeplabv3plus_r50_acdc_night_frozen')
SIZE = (32, 64)
IMAGES = 2
SUFFIXES = {  # image, map: as the datasets name them
    'CityscapesDataset': ('_leftImg8bit.png', '_gtFine_labelTrainIds.png'),
    'DarkZurichDataset': ('_rgb_anon.png', '_gt_labelTrainIds.png'),
    'NightDrivingDataset': ('_leftImg8bit.png', '_gtCoarse_labelTrainIds.png'),
    'isalux_mm.ACDCDataset': ('_rgb_anon.png', '_gt_labelTrainIds.png'),
}

SMALL = {  # DeepLabV3+ on a small ResNet-18 in the place of ResNet-50
    'ResNetV1c': dict(depth=18, stem_channels=16, base_channels=16),
    'DepthwiseSeparableASPPHead': dict(in_channels=128, channels=32, c1_in_channels=16, c1_channels=16),
    'FCNHead': dict(in_channels=64, channels=16),
}


def write_set(dataset: dict, root: Path) -> None:
    """Dark images of an odd size with label maps in the dataset's own layout."""
    rng = np.random.default_rng(0)
    dataset.data_root = str(root)
    for key, suffix in zip(('img_path', 'seg_map_path'), SUFFIXES[dataset.type]):
        folder = root / dataset.data_prefix[key]
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(IMAGES):
            shape = (35, 51, 3) if key == 'img_path' else (35, 51)
            cv2.imwrite(str(folder / f'{i}{suffix}'), rng.integers(0, 60 if key == 'img_path' else 19, shape, np.uint8))


def shrink(node):
    """A config's node with small pictures, a small ResNet and no pretrained weights."""
    if isinstance(node, list | tuple):
        return type(node)(shrink(item) for item in node)
    if not isinstance(node, dict):
        return node
    node = ConfigDict({key: shrink(value) for key, value in node.items()})
    if node.get('init_cfg', None) and node.init_cfg.get('type') == 'Pretrained':
        node.init_cfg = None
    if 'pretrained' in node:
        node.pretrained = None
    kind = node.get('type', '')
    node.update(SMALL.get(kind, {}))
    if kind in ('Resize', 'RandomResize'):
        node.scale = SIZE[::-1]
    if kind == 'RandomCrop':
        node.crop_size = SIZE
    if kind == 'SegDataPreProcessor':
        node.size = SIZE
    if node.get('mode') == 'slide':
        node.update(crop_size=SIZE, stride=(24, 40))
    return node


def test_names():
    assert {path.stem for path in CONFIGS} >= set(TRIED)
    stems = {path.stem for path in CONFIGS}
    assert stems == {f'{segmentor}_{data}_{variant}' for segmentor in ('deeplabv3plus_r50', 'segformer_b0')
                     for data in ('dark_zurich', 'night_driving', 'acdc_night')
                     for variant in ('none', 'frozen', 'joint')}


@pytest.mark.parametrize('path', [pytest.param(
    path, id=path.stem, marks=() if path.stem.endswith('joint') or path.stem in TRIED else pytest.mark.slow)
    for path in CONFIGS])
def test_trains_and_predicts(path, tmp_path, monkeypatch):
    # formatting the config for the log would take most of the test's time
    monkeypatch.setattr(Config, 'pretty_text', property(lambda self: ''))
    head = [line for line in path.read_text().split('_base_')[0].splitlines() if line]
    assert path.relative_to(ROOT).as_posix() in head[-1] and any('Expected' in line for line in head)
    cfg = Config.fromfile(path)
    save_best = cfg.default_hooks.checkpoint.save_best
    for key in ('model', 'train_dataloader', 'val_dataloader', 'data_preprocessor'):
        cfg[key] = shrink(cfg[key])
    for part in ('train', 'val'):
        loader = cfg[f'{part}_dataloader']
        write_set(loader.dataset, tmp_path / part)
        loader.update(batch_size=2 if part == 'train' else 1, num_workers=0, persistent_workers=False)
    cfg.train_cfg.update(max_iters=2, val_interval=2)
    cfg.default_hooks.checkpoint = None  # large files; `save_best` is checked against the metrics instead
    cfg.work_dir, cfg.load_from, cfg.log_level = str(tmp_path / 'work'), None, 'WARNING'
    runner = Runner.from_cfg(cfg)
    runner.model = revert_sync_batchnorm(runner.model)
    runner.model.init_weights()  # `train` would; the second time nothing happens
    before = {name: p.detach().clone() for name, p in runner.model.named_parameters()}
    runner.train()

    parameters = dict(runner.model.named_parameters())
    assert all(torch.isfinite(p).all() for p in parameters.values())
    moved = {name for name, p in parameters.items() if not torch.equal(p, before[name])}
    enhancer = {name for name in parameters if name.startswith('enhancer.')}
    assert moved - enhancer
    if path.stem.endswith('joint'):
        assert 'enhancer.network.embed.weight' in moved
    else:
        assert not moved & enhancer
    assert f'val/{save_best}' in runner.message_hub.log_scalars
