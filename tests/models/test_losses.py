"""Losses: numbers with their origin, freezing and hiding of feature networks, low precision."""
import math

import pytest
import torch
import torch.nn.functional as F
from pytorch_msssim import ssim
from safetensors.torch import save_file
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

from isalux_mm.models import losses
from isalux_mm.models.priors import IMAGENET_MEAN, IMAGENET_STD
from isalux_mm.registry import MODELS

PIXEL = ('MSELoss', 'L1Loss', 'CharbonnierLoss')
SMALL_VGG = dict(type='VGG19Features', layers=('relu1_2', 'relu2_1'))


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    """Two random images (2, 3, 192, 192), large enough for five scales."""
    generator = torch.Generator().manual_seed(1)
    return tuple(torch.rand(2, 3, 192, 192, generator=generator) for _ in range(2))


@pytest.mark.parametrize(('kind', 'expected'), [
    ('MSELoss', 0.25 * 0.04),  # half the pixels differ by 0.2, so the mean square is 0.02; weight 0.5
    ('L1Loss', 0.5 * 0.1),
    ('CharbonnierLoss', 0.5 * 0.5 * ((0.04 + 1e-6)**0.5 + 1e-3)),  # sqrt(d^2 + eps^2), eps = 1e-3
])
def test_pixel_losses_by_hand(kind, expected):
    gt = torch.full((1, 3, 4, 4), 0.3)
    pred = gt.clone()
    pred[..., :2] += 0.2
    assert MODELS.build(dict(type=kind, loss_weight=0.5))(pred, gt).item() == pytest.approx(expected, abs=1e-7)


def test_ssim_loss_by_hand():
    """Of flat pictures of a and b it is (2ab + c) / (a^2 + b^2 + c), c = 1e-4: .3001 / .3401 for .3 and .5."""
    flat = torch.ones(1, 3, 16, 16)
    loss = MODELS.build(dict(type='SSIMLoss', loss_weight=0.5))
    assert loss(0.3 * flat, 0.5 * flat).item() == pytest.approx(0.5 * (1 - 0.3001 / 0.3401), abs=1e-5)
    assert loss(flat, flat).item() == pytest.approx(0, abs=1e-6)


def test_gt_mean_loss_by_hand():
    """Of flat pictures of a and b: |a - b| times the plain share, which the distance of two Gaussians is; 0 where the
    means agree, whatever the contrast's error, which is then compared as it is."""
    loss = losses.GTMeanLoss(2.0)
    flat = torch.ones(1, 3, 8, 8)
    # means .4 and .5, deviations .04 and .05
    share = 0.01 / (4 * 0.0041) + 0.5 * math.log(0.0041 / (2 * 0.04 * 0.05))
    assert loss(0.4 * flat, 0.5 * flat).item() == pytest.approx(2 * (share * 0.1 + (1 - share) * 1e-3), rel=1e-3)
    assert loss(0.1 * flat, 0.5 * flat).item() == pytest.approx(2 * 0.4, rel=1e-3)  # far away: the plain loss alone
    gt = flat.clone() * 0.5
    gt[..., ::2], pred = 0.3, flat * 0.4
    assert loss(pred, gt).item() == pytest.approx(2 * 0.1, rel=1e-3)
    both = loss(torch.cat([pred, 0.1 * flat]), torch.cat([gt, 0.5 * flat]))
    assert both.item() == pytest.approx((2 * 0.1 + 2 * 0.4) / 2, rel=1e-3)  # each picture by its own mean


