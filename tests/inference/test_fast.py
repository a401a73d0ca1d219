"""Fast mode: what a network decides on a small picture, on a large one."""
import pytest
import torch
from torch import Tensor, nn

from isalux_mm.functional.safeguards import FADE, light
from isalux_mm.inference import fast
from isalux_mm.inference.fast import FastNetwork
from isalux_mm.models.baselines import Identity
from isalux_mm.registry import MODELS

SIZES = [(1, 1), (1, 700), (700, 1), (37, 53), (150, 230)]


class Gain(nn.Module):
    """Multiplies by a number."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, image: Tensor) -> Tensor:
        return image * self.factor


class Lift(nn.Module):
    """A tone curve that brightens the dark, steep at black."""

    def forward(self, image: Tensor) -> Tensor:
        return image.clamp_min(1e-4)**0.45


def guarded_network(**changes) -> nn.Module:
    """A network of random weights with all safeguards, which changes pictures much."""
    torch.manual_seed(0)
    network = MODELS.build({**dict(type='ISALux', embed_dims=(8, 16), depths=(1, 1), num_heads=(1, 2), base='gamma',
                                   semantic_prior=dict(type='NoPrior'), safeguards=('fade', 'gray', 'black')),
                            **changes}).eval()
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return network


def guarded_affine_network() -> nn.Module:
    """The small network, likewise."""
    torch.manual_seed(0)
    network = MODELS.build(dict(type='AffineNetwork', safeguards=('fade', 'gray', 'black'))).eval()
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return network


@pytest.mark.parametrize('size', SIZES)
def test_a_network_that_changes_nothing_changes_nothing(size):
    torch.manual_seed(0)
    low = torch.rand(2, 3, *size)
    assert torch.equal(FastNetwork(Identity())(low), low)


@pytest.mark.parametrize('size', SIZES)
@torch.no_grad()
def test_a_gain_is_carried_to_any_size(size):
    torch.manual_seed(0)
    low = torch.rand(1, 3, 1, 1) * 0.2 + torch.rand(1, 3, *size) * 0.05
    # the slope that noise alone would tell is drawn towards the gain, which it is
    torch.testing.assert_close(FastNetwork(Gain(3), denoise=False)(low), 3 * low, atol=2e-3, rtol=0)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
@torch.no_grad()
def test_the_result_has_the_dtype_of_the_picture(dtype):
    low = torch.linspace(0.05, 0.2, 60).expand(1, 3, 40, 60).to(dtype)
    out = FastNetwork(Gain(2))(low)
    assert out.dtype is dtype
    torch.testing.assert_close(out, 2 * low, atol=0.01, rtol=0)


@torch.no_grad()
def test_pictures_of_a_batch_know_nothing_of_each_other():
    torch.manual_seed(0)
    low, network = torch.rand(3, 3, 90, 70) * torch.tensor([0.1, 0.3, 0.6]).view(3, 1, 1, 1), FastNetwork(Lift())
    alone = torch.cat([network(one) for one in low.split(1)])
    torch.testing.assert_close(network(low), alone, atol=1e-5, rtol=0)


@torch.no_grad()
def test_strips_of_rows_leave_no_seam(monkeypatch):
    torch.manual_seed(0)
    low, network = 0.1 + 0.03 * torch.randn(1, 3, 301, 90).clamp(-3, 3), FastNetwork(Gain(4))
    whole = network(low)
    monkeypatch.setattr(fast, 'STRIP_PIXELS', 90 * 48)
    torch.testing.assert_close(network(low), whole, atol=1e-6, rtol=0)
    by_pixel = low.contiguous(memory_format=torch.channels_last)
    assert network(by_pixel).is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(network(by_pixel), whole, atol=1e-6, rtol=0)


@torch.no_grad()
def test_an_edge_has_no_halo():
    """Beside a step from 0.02 to 0.6 the flat sides come out flat: within two levels of 255 of the curve."""
    low = torch.full((1, 3, 400, 600), 0.02)
    low[..., 233:] = 0.6
    difference = (FastNetwork(Lift())(low) - Lift()(low)).abs().amax(dim=(0, 1, 2))
    assert difference.max() < 2 / 255


@torch.no_grad()
def test_a_smooth_sky_has_no_blocks():
    """A ramp's steps stay steps of one sign, and none is three times its neighbours' mean: no cell shows its border."""
    ramp = torch.linspace(0.04, 0.25, 600)
    low = ramp.expand(1, 3, 400, 600) * torch.tensor([0.8, 0.9, 1.0]).view(3, 1, 1)
    steps = FastNetwork(Lift())(low)[0, :, 200].diff(dim=-1)
    assert steps.min() > 0
    around = nn.functional.avg_pool1d(steps[None], 31, stride=1)[0]
    assert (steps[:, 15:-15] / around).max() < 3


@pytest.mark.parametrize('network', [guarded_network, guarded_affine_network])
@torch.no_grad()
def test_a_lamp_in_black_leaves_black_black(network):
    low = torch.zeros(1, 3, 400, 600)
    low[..., 190:210, 290:310] = torch.tensor([1.0, 0.9, 0.6]).view(3, 1, 1)
    out = FastNetwork(network())(low)
    assert (out[..., 190:210, 290:310] - low[..., 190:210, 290:310]).abs().max() > 0.01, 'the lamp is to change'
    away = torch.ones(400, 600, dtype=torch.bool)
    away[160:240, 260:340] = False  # three small pixels around the lamp
    assert torch.equal(out[..., away], low[..., away])


@torch.no_grad()
def test_gray_stays_gray():
    torch.manual_seed(0)
    low = (torch.rand(1, 1, 200, 300) * 0.1 + torch.linspace(0, 0.1, 300)).expand(1, 3, -1, -1)
    out = FastNetwork(guarded_network())(low)
    assert (out - low).abs().mean() > 0.01, 'the picture is to change'
    assert (out.amax(dim=1) - out.amin(dim=1)).max() < 1e-5


@torch.no_grad()
def test_a_well_lit_picture_stays_by_all_of_its_pixels():
    """Lamps of one pixel make the picture use the whole scale; on the small copy they would vanish."""
    torch.manual_seed(0)
    low = torch.full((1, 3, 400, 600), 0.40) + 0.05 * torch.rand(1, 3, 400, 600)
    low[..., ::6, ::6] = 1.0
    network = FastNetwork(guarded_network())
    assert light(low) > FADE[1] > light(network.reduced(low)), 'the test needs a picture that only its pixels tell'
    assert torch.equal(network(low), low)


@pytest.mark.parametrize('gain', [2, 6])
@torch.no_grad()
def test_noise_that_the_gain_brings_up_is_removed(gain):
    torch.manual_seed(0)
    low = 0.08 + 0.01 * torch.randn(1, 3, 240, 320)
    raw, out = FastNetwork(Gain(gain), denoise=False)(low), FastNetwork(Gain(gain))(low)
    inside = (slice(None), slice(None), slice(8, -8), slice(8, -8))
    assert out[inside].std() < 0.45 * raw[inside].std()
    torch.testing.assert_close(out.mean(), raw.mean(), atol=1e-3, rtol=0)


@torch.no_grad()
def test_detail_far_above_the_noise_stays():
    torch.manual_seed(0)
    stripes = 0.06 * (torch.arange(320) // 4 % 2)
    low = 0.06 + stripes.expand(1, 3, 240, 320)
    noisy = low + 0.004 * torch.randn(low.shape)
    out = FastNetwork(Gain(4))(noisy)
    contrast = out[..., stripes > 0].mean() - out[..., stripes == 0].mean()
    assert contrast > 0.9 * 4 * 0.06


@torch.no_grad()
def test_maps_between_two_moments():
    low = torch.linspace(0.02, 0.2, 90).expand(1, 3, 80, 90)
    dim, bright = (FastNetwork(Gain(factor)) for factor in (2, 4))
    middle = dim.maps(low).blended(bright.maps(low), 0.25)
    torch.testing.assert_close(dim.render(low, middle), 2.5 * low, atol=1e-3, rtol=0)
    larger = torch.linspace(0.02, 0.2, 300).expand(1, 3, 333, 300)  # of the same scene
    torch.testing.assert_close(dim.render(larger, middle), 2.5 * larger, atol=2e-3, rtol=0)


@torch.no_grad()
def test_hidden_pixels_decide_nothing():
    """But for what convolutions see of them beyond the border, and a picture fills them with its seen ones."""
    torch.manual_seed(0)
    low, visible = torch.rand(1, 3, 120, 180) * 0.2, torch.ones(1, 1, 120, 180)
    visible[..., 90:] = 0
    network, hidden, shown = FastNetwork(guarded_network()), [], []
    for level in (0.0, 0.9):
        low[..., 90:] = level
        hidden.append(network(low, visible=visible)[..., :60])
        shown.append(network(low)[..., :60])
    assert (hidden[0] - hidden[1]).abs().mean() < 0.25 * (shown[0] - shown[1]).abs().mean()


def test_gradients_reach_the_network():
    torch.manual_seed(0)
    network = guarded_network()
    FastNetwork(network)(torch.rand(1, 3, 90, 120) * 0.2).mean().backward()
    assert all(parameter.grad is not None for parameter in network.to_rgb.parameters())
    assert sum(parameter.grad.abs().sum() for parameter in network.to_rgb.parameters()) > 0


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match='short_side must be at least 1'):
        FastNetwork(Identity(), short_side=0)
    with pytest.raises(ValueError, match='must keep the size'):
        FastNetwork(nn.AvgPool2d(2))(torch.rand(1, 3, 80, 80))
    with pytest.raises(ValueError, match=r'low must have axes \(B 3 H W\)'):
        FastNetwork(Identity())(torch.rand(3, 80, 80))
