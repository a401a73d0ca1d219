"""Hooks, inside small runs of mmengine's Runner."""
import json
import logging
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from torch.utils.data import Dataset

from isalux_mm.engine.hooks import CompileBlocksHook, SaveEnhancedHook, usage
from isalux_mm.models.gates import Routing
from isalux_mm.registry import DATASETS, MODELS
from isalux_mm.structures import EnhanceDataSample

NETWORK = dict(
    type='ISALux', embed_dims=(8, 16), depths=(1, 1), num_heads=(1, 2), semantic_prior=dict(type='NoPrior'))
SIZE = (16, 24)


class TwoPictures(Dataset):
    """Two random pairs with names, in a scene folder."""
    folders = dict(low=[Path('root/low')])

    def __len__(self):
        return 2

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        sample = EnhanceDataSample(metainfo=dict(low_path=f'root/low/scene/{index}.jpg'))
        sample.gt_img = torch.rand(3, *SIZE, generator=generator)
        return dict(inputs=sample.gt_img * 0.2, data_samples=sample)


class HookTestFeatures(torch.nn.Conv2d):
    """A feature network of one layer."""

    def __init__(self):
        super().__init__(3, 4, 3)

    def forward(self, image):
        return [super().forward(image)]


@pytest.fixture(scope='module', autouse=True)
def _parts():
    DATASETS.register_module(module=TwoPictures)
    MODELS.register_module(module=HookTestFeatures)


def loader(shuffle: bool) -> dict:
    return dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(type='InfiniteSampler' if shuffle else 'DefaultSampler', shuffle=shuffle),
        collate_fn=dict(type='pseudo_collate'),
        dataset=dict(type='TwoPictures'))


def make_runner(work_dir, hooks: list, **changes) -> Runner:
    evaluator = dict(type='PairedImageQuality')
    config = dict(
        model=dict(type='LowLightEnhancer', network=NETWORK),
        work_dir=str(work_dir),
        train_dataloader=loader(True),
        val_dataloader=loader(False),
        test_dataloader=loader(False),
        val_evaluator=evaluator,
        test_evaluator=evaluator,
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=4, val_interval=4),
        val_cfg=dict(),
        test_cfg=dict(),
        optim_wrapper=dict(optimizer=dict(type='Adam', lr=1e-4)),
        default_hooks=dict(logger=dict(type='LoggerHook', interval=2), checkpoint=None),
        custom_hooks=hooks,
        visualizer=dict(
            type='EnhanceVisualizer', vis_backends=[dict(type='LocalVisBackend', img_save_dir='../../vis')]),
        log_processor=dict(by_epoch=False),
        default_scope='isalux_mm',
        log_level=logging.ERROR,
        experiment_name=f'test_{Path(work_dir).name}')
    return Runner(**{**config, **changes})