def test_gt_mean_loss_teaches_the_exposure_too():
    """A gain alone is learned from it, though a scaled picture tells nothing of it."""
    gt = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    gain = torch.tensor(0.3, requires_grad=True)
    optimizer = torch.optim.Adam([gain], lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        losses.GTMeanLoss()(gain * gt, gt).backward()
        optimizer.step()
    assert gain.item() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize('sigma', [0, -0.1])
def test_gt_mean_loss_refuses_a_sigma_that_is_not_positive(sigma):
    with pytest.raises(ValueError, match='sigma must be positive'):
        losses.GTMeanLoss(sigma=sigma)


def test_checkerboard_loss_by_hand():
    """A grid of +-0.01 is seen whole at its period, whatever picture and smooth error lie below; noise is hardly."""
    loss, generator = losses.CheckerboardLoss(2.0, periods=(2, ), cells=8), torch.Generator().manual_seed(0)
    gt = torch.rand(2, 3, 50, 67, generator=generator)
    rows, columns = torch.arange(50).view(-1, 1), torch.arange(67)
    grid = 0.01 * (1 - 2 * ((rows + columns) % 2))
    assert loss(gt + grid, gt).item() == pytest.approx(2 * 0.01, rel=1e-4)
    assert loss(gt + grid + 0.3, gt).item() == pytest.approx(2 * 0.01, rel=1e-4)
    assert loss(gt + 0.3, gt).item() < 1e-6
    assert loss(gt + 0.01 * torch.randn(gt.shape, generator=generator), gt).item() < 0.2 * 2 * 0.01  # 1 / 8 of it
    four = losses.CheckerboardLoss(periods=(4, ), cells=5)
    corner = 0.016 * ((rows % 4 == 1) & (columns % 4 == 2))  # mean 0.001: one of 16 is 0.015 above, 15 are 0.001 below
    assert four(gt + corner, gt).item() == pytest.approx((0.015 + 15 * 0.001) / 16, rel=1e-3)
    assert losses.CheckerboardLoss(periods=(2, 4), cells=5)(gt + grid, gt).item() == pytest.approx(0.01, rel=1e-4)


def test_checkerboard_loss_says_what_it_needs():
    with pytest.raises(ValueError, match='at least 28 pixels wide and high, got .27, 40'):
        losses.CheckerboardLoss()(*torch.rand(2, 1, 3, 27, 40))
    with pytest.raises(ValueError, match=r'periods must be 2 or more .* got \(1,\)'):
        losses.CheckerboardLoss(periods=(1, ))


def test_names_resolve_to_ours_in_our_scope():
    for kind in PIXEL:
        assert type(MODELS.build(dict(type=kind))).__module__ == 'isalux_mm.models.losses'


def test_ms_ssim_loss_bounds_and_order(pair):
    loss = MODELS.build(dict(type='MSSSIMLoss'))
    pred, gt = pair
    slightly = (gt + 0.05 * (pred - 0.5)).clamp(0, 1)
    assert loss(gt, gt).item() == pytest.approx(0, abs=1e-6)
    assert 0 < loss(slightly, gt) < loss(pred, gt) <= 1


def test_ms_ssim_needs_176_pixels_or_auto_scales():
    small = torch.rand(1, 3, 112, 112)
    with pytest.raises(ValueError, match=r'at least 176x176 pixels, got \(112, 112\).*auto_scales'):
        MODELS.build(dict(type='MSSSIMLoss'))(small, small)
    assert MODELS.build(dict(type='MSSSIMLoss', auto_scales=True))(small, small).item() == pytest.approx(0, abs=1e-6)


def test_auto_scales_of_the_smallest_image_is_ssim():
    pred, gt = torch.rand(2, 1, 3, 16, 16)
    own = MODELS.build(dict(type='MSSSIMLoss', auto_scales=True))(pred, gt)
    assert own.item() == pytest.approx(1 - max(ssim(pred, gt, data_range=1).item(), 0), abs=1e-6)


@pytest.mark.parametrize('images', ['equal_flat', 'black_white', 'negative'])
def test_ms_ssim_gradient_is_finite_without_variance(images):
    flat, noise = torch.full((1, 3, 192, 192), 0.5), torch.rand(1, 3, 192, 192)
    pred, gt = dict(
        equal_flat=(flat, flat), black_white=(flat * 0, flat * 2), negative=(noise, 1 - noise))[images]
    pred = pred.clone().requires_grad_()
    MODELS.build(dict(type='MSSSIMLoss'))(pred, gt).backward()
    assert pred.grad.isfinite().all()


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('config', [
    *(dict(type=kind) for kind in PIXEL),
    dict(type='SSIMLoss'),
    dict(type='MSSSIMLoss'),
    dict(type='PerceptualLoss', features=SMALL_VGG),
    dict(type='ExposureLoss'),
    dict(type='ColorConstancyLoss'),
    dict(type='SpatialConsistencyLoss'),
    dict(type='TotalVariationLoss'),
], ids=lambda c: c['type'])
def test_low_precision_is_computed_in_float32(config, dtype, pair):
    torch.manual_seed(0)
    loss = MODELS.build(config)
    pred, gt = (x[:1, :, :180, :180].to(dtype) for x in pair)
    pred.requires_grad_()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        value = loss(pred, gt)
    value.backward()
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(loss(pred.float(), gt.float()).item(), rel=1e-5)
    assert pred.grad.isfinite().all()


def test_packaged_features_are_the_priors_layers():
    """Blocks 3 and 6 have 24 and 32 channels at a quarter and an eighth (MobileNetV2), with the packaged weights."""
    features = MODELS.build(dict(type='PackagedFeatures', layers=(6, 3)))
    features.init_weights()
    prior = MODELS.build(dict(type='PackagedSemanticPrior'))
    prior.init_weights()
    image = torch.rand(1, 3, 33, 49)
    found = features(image)
    assert [tuple(f.shape) for f in found] == [(1, 32, 5, 7), (1, 24, 9, 13)]
    torch.testing.assert_close(found[1], prior.network.features[:4]((image - prior.mean) / prior.std))
    with pytest.raises(ValueError, match=r'layers must be one of .*, got 18'):
        MODELS.build(dict(type='PackagedFeatures', layers=(18, )))


class TestPerceptual:

    def test_is_imagenet_normalized_vgg(self, pair):
        torch.manual_seed(0)
        loss = MODELS.build(dict(type='PerceptualLoss', features=SMALL_VGG, layer_weights=(0.3, 2.0), distance='mse'))
        pred, gt = (x[..., :32, :32] for x in pair)
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
        a, b = (pred - mean) / std, (gt - mean) / std
        expected = 0.0
        for index, layer in enumerate(loss.features.network.features.children()):
            a, b = layer(a), layer(b)
            weight = {3: 0.3, 6: 2.0}.get(index, 0.0)  # relu1_2 and relu2_1 in torchvision's VGG-19
            assert index not in (3, 6) or isinstance(layer, nn.ReLU)
            expected += weight * F.mse_loss(a, b).item()
        assert loss(pred, gt).item() == pytest.approx(expected, rel=1e-5)

    def test_network_is_frozen_hidden_and_travels(self, pair):
        loss = MODELS.build(dict(type='PerceptualLoss', features=SMALL_VGG)).train()
        assert not loss.features.training
        assert not list(loss.parameters()) and not loss.state_dict() and not list(loss.buffers())
        assert loss.load_state_dict({}, strict=True).missing_keys == []
        assert next(loss.to(torch.float64).features.parameters()).dtype == torch.float64
        assert not any(p.requires_grad for p in loss.features.parameters())

    def test_gradient_reaches_the_prediction_alone(self, pair):
        loss = MODELS.build(dict(type='PerceptualLoss', features=SMALL_VGG))
        pred = pair[0][..., :16, :16].clone().requires_grad_()
        loss(pred, pair[1][..., :16, :16]).backward()
        assert pred.grad.abs().sum() > 0
        assert all(p.grad is None for p in loss.features.parameters())

    @pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
    def test_local_checkpoint(self, suffix, tmp_path):
        torch.manual_seed(3)
        state = {f'features.{k}': v for k, v in make_layers(cfgs['E'])[:7].state_dict().items()}
        path = tmp_path / f'vgg{suffix}'
        save_file(state, path) if suffix == '.safetensors' else torch.save(state, path)
        loss = MODELS.build(dict(type='PerceptualLoss', features=dict(SMALL_VGG, checkpoint=str(path))))
        weight = loss.features.network.get_parameter('features.0.weight')
        before = weight.clone()
        loss.init_weights()
        assert torch.equal(weight, state['features.0.weight'])
        assert not torch.equal(before, state['features.0.weight'])

    def test_failed_download_names_file_and_option(self, monkeypatch, tmp_path):
        def refuse(*args, **kwargs):
            raise OSError('no network')

        monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
        monkeypatch.setattr('torchvision.models._api.load_state_dict_from_url', refuse)
        with pytest.raises(RuntimeError, match=r'(?s)vgg19-dcbb9e9d\.pth.*features\.checkpoint.*out of losses'):
            MODELS.build(dict(type='PerceptualLoss', features=SMALL_VGG)).init_weights()

    def test_any_torchvision_classifier(self):
        config = dict(type='TorchvisionFeatures', model='squeezenet1_1', layers=('features.2', 'features.5'))
        features = MODELS.build(config)
        assert [f.shape[1] for f in features(torch.rand(1, 3, 48, 48))] == [64, 128]  # squeeze net's widths
        with pytest.raises(ValueError, match='layers must be one of'):
            MODELS.build(dict(config, layers=('features.99', )))
        with pytest.raises(ValueError, match='model must be one of'):
            MODELS.build(dict(config, model='vgg1'))

    def test_layer_weights_must_fit(self, pair):
        loss = MODELS.build(dict(type='PerceptualLoss', features=SMALL_VGG, layer_weights=(1.0, )))
        with pytest.raises(ValueError, match='one entry per feature map, 2, got 1'):
            loss(pair[0][..., :16, :16], pair[1][..., :16, :16])

    def test_unknown_layer(self):
        with pytest.raises(ValueError, match="layers must be one of.*'relu9_1'"):
            losses.VGG19Features(('relu9_1', ))


class TestZeroReference:
    """Expected values follow from the formulas of Zero-DCE, Sec. 3.3."""

    def test_exposure(self):
        pred = torch.full((1, 3, 32, 48), 0.2)
        assert MODELS.build(dict(type='ExposureLoss', level=0.6))(pred, pred).item() == pytest.approx(0.16, abs=1e-6)

    def test_color_constancy(self):
        pred = torch.tensor([0.1, 0.4, 0.6]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
        # (0.1 - 0.4)^2 + (0.1 - 0.6)^2 + (0.4 - 0.6)^2
        assert MODELS.build(dict(type='ColorConstancyLoss'))(pred, pred).item() == pytest.approx(0.38, abs=1e-6)

    def test_spatial_consistency(self):
        low = torch.zeros(1, 3, 4, 8)
        low[..., 4:] = 0.1
        loss = MODELS.build(dict(type='SpatialConsistencyLoss', patch=4))
        # two patches, each with one neighbour; contrast 0.3 instead of 0.1: (0.3 - 0.1)^2
        assert loss(low * 3, low).item() == pytest.approx(0.04, abs=1e-6)
        assert loss(low + 0.5, low).item() == pytest.approx(0, abs=1e-12)

    def test_total_variation_of_a_constant_gain_is_none(self):
        low = torch.rand(1, 3, 9, 7)
        loss = MODELS.build(dict(type='TotalVariationLoss', eps=1e-6))
        assert loss(low * 4, low).item() == pytest.approx(0, abs=1e-4)
        assert loss(1 - low, low).item() > 0.1

    def test_compares_with_the_input(self):
        for kind in ('ExposureLoss', 'ColorConstancyLoss', 'SpatialConsistencyLoss', 'TotalVariationLoss'):
            assert MODELS.build(dict(type=kind)).against == 'low'
