"""Every config parses, states what it is, and builds its model, pipelines and metrics without data or downloads."""
from pathlib import Path

import pytest
from mmengine.config import Config

from isalux_mm.registry import DATASETS, METRICS, MODELS, TRANSFORMS

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
STANDALONE = sorted((*CONFIGS.glob('*.py'), *(CONFIGS / 'ablation').glob('*.py')))
LOL_BASED = [p for p in STANDALONE if p.parent.name == 'ablation']


def parts_of(dataset) -> list:
    """A dataset, or those that are joined in it."""
    return dataset.datasets if dataset.type == 'ConcatDataset' else [dataset]


@pytest.mark.parametrize('path', STANDALONE, ids=lambda p: p.stem)
def test_config_builds(path):
    cfg = Config.fromfile(path)
    assert cfg.default_scope == 'isalux_mm'
    model = MODELS.build(cfg.model)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) > 1e5
    for part in ('train', 'val', 'test'):
        for dataset in parts_of(cfg[f'{part}_dataloader'].dataset):
            assert DATASETS.get(dataset.type) is not None and dataset.layout
            for transform in dataset.pipeline:
                TRANSFORMS.build(transform)
    for metric in cfg.val_evaluator:
        METRICS.build(metric)


@pytest.mark.parametrize('path', STANDALONE, ids=lambda p: p.stem)
def test_config_without_data_says_what_to_put_where(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for dataset in parts_of(Config.fromfile(path).train_dataloader.dataset):
        with pytest.raises(FileNotFoundError) as error:
            DATASETS.build(dataset)
        assert dataset.layout in str(error.value) and str(dataset.data_root) in str(error.value)


@pytest.mark.parametrize('path', STANDALONE, ids=lambda p: p.stem)
def test_config_head(path):
    head = [line for line in path.read_text().split('_base_')[0].splitlines() if line]
    assert all(line.startswith('# ') for line in head)
    assert any('Expected' in line for line in head)
    assert f'tools/train.py {path.relative_to(CONFIGS.parent)}' in head[-1]


@pytest.mark.parametrize('path', LOL_BASED, ids=lambda p: p.stem)
def test_ablation_differs_in_the_model_alone(path):
    full, ablation = Config.fromfile(CONFIGS / 'isalux_lol.py'), Config.fromfile(path)
    assert ablation.model != full.model
    for key in ('train_dataloader', 'val_dataloader', 'optim_wrapper', 'param_scheduler', 'train_cfg'):
        assert ablation[key] == full[key]


def test_the_main_config_keeps_the_papers_facts():
    cfg = Config.fromfile(CONFIGS / 'isalux_lol.py')
    crop = next(t for t in cfg.train_dataloader.dataset.pipeline if t.type == 'PairedRandomCrop')
    assert crop.crop_size == 256  # the paper's patches
    assert {loss.type for loss in cfg.model.losses.values()} == {'MSELoss', 'PerceptualLoss', 'MSSSIMLoss'}  # Eq. 13
    trainable = sum(p.numel() for p in MODELS.build(cfg.model).network.parameters() if p.requires_grad)
    assert trainable == pytest.approx(1.85e6, rel=0.01)  # the paper's count
