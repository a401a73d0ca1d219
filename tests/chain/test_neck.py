"""The preprocessing neck: alone or in a batch, frozen or not, reduced or not, from which checkpoint."""
from functools import partial

import pytest
import torch
from mmengine.model import BaseModule
from mmengine.runner import save_checkpoint
from safetensors.torch import save_file

from isalux_mm.chain.neck import ISALuxNeck, carry_over
from isalux_mm.models.baselines import CurveNetwork, GammaCurve, Identity
from isalux_mm.models.enhancer import LowLightEnhancer
from isalux_mm.registry import MODELS

ISALUX = dict(type='ISALux', embed_dims=(8, 16), depths=(1, 1), num_heads=(1, 2), semantic_prior=dict(type='NoPrior'))
CURVES = dict(type='CurveNetwork', channels=4, iterations=2)
EveryPicture = partial(ISALuxNeck, fade=None)  # bright ones too; test_fade.py has the rest
SIZES = [(37, 53), (24, 41), (37, 53)]


class Doubled(BaseModule):
    """A gain of two, and a record of what was seen."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, image):
        self.seen.append(tuple(image.shape))
        return 2 * image


class Enlarging(BaseModule):

    def forward(self, image):
        return image.repeat(1, 1, 2, 2)


@pytest.fixture(scope='module', autouse=True)
def _networks():
    for network in (Doubled, Enlarging):
        MODELS.register_module(module=network)


def padded_batch() -> tuple[torch.Tensor, list[torch.Tensor]]:
    torch.manual_seed(0)
    images = [torch.rand(3, h, w) * 0.3 for h, w in SIZES]
    batch = torch.full((len(SIZES), 3, 40, 64), 0.9)  # loud padding: any leak shows
    for place, image in zip(batch, images):
        place[:, :image.shape[1], :image.shape[2]] = image
    return batch, images


@pytest.mark.parametrize('network', [ISALUX, dict(ISALUX, base='gamma'), CURVES], ids=['isalux', 'gamma', 'curves'])
@pytest.mark.parametrize('work_short_side', [None, 16])
def test_every_image_gets_the_result_that_it_has_alone(network, work_short_side):
    torch.manual_seed(0)
    neck = ISALuxNeck(network, work_short_side=work_short_side).eval()
    batch, images = padded_batch()
    with torch.no_grad():
        together = neck(batch, SIZES)
        for out, image, (h, w) in zip(together, images, SIZES):
            torch.testing.assert_close(out[:, :h, :w], neck(image[None])[0], atol=2e-6, rtol=1e-5)
            assert (out[:, h:] == 0).all() and (out[:, :, w:] == 0).all()


def test_gradients_pass_through_groups_of_sizes():
    neck = ISALuxNeck(CURVES)
    batch, _ = padded_batch()
    neck(batch, SIZES).square().sum().backward()
    assert neck.network.down[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize('side', [None, 20])
def test_a_network_that_changes_the_size_is_named_with_both(side):
    with pytest.raises(ValueError, match=r'keep the size: .* went in, .* came out'):
        EveryPicture(dict(type='Enlarging'), work_short_side=side)(torch.rand(1, 3, 37, 53))


class TestReducedResolution:

    def test_the_network_sees_the_reduced_image(self):
        neck = EveryPicture(dict(type='Doubled'), work_short_side=16)
        assert neck(torch.rand(1, 3, 37, 53)).shape == (1, 3, 37, 53)
        neck(torch.rand(1, 3, 12, 53))
        assert neck.network.seen == [(1, 3, 16, 23), (1, 3, 12, 53)]

    def test_what_changes_nothing_changes_nothing(self, picture):
        out = EveryPicture(dict(type='Identity'), work_short_side=16)(picture)
        torch.testing.assert_close(out, picture, atol=1e-6, rtol=0)

    def test_a_gain_is_carried_over_with_every_detail(self):
        """Noise at full resolution is far beyond what a quarter of it holds; the gain of 2 must reach it."""
        torch.manual_seed(0)
        image = torch.rand(1, 3, 64, 80) * 0.2
        out = EveryPicture(dict(type='Doubled'), work_short_side=16, denoise=False)(image)
        assert (out - 2 * image).abs().mean() < 0.02 * (2 * image).mean()

    def test_noise_is_not_amplified_with_the_detail(self):
        """Of a dark slope with noise, three quarters of the noise's energy go; the slope stays where it was."""
        torch.manual_seed(0)
        clean = torch.linspace(0.02, 0.06, 160).expand(1, 3, 128, 160)
        noisy = clean + 0.004 * torch.randn(1, 3, 128, 160)
        kept, removed = (EveryPicture(dict(type='Doubled'), work_short_side=32, denoise=x)(noisy)
                         for x in (False, True))
        energy = [(out - 2 * clean).square().mean() for out in (kept, removed)]
        assert energy[1] < 0.25 * energy[0]
        assert (removed - 2 * clean).mean(dim=(0, 1, 2)).abs().max() < 0.004  # half a deviation of the amplified noise

    def test_what_has_no_noise_loses_nothing(self):
        """Drawn things, flat but for their edges: the calmest blocks have no noise, so nothing is removed at all."""
        image = torch.full((1, 3, 128, 160), 0.03)
        image[..., 40:80, 50:90] = 0.12
        image[..., 60:62, 20:140] = 0.01
        pair = [EveryPicture(dict(type='Doubled'), work_short_side=32, denoise=x)(image) for x in (False, True)]
        torch.testing.assert_close(*pair, atol=1e-6, rtol=0)

    def test_noise_is_removed_alike_with_and_without_a_graph(self):
        torch.manual_seed(0)
        image = 0.05 + 0.01 * torch.randn(1, 3, 128, 160)
        neck = EveryPicture(CURVES, work_short_side=32)
        with torch.no_grad():
            quick = neck(image)
        torch.testing.assert_close(quick, neck(image).detach(), atol=1e-5, rtol=1e-4)

    def test_one_graph_for_pictures_of_any_content(self):
        """What noise there is hangs on the values; the exported graph measures it anew."""
        torch.manual_seed(0)
        neck = EveryPicture(CURVES, work_short_side=32, frozen=True)
        images = [level + noise * torch.randn(1, 3, 128, 160) for level, noise in ((0.1, 0.001), (0.04, 0.01))]
        graph = torch.export.export(neck, (images[0], )).module()
        for image in images:
            torch.testing.assert_close(graph(image), neck(image), atol=1e-5, rtol=1e-4)

    def test_it_is_close_to_the_full_resolution(self, picture):
        full, reduced = (EveryPicture(dict(type='GammaCurve'), work_short_side=s)(picture * 0.3) for s in (None, 20))
        assert (full - reduced).abs().mean() < 0.02  # 2 % of the range

    def test_an_edge_stays_an_edge(self):
        """A step brightened by a power law: no halo wider than the step itself, as a blurred gain map has."""
        image = torch.full((1, 3, 64, 64), 0.02)
        image[..., 32:] = 0.4
        reduced = torch.nn.functional.interpolate(image, size=(32, 32), mode='area')
        out = carry_over(reduced, reduced**0.45, image)
        torch.testing.assert_close(out[..., 31], torch.full_like(out[..., 31], 0.02**0.45), atol=0.02, rtol=0)
        torch.testing.assert_close(out[..., 32], torch.full_like(out[..., 32], 0.4**0.45), atol=0.02, rtol=0)

    def test_black_stays_finite(self):
        out = EveryPicture(dict(type='GammaCurve'), work_short_side=8)(torch.zeros(1, 3, 32, 32))
        assert out.isfinite().all() and out.max() < 0.1

    def test_gradients_pass(self):
        neck = EveryPicture(CURVES, work_short_side=8)
        neck(torch.rand(1, 3, 32, 40)).sum().backward()
        assert neck.network.down[0].weight.grad.abs().sum() > 0

    @pytest.mark.parametrize('mode', ['full', 'fast'])
    def test_a_black_corner_leaves_gradients_finite(self, mode):
        """Blocks without any noise: the root of their energy has no slope."""
        torch.manual_seed(0)
        image = 0.1 * torch.rand(1, 3, 128, 160)
        image[..., :48, :48] = 0
        image.requires_grad_()
        EveryPicture(CURVES, work_short_side=32, mode=mode)(image).square().sum().backward()
        assert image.grad.isfinite().all() and image.grad.abs().sum() > 0


