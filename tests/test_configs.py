"""Every config parses, states what it is, and builds its model, pipelines and metrics without data or downloads."""
import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from isalux_mm.functional.development import mean_luma
from isalux_mm.registry import DATASETS, METRICS, MODELS, TRANSFORMS
from isalux_mm.structures import EnhanceDataSample

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
STANDALONE = sorted((*CONFIGS.glob('*.py'), *(CONFIGS / 'ablation').rglob('*.py')))
SMALL = sorted((CONFIGS / 'ablation/small').glob('*.py'))
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


@pytest.mark.parametrize('path', SMALL, ids=lambda p: p.stem)
def test_small_ablation_has_one_budget_and_nothing_to_download(path, monkeypatch):
    monkeypatch.setattr('torch.hub.download_url_to_file', lambda *args, **options: pytest.fail('a download'))
    full, ablation = Config.fromfile(CONFIGS / 'ablation/small/full.py'), Config.fromfile(path)
    for key in ('train_dataloader', 'val_dataloader', 'optim_wrapper', 'param_scheduler', 'train_cfg', 'default_hooks'):
        assert ablation[key] == full[key]
    model = MODELS.build(ablation.model)
    model.init_weights()
    trained = sum(p.numel() for p in model.network.parameters() if p.requires_grad)
    assert trained == pytest.approx(480_000, rel=0.7 if path.stem.startswith(('experts', 'dense')) else 0.1)


def test_the_main_config_keeps_the_papers_facts():
    cfg = Config.fromfile(CONFIGS / 'isalux_lol.py')
    crop = next(t for t in cfg.train_dataloader.dataset.pipeline if t.type == 'PairedRandomCrop')
    assert crop.crop_size == 256  # the paper's patches
    assert {loss.type for loss in cfg.model.losses.values()} == {'MSELoss', 'PerceptualLoss', 'MSSSIMLoss'}  # Eq. 13
    trainable = sum(p.numel() for p in MODELS.build(cfg.model).network.parameters() if p.requires_grad)
    assert trainable == pytest.approx(1.85e6, rel=0.01)  # the paper's count


def test_the_offline_sibling_needs_no_download(monkeypatch):
    """All three terms of Eq. 13; it differs from the main config in what is downloaded."""
    monkeypatch.setattr('torch.hub.download_url_to_file', lambda *args, **options: pytest.fail('a download'))
    main, offline = (Config.fromfile(CONFIGS / f'isalux_lol{kind}.py') for kind in ('', '_offline'))
    model = MODELS.build(offline.model)
    model.init_weights()
    gt = torch.rand(1, 3, 192, 192, generator=torch.Generator().manual_seed(0)) * 0.2 + 0.4
    losses = model(gt - 0.1, [EnhanceDataSample(gt_img=gt[0])], mode='loss')
    terms = {'loss_mse', 'loss_perceptual', 'loss_ms_ssim'}
    assert terms <= losses.keys() and all(losses[name].isfinite() and losses[name] > 0 for name in terms)
    offline.model.network.semantic_prior = main.model.network.semantic_prior
    offline.model.losses.loss_perceptual = main.model.losses.loss_perceptual
    for key in ('model', 'train_dataloader', 'val_dataloader', 'optim_wrapper', 'param_scheduler', 'train_cfg'):
        assert offline[key] == main[key]


def test_the_adaptation_of_the_prior_builds():
    cfg = Config.fromfile(CONFIGS / 'semantic_prior/dark_adaptation.py')
    model = MODELS.build(cfg.model)
    assert model.teacher.least_luma == 0 < model.student.least_luma
    for dataset in (*cfg.train_dataloader.dataset.datasets, cfg.val_dataloader.dataset):
        assert DATASETS.get(dataset.type) is not None and dataset.layout
        for transform in dataset.pipeline:
            TRANSFORMS.build(transform)
    for metric in cfg.val_evaluator:
        METRICS.build(metric)
    assert len(cfg.train_dataloader.sampler.shares) == len(cfg.train_dataloader.dataset.datasets)


# sets of real pairs that are trained on
VIEWS = dict(isalux_zero_shot=0, isalux_zero_shot_near=0, isalux_zero_shot_256=0, isalux_zero_shot_graded=0,
             isalux_zero_shot_rooms=0,
             isalux_general=2, isalux_general_last=2, isalux_general_256=2, isalux_general_calm=2,
             isalux_general_rooms=2,
             isalux_lol_finetune=1,
             isalux_lol_finetune_last=1, isalux_lol_256=1, isalux_lol_calm=1)
WHOLE = dict(isalux_zero_shot_whole=0, isalux_general_whole=2, isalux_lol_finetune_whole=1, isalux_lol_256_whole=1)