def test_usage_by_hand():
    probabilities = torch.tensor([[0.5, 0.5, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    indices = torch.tensor([[0, 1], [0, 2]])
    shares, entropy = usage([Routing(probabilities, indices, probabilities[:, :2])])
    assert shares.tolist() == [[0.5, 0.25, 0.25, 0.0]]
    # entropies ln 2 and 0, their mean over ln 4
    assert entropy.item() == pytest.approx(0.25)


def test_usage_of_a_single_expert_is_finite():
    one = torch.ones(3, 1)
    assert usage([Routing(one, one.long() * 0, one)])[1].item() == 0


def test_expert_usage_reaches_the_log(tmp_path):
    make_runner(tmp_path, [dict(type='ExpertUsageHook', interval=2, per_layer=True)]).train()
    lines = [json.loads(line) for line in next(tmp_path.glob('*/vis_data/scalars.json')).read_text().splitlines()]
    logged = next(line for line in lines if 'experts/entropy' in line)
    assert 0 < logged['experts/entropy'] <= 1
    shares = np.array([[logged[f'experts/layer{layer}_expert{i}'] for i in range(4)] for layer in range(3)])
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)  # shares of the selections of each layer
    assert logged['experts/used_most'] == pytest.approx(shares.max()) and shares.max() <= 0.5  # two of four chosen


def test_expert_usage_without_a_mixture_writes_nothing(tmp_path):
    network = dict(NETWORK, ffn=dict(type='DenseFFN'))
    runner = make_runner(
        tmp_path, [dict(type='ExpertUsageHook', interval=1)], model=dict(type='LowLightEnhancer', network=network))
    runner.train()
    assert not [key for key in runner.message_hub.log_scalars if 'experts' in key]


def test_blocks_are_compiled_for_training_alone(tmp_path, monkeypatch):
    """The same weights as without, to rounding; blocks of one width share one graph; validation runs plain."""
    graphs, learning = [], []

    def backend(graph, inputs):
        graphs.append(graph)

        def run(*args):
            learning.append(torch.is_grad_enabled())
            return graph.forward(*args)

        return run

    def compiled(function, **options):
        assert options == dict(dynamic=False, mode='default')
        return real(function, backend=backend, dynamic=False)

    real = torch.compile
    monkeypatch.setattr(torch, 'compile', compiled)
    states = []
    for hooks in ([], [dict(type='CompileBlocksHook')]):
        torch._dynamo.reset()
        model = dict(type='LowLightEnhancer', network=dict(NETWORK, depths=(2, 3)))
        runner = make_runner(tmp_path / str(len(hooks)), hooks, model=model, randomness=dict(seed=0))
        runner.train()
        states.append(runner.model.state_dict())
        assert not [m for m in runner.model.modules() if 'forward' in vars(m)]
        assert len(runner.model.parts_to_compile()) == 7 + 1
    assert 3 <= len(graphs) <= 4  # seven blocks of two widths, of two layouts at most, and the loss
    assert learning == [True] * 4 * (7 + 1)  # four iterations; no picture of the validation
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(('num_images', 'expected'), [(1, ['val_00_0_4.png']),
                                                      (4, ['val_00_0_4.png', 'val_01_1_4.png'])])
def test_panels_are_written_at_validation(tmp_path, num_images, expected):
    make_runner(tmp_path, [dict(type='EnhanceVisualizationHook', num_images=num_images)]).train()
    files = sorted((tmp_path / 'vis').iterdir())
    assert [f.name for f in files] == expected
    height, width = cv2.imread(str(files[0])).shape[:2]
    assert height > SIZE[0] and width == 3 * SIZE[1] + 2 * 4  # three pictures, two gaps of four pixels


def test_panels_need_a_visualizer_that_draws_them(tmp_path):
    runner = make_runner(tmp_path, [dict(type='EnhanceVisualizationHook')], visualizer=dict(type='Visualizer'))
    with pytest.raises(TypeError, match="type='EnhanceVisualizer' say, got Visualizer"):
        runner.test()


def test_enhanced_images_are_saved_under_their_names(tmp_path):
    runner = make_runner(tmp_path, [dict(type='SaveEnhancedHook', out_dir=str(tmp_path / 'out'))])
    runner.test()
    assert sorted(str(p.relative_to(tmp_path)) for p in (tmp_path / 'out').rglob('*.png')) == [
        'out/scene/0.png', 'out/scene/1.png']
    sample = TwoPictures()[0]
    with torch.no_grad():
        expected = runner.model.network(sample['inputs'][None])[0].clamp(0, 1).permute(1, 2, 0).numpy()
    saved = cv2.imread(str(tmp_path / 'out/scene/0.png'))[..., ::-1] / 255
    np.testing.assert_allclose(saved, expected, atol=1.01 / 255)


class Named:
    """A set of which the paths alone are known."""

    def __init__(self, *paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def get_data_info(self, index):
        return dict(low_path=str(self.paths[index]))


def test_saved_images_meet_neither_each_other_nor_files_that_are_there(tmp_path):
    out, dataset = tmp_path / 'out', Named(tmp_path / 'low/a.jpg', tmp_path / 'low/a.png')
    runner = SimpleNamespace(test_dataloader=SimpleNamespace(dataset=dataset))
    samples = [EnhanceDataSample(metainfo=dict(low_path=str(path))) for path in dataset.paths]
    for sample in samples:
        sample.pred_img = torch.rand(3, 8, 9)
    hook = SaveEnhancedHook(str(out))
    hook.before_test_epoch(runner)
    hook.after_test_iter(runner, 0, None, samples)
    assert sorted(path.name for path in out.iterdir()) == ['a.jpg.png', 'a.png.png']
    with pytest.raises(FileExistsError, match=r'a\.jpg\.png exists; overwrite'):
        hook.before_test_epoch(runner)
    SaveEnhancedHook(str(out), overwrite=True).before_test_epoch(runner)
    dataset.paths = (out / 'a.png', out / 'b.png')
    with pytest.raises(ValueError, match='out must lead to other files than the inputs'):
        SaveEnhancedHook(str(out), overwrite=True).before_test_epoch(runner)


def test_ema_checkpoints_and_resume_meet_the_hidden_network(tmp_path):
    losses = dict(
        loss_mse=dict(type='MSELoss'),
        loss_perceptual=dict(type='PerceptualLoss', features=dict(type='HookTestFeatures')))
    changes = dict(
        model=dict(type='LowLightEnhancer', network=NETWORK, losses=losses),
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=4, save_best='PSNR', rule='greater')))
    hooks = [dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.5, update_buffers=True,
                  strict_load=True)]
    make_runner(tmp_path, hooks, **changes).train()
    assert list(tmp_path.glob('best_PSNR_iter_4.pth'))
    loop = dict(type='IterBasedTrainLoop', max_iters=6, val_interval=6)
    resumed = make_runner(tmp_path, hooks, **changes, train_cfg=loop, resume=True)
    resumed._experiment_name = 'resumed'
    resumed.train()
    assert resumed.iter == 6


def test_a_model_without_blocks_to_compile_is_told():
    runner = SimpleNamespace(model=torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match='CompileBlocksHook compiles the blocks of an enhancer alone, got a Linear'):
        CompileBlocksHook().before_train(runner)