class TestFreezing:

    def test_frozen_means_no_gradient_no_graph_and_eval_after_train(self):
        neck = EveryPicture(CURVES, frozen=True).train()
        assert not any(m.training for m in neck.modules())
        assert not any(p.requires_grad for p in neck.parameters())
        assert not neck(torch.rand(1, 3, 8, 9, requires_grad=True)).requires_grad

    def test_joint_is_the_default(self):
        neck = EveryPicture(CURVES).train()
        assert neck.network.training and neck(torch.rand(1, 3, 8, 9)).requires_grad


class TestCheckpoint:

    @pytest.fixture
    def trained(self):
        torch.manual_seed(5)
        return MODELS.build(CURVES)

    @staticmethod
    def written(state: dict, path) -> str:
        save_file(state, path) if path.suffix == '.safetensors' else torch.save(state, path)
        return str(path)

    @pytest.mark.parametrize('name', ['bare.pth', 'bare.safetensors'])
    def test_weights_of_the_bare_network(self, name, tmp_path, trained):
        neck = ISALuxNeck(CURVES, self.written(trained.state_dict(), tmp_path / name))
        assert torch.equal(neck.network.middle.weight, trained.middle.weight)

    def test_checkpoint_of_the_standalone_enhancer(self, tmp_path):
        enhancer = LowLightEnhancer(CURVES, balance_loss=None)
        save_checkpoint(dict(state_dict=enhancer.state_dict(), meta=dict(epoch=1)), str(tmp_path / 'epoch_1.pth'))
        neck = ISALuxNeck(CURVES, str(tmp_path / 'epoch_1.pth'))
        assert torch.equal(neck.network.middle.weight, enhancer.network.middle.weight)

    def test_initialization_leaves_the_weights_of_the_checkpoint(self, tmp_path, trained):
        neck = ISALuxNeck(CURVES, self.written(trained.state_dict(), tmp_path / 'bare.pth'))
        neck.init_weights()
        assert torch.equal(neck.network.middle.weight, trained.middle.weight)

    def test_no_matching_key_is_an_error(self, tmp_path):
        with pytest.raises(ValueError, match=r'no key of .* matches'):
            ISALuxNeck(CURVES, self.written(dict(other=torch.zeros(1)), tmp_path / 'other.pth'))

    def test_another_width_is_an_error(self, tmp_path):
        state = MODELS.build(dict(CURVES, channels=8)).state_dict()
        with pytest.raises(ValueError, match='another architecture or width'):
            ISALuxNeck(CURVES, self.written(state, tmp_path / 'wide.pth'))

    def test_a_partial_match_is_logged_with_counts(self, tmp_path, trained, monkeypatch):
        lines = []
        monkeypatch.setattr('mmengine.logging.MMLogger.info', lambda self, message: lines.append(message))
        state = {key: value for key, value in trained.state_dict().items() if key.startswith('middle')}
        ISALuxNeck(CURVES, self.written(state, tmp_path / 'part.pth'))
        assert any('2 of 14 tensors loaded' in line for line in lines)

    def test_a_missing_file_is_an_error_when_images_arrive(self, tmp_path):
        neck = ISALuxNeck(CURVES, str(tmp_path / 'gone.pth'))
        with pytest.raises(FileNotFoundError, match='gone.pth'):
            neck(torch.rand(1, 3, 8, 8))

    def test_a_missing_file_is_no_error_once_the_whole_was_loaded(self, tmp_path):
        neck = ISALuxNeck(CURVES, str(tmp_path / 'gone.pth'))
        neck.load_state_dict(ISALuxNeck(CURVES).state_dict())
        assert neck(torch.rand(1, 3, 8, 8)).shape == (1, 3, 8, 8)


