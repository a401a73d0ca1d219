"""`LowLightEnhancer`: its three modes, padding, checkpoints."""
import copy

import pytest
import torch
from mmengine.runner.checkpoint import load_state_dict
from torch import nn

from isalux_mm.models.enhancer import LowLightEnhancer, groups_of_size, run_unpadded
from isalux_mm.registry import MODELS
from isalux_mm.structures import EnhanceDataSample

SMALL = dict(
    type='ISALux', embed_dims=(8, 16), depths=(1, 1), num_heads=(1, 2), semantic_prior=dict(type='NoPrior'))


class MeanGain(nn.Module):
    """Stand-in without routing that depends on a global statistic, which padding would change."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.5))

    def forward(self, image):
        return image * self.gain / image.mean(dim=(1, 2, 3), keepdim=True)


@pytest.fixture(scope='module', autouse=True)
def _networks():
    MODELS.register_module(module=MeanGain)


def build(network=SMALL, **options) -> LowLightEnhancer:
    torch.manual_seed(0)
    return MODELS.build(dict(type='LowLightEnhancer', network=network, **options))


def batch(*sizes: tuple[int, int], with_gt: bool = True) -> dict:
    generator = torch.Generator().manual_seed(2)
    images = [torch.rand(3, h, w, generator=generator) * 0.2 + 0.02 for h, w in sizes]
    samples = []
    for index, image in enumerate(images):
        sample = EnhanceDataSample(metainfo=dict(low_path=f'{index}.png', ori_shape=tuple(image.shape[1:])))
        if with_gt:
            sample.gt_img = (image * 4).clamp(0, 1)
        samples.append(sample)
    return dict(inputs=images, data_samples=samples)


def run(model, data, mode):
    data = model.data_preprocessor(data, training=mode == 'loss')
    return model(**data, mode=mode)


def test_losses_are_logged_under_their_names_and_summed():
    losses = dict(
        loss_mse=dict(type='MSELoss'), loss_l1=dict(type='L1Loss', loss_weight=2.0), loss_tv=dict(
            type='TotalVariationLoss', loss_weight=0.1))
    model = build(losses=losses)
    found = run(model, batch((16, 20), (16, 20)), 'loss')
    assert list(found) == ['loss_mse', 'loss_l1', 'loss_tv', 'loss_balance']
    total, log = model.parse_losses(found)
    assert total.item() == pytest.approx(sum(v.item() for v in found.values()))
    assert set(log) == {'loss', *found}


def test_loss_of_a_known_network_by_hand():
    model = build(dict(type='MeanGain'), balance_loss=None)
    data = batch((16, 20))
    low, gt = data['inputs'][0], data['data_samples'][0].gt_img
    found = run(model, data, 'loss')
    assert found['loss_mse'].item() == pytest.approx((low * 0.5 / low.mean() - gt).pow(2).mean().item(), rel=1e-5)


def test_padding_reaches_no_loss_and_no_statistic():
    sizes = [(16, 20), (24, 12), (16, 20)]
    model = build(dict(type='MeanGain'), data_preprocessor=dict(type='LowLightDataPreprocessor', pad_size_divisor=32))
    together = run(model, batch(*sizes), 'loss')['loss_mse']
    data = batch(*sizes)
    alone = [
        run(model, dict(inputs=[i], data_samples=[s]), 'loss')['loss_mse']
        for i, s in zip(data['inputs'], data['data_samples'])
    ]
    assert together.item() == pytest.approx(sum(alone).item() / 3, rel=1e-5)


@pytest.mark.parametrize('divisor', [1, 32])
def test_predict_keeps_meta_clamps_and_crops(divisor):
    model = build(dict(type='MeanGain'), data_preprocessor=dict(
        type='LowLightDataPreprocessor', pad_size_divisor=divisor)).eval()
    sizes = [(37, 53), (20, 30), (1, 1)]
    data = batch(*sizes)
    data['inputs'][0][:, 0, 0] = 1.0  # becomes more than white
    with torch.no_grad():
        found = run(model, copy.deepcopy(data), 'predict')
    for index, (sample, image) in enumerate(zip(found, data['inputs'])):
        assert sample.low_path == f'{index}.png'
        torch.testing.assert_close(sample.pred_img, (image * 0.5 / image.mean()).clamp(0, 1))
        assert torch.equal(sample.low_img, image)
    assert found[0].pred_img.max() == 1


def test_predict_of_a_batch_equals_predict_alone():
    model = build().eval()
    data = batch((24, 32), (17, 9), (24, 32))
    with torch.no_grad():
        together = run(model, copy.deepcopy(data), 'predict')
        for sample, image, own in zip(together, data['inputs'], data['data_samples']):
            alone, = run(model, dict(inputs=[image], data_samples=[own]), 'predict')
            torch.testing.assert_close(sample.pred_img, alone.pred_img, rtol=0, atol=1e-6)


def test_tensor_mode_is_the_network_and_unclamped():
    model = build(dict(type='MeanGain')).eval()
    image = torch.rand(1, 3, 8, 8)
    image[..., 0] = 4.0
    assert torch.equal(model(image), model.network(image)) and model(image).max() > 1


def test_predict_without_data_samples():
    sample, = build(dict(type='MeanGain')).eval()(torch.rand(1, 3, 6, 7), mode='predict')
    assert tuple(sample.pred_img.shape) == (3, 6, 7)


def test_routing_is_kept_detached_for_all_images():
    model = build()
    run(model, batch((16, 16), (8, 12), (16, 16)), 'loss')
    assert len(model.last_routings) == 3  # encoder, bottleneck, decoder, one block each
    for routing in model.last_routings:
        assert routing.probabilities.shape == (3, 4) and not routing.probabilities.requires_grad


def test_zero_reference_losses_need_no_reference():
    model = build(losses=dict(loss_exposure=dict(type='ExposureLoss'), loss_space=dict(type='SpatialConsistencyLoss')))
    found = run(model, batch((16, 16), with_gt=False), 'loss')
    assert found['loss_exposure'] > 0
    with pytest.raises(ValueError, match=r"needs gt_img for the loss, missing for \['0.png'\]"):
        run(build(), batch((16, 16), with_gt=False), 'loss')


def test_reference_of_another_size():
    data = batch((16, 16))
    data['data_samples'][0].gt_img = torch.rand(3, 16, 1)
    with pytest.raises(ValueError, match=r'gt_img must be \(3, 16, 16\) as its input, got \(3, 16, 1\) for 0.png'):
        run(build(), data, 'loss')


def test_wrong_names_and_modes():
    with pytest.raises(ValueError, match="losses must be named 'loss...'"):
        build(losses=dict(mse=dict(type='MSELoss')))
    with pytest.raises(ValueError, match="mode must be .* got 'train'"):
        build()(torch.rand(1, 3, 8, 8), mode='train')
    with pytest.raises(ValueError, match=r'top_k must be in \[1, 4\]'):
        build(dict(SMALL, ffn=dict(type='MoEFFN', gate=dict(type='TopKGate', top_k=5))))


def test_network_that_changes_the_size():
    with pytest.raises(ValueError, match=r'keep the size: \(1, 3, 8, 8\) went in, \(1, 3, 4, 4\) came out'):
        run_unpadded(nn.AvgPool2d(2), torch.rand(1, 3, 8, 8), [(8, 8)])


def test_groups_of_size():
    groups = groups_of_size(torch.rand(3, 3, 8, 8), [(8, 8), (4, 6), (8, 8)])
    assert [(g[0], tuple(g[1].shape)) for g in groups] == [([0, 2], (2, 3, 8, 8)), ([1], (1, 3, 4, 6))]


@pytest.mark.parametrize('load', [
    lambda model, state: model.load_state_dict(state),
    lambda model, state: model.load_state_dict(state, strict=False),
    lambda model, state: load_state_dict(model, state, strict=False),  # what mmengine's Runner does
], ids=['strict', 'lenient', 'mmengine'])
def test_checkpoint_of_another_width_is_one_clear_error(load):
    state = build(dict(SMALL, embed_dims=(12, 24))).state_dict()
    with pytest.raises(ValueError, match=r'(?s)another architecture or width, \d+ tensors.*network\.\S+: expected '
                       r'\(8,.*\), got \(12,.*\)'):
        load(build(), state)


def test_state_holds_the_network_alone_and_loads_strictly():
    losses = dict(
        loss_mse=dict(type='MSELoss'),
        loss_perceptual=dict(type='PerceptualLoss', features=dict(type='VGG19Features', layers=('relu1_1', ))))
    model = build(losses=losses)
    state = model.state_dict()
    assert all(key.startswith('network.') for key in state)
    assert not any(p.shape == (64, 3, 3, 3) for p in model.parameters())  # VGG-19's first layer
    result = build(losses=losses).load_state_dict(state, strict=True)
    assert result.missing_keys == [] and result.unexpected_keys == []