@pytest.mark.parametrize(('name', 'sets'), [*VIEWS.items(), *WHOLE.items()])
def test_what_is_held_out_is_watched_and_not_trained_on(name, sets):
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    watched = cfg.val_dataloader.dataset
    assert watched.data_prefix.low == 'our485/low' and len(set(watched.only)) == 91  # 40 scenes
    assert cfg.test_dataloader.dataset.data_prefix.low == 'eval15/low'
    pairs = [part for part in parts_of(cfg.train_dataloader.dataset) if part.type == 'PairedImageDataset']
    assert len(pairs) == sets
    for part in pairs:
        assert set(part.leave_out) == set(watched.only) or len(set(part.leave_out)) == 33  # a third of 100
    sizes = [t.size if t.type == 'RandomResizedView' else (t.crop_size, t.crop_size)
             for part in parts_of(cfg.train_dataloader.dataset) for t in part.pipeline
             if t.type in ('RandomResizedView', 'PairedRandomCrop')]
    if name in WHOLE:  # pictures of several sizes, but for LOL-v1's
        assert not sizes and cfg.train_dataloader.batch_size == (4 if name == 'isalux_lol_256_whole' else 1)
        return
    window = cfg.model.losses.loss_checkerboard.cells * 4  # of the longest period
    assert len(set(map(tuple, sizes))) == 1 and min(sizes[0]) >= window and not any(side % 4 for side in sizes[0])


def test_a_view_of_the_calm_training_is_a_pair_or_its_reference_at_a_plain_gain():
    pipeline = Config.fromfile(CONFIGS / 'isalux_lol_calm.py').train_dataloader.dataset.pipeline
    choice = next(transform for transform in pipeline if transform.type == 'RandomChoice')
    gt = np.linspace(0.1, 0.4, 48, dtype=np.float32).reshape(4, 4, 3)
    pair, exposed, bright = (TRANSFORMS.build(choice | dict(prob=[float(k == one) for k in range(3)]))(dict(
        low=gt / 9, gt=gt)) for one in range(3))
    assert pair.keys() == {'low', 'gt'} and np.array_equal(pair['low'], gt / 9) and np.array_equal(pair['gt'], gt)
    for view in (exposed, bright):
        drawn = view['degradation']
        assert -8 <= drawn['stops'] <= 0 and drawn['toe'] == 1 and drawn['gains'] == (1, 1, 1) and not drawn['matrix']
        assert view['low'].mean() < view['gt'].mean()
    assert np.array_equal(exposed['gt'], gt) and mean_luma(bright['gt']) == pytest.approx(0.46, abs=0.01)
    assert mean_luma(gt) < 0.3


def test_the_last_phase_of_the_mixture_differs_in_the_views_alone():
    whole, last = (Config.fromfile(CONFIGS / f'isalux_general{end}.py') for end in ('', '_last'))
    for part in whole.train_dataloader.dataset.datasets:
        for transform in part.pipeline:
            if transform.type == 'RandomResizedView':
                transform.size = (200, 300)
    assert whole.train_dataloader.dataset == last.train_dataloader.dataset
    assert whole.train_dataloader.sampler == last.train_dataloader.sampler


def test_the_other_camera_is_watched_on_what_the_general_model_does_not_see():
    general, other = (Config.fromfile(CONFIGS / f'isalux_general{end}.py') for end in ('', '_other_camera'))
    assert general.train_dataloader == other.train_dataloader
    assert other.test_dataloader.dataset.only == general.train_dataloader.dataset.datasets[2].leave_out
    assert len(general.train_dataloader.sampler.shares) == len(general.train_dataloader.dataset.datasets)


def test_whole_scenes_are_held_out(shared_data):
    scene_of = {int(row['image']): row['scene'] for row in scenes_of_lol(shared_data)}
    held_out = set(Config.fromfile(CONFIGS / '_base_/datasets/lol_v1_holdout.py').lol_v1_holdout)
    scenes = {scene_of[image] for image in held_out}
    assert len(scenes) == 40 and held_out == {image for image, scene in scene_of.items() if scene in scenes}


def test_the_twins_are_the_pictures_of_eval15s_scenes(shared_data):
    rows = scenes_of_lol(shared_data)
    scenes = {row['scene'] for row in rows if row['eval15_images_of_the_same_scene']}
    twins = Config.fromfile(CONFIGS / '_base_/datasets/lol_v1_twins.py').lol_v1_twins
    assert sorted(twins) == sorted(int(row['image']) for row in rows if row['scene'] in scenes)


def test_training_without_twins_leaves_out_nothing_else():
    last, without = (Config.fromfile(CONFIGS / f'isalux_lol_{end}.py') for end in ('finetune_last', 'without_twins'))
    assert len(set(without.lol_v1_twins)) == 24 and not set(without.lol_v1_twins) & set(last.lol_v1_holdout)
    assert without.train_dataloader.dataset.leave_out == without.lol_v1_twins
    assert without.model.pop('init_cfg').checkpoint == 'isalux_zero_shot'
    without.train_dataloader.dataset.leave_out = last.train_dataloader.dataset.leave_out
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader', 'model', 'custom_hooks'):
        assert without[key] == last[key]


def scenes_of_lol(shared_data):
    with open(shared_data / 'lol_v1/scenes.csv', newline='') as file:
        return list(csv.DictReader(file))