def test_clamping_is_an_option():
    image = torch.full((1, 3, 4, 4), 0.8)
    assert EveryPicture(dict(type='Doubled'))(image).max() == pytest.approx(1.6)
    assert EveryPicture(dict(type='Doubled'), clamp_output=True)(image).max() == 1


@pytest.mark.parametrize(('call', 'message'), [
    (lambda: ISALuxNeck(CURVES, work_short_side=0), 'work_short_side must be at least 1 or None, got 0'),
    (lambda: ISALuxNeck(CURVES)(torch.rand(2, 3, 4, 4), [(4, 4)]), r'one \(h, w\) per image, 2, got 1'),
    (lambda: ISALuxNeck(CURVES)(torch.rand(1, 1, 4, 4)), r'images must have axes \(B 3 H W\)'),
    (lambda: GammaCurve(0), 'gamma must be positive, got 0'),
    (lambda: CurveNetwork(0), 'got 0 and 8'),
])
def test_wrong_use(call, message):
    with pytest.raises(ValueError, match=message):
        call()


class TestBaselines:

    def test_identity_is_the_same_tensor(self, picture):
        assert Identity()(picture) is picture

    def test_gamma_is_the_power_law(self, picture):
        torch.testing.assert_close(GammaCurve(0.5)(picture), picture.clamp_min(1e-4).sqrt())

    def test_the_curve_network_has_zero_dces_parameters(self):
        """79,416, as published with Zero-DCE's 32 channels and 8 iterations."""
        assert sum(p.numel() for p in CurveNetwork().parameters()) == 79416

    def test_curves_keep_black_white_and_the_range(self):
        network = CurveNetwork(4)
        ends = torch.cat([torch.zeros(1, 3, 5, 7), torch.ones(1, 3, 5, 7)])
        assert torch.equal(network(ends), ends)
        out = network(torch.rand(1, 3, 5, 7))
        assert out.min() >= 0 and out.max() <= 1

    def test_one_curve_is_the_published_one(self):
        """LE = x + a x (1 - x), a = tanh(1) everywhere with weights of zero and a bias of one."""
        network = CurveNetwork(4, 1)
        for parameter in network.parameters():
            torch.nn.init.zeros_(parameter)
        torch.nn.init.ones_(network.up[-1].bias)
        x = torch.rand(1, 3, 5, 7)
        torch.testing.assert_close(network(x), x + torch.tanh(torch.tensor(1.0)) * x * (1 - x))
