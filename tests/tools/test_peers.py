"""The benchmark's peers against published counts and against values of the published code."""
import pytest
import torch
from loading import load_tool
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

peers = load_tool('peers')
Restormer, Retinexformer, pad_to_multiple = peers.Restormer, peers.Retinexformer, peers.padding.pad_to_multiple
GIBI = 2**30


def small_retinexformer(**options) -> nn.Module:
    return Retinexformer(8, (1, 2, 2), **options)


def small_restormer() -> nn.Module:
    return Restormer(16, (1, 1, 1, 1), refinement=1)


def fill(model: nn.Module) -> nn.Module:
    """Weights by formula, float64: a wave of amplitude 0.2, around one for scales and temperatures."""
    model.double()
    with torch.no_grad():
        for index, (name, p) in enumerate(model.named_parameters(), start=1):
            scale = 'temperature' in name or (p.dim() == 1 and name.endswith('weight'))
            p.copy_(torch.sin(torch.arange(p.numel(), dtype=torch.float64) * index).view_as(p) * 0.2 + int(scale))
    return model.eval()


def multiply_accumulates(model: nn.Module) -> dict[str, float]:
    """By operator at 256 x 256, without computing anything; and elements that layer norms see."""
    seen = 0

    def hook(_, inputs):
        nonlocal seen
        seen += inputs[0].numel()

    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.register_forward_pre_hook(hook)
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(torch.empty(1, 3, 256, 256, device='meta'))
    by_operator = {str(op): flops / 2 for op, flops in counter.get_flop_counts()['Global'].items()}
    return dict(all=counter.get_total_flops() / 2, convolutions=by_operator['aten.convolution'], norm_elements=seen)


@pytest.fixture(scope='module')
def full_size() -> dict[str, nn.Module]:
    with torch.device('meta'):
        return dict(retinexformer=Retinexformer(), restormer=Restormer())


@pytest.mark.parametrize(('name', 'exact', 'published'), [
    ('retinexformer', 1_605_701, 1.61),  # the published code's count; the paper's Table 1
    ('restormer', 26_126_644, 26.13),  # the published code's count; the paper's Table 7
])
def test_parameters_are_the_published_ones(full_size, name, exact, published):
    found = sum(p.numel() for p in full_size[name].parameters())
    assert found == exact and round(found / 1e6, 2) == published


def test_retinexformer_has_the_published_complexity(full_size):
    # 15.57 "GFLOPs" at 256x256 are multiply-accumulates over 2^30, and five operations per element of a layer norm
    found = multiply_accumulates(full_size['retinexformer'])
    assert round((found['all'] + 5 * found['norm_elements']) / GIBI, 2) == 15.57


def test_restormer_has_the_published_complexity(full_size):
    # 140.99 "GFLOPs" at 256x256 are multiply-accumulates of the convolutions over 10^9, attention's products left out
    found = multiply_accumulates(full_size['restormer'])
    assert round(found['convolutions'] / 1e9, 2) == 140.99 and found['all'] > found['convolutions']


@pytest.mark.parametrize(('build', 'pinned'), [
    (small_retinexformer, (0.460942, 0.534412, 0.875064, -0.474454, 0.960806)),
    (small_restormer, (0.515637, 0.376863, 0.476872, -0.032281, 1.015727)),
])
def test_values_are_those_of_the_published_code(build, pinned):
    # pinned: the authors' networks of the same shape with the same weights, float64
    image = torch.sin(torch.arange(3 * 16 * 24, dtype=torch.float64) * 0.7).view(1, 3, 16, 24).add(1).div(2)
    with torch.no_grad():
        out = fill(build())(image)[0]
    found = (out.mean(), out.std(), out[0, 0, 0], out[1, 7, 11], out[2, 15, 23])
    assert [float(v) for v in found] == pytest.approx(pinned, abs=2e-6)


def test_first_release_differs_in_layout_alone(picture):
    torch.manual_seed(0)
    with torch.no_grad():
        now, first = small_retinexformer(), small_retinexformer(copy_to_nchw=False)
        first.load_state_dict(now.state_dict())
        torch.testing.assert_close(now(picture), first(picture), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(('build', 'multiple'), [(small_retinexformer, 4), (small_restormer, 8)])
def test_odd_sizes_are_padded_and_cut(build, multiple, picture):
    model = build().eval()
    assert model.multiple == multiple
    with torch.no_grad():
        padded = model(pad_to_multiple(picture, multiple))
        torch.testing.assert_close(model(picture), padded[..., :37, :53])


def test_padding():
    image = torch.arange(2.0 * 5 * 8).view(1, 2, 5, 8)
    padded = pad_to_multiple(image, 4)
    assert padded.shape == (1, 2, 8, 8)
    assert torch.equal(padded[..., 5:, :], image[..., [3, 2, 1], :])  # reflected, the edge not repeated
    assert pad_to_multiple(padded, 4) is padded
    with pytest.raises(ValueError, match='got 1 x 8'):
        pad_to_multiple(image[..., :1, :], 4)


@pytest.mark.parametrize('build', [small_retinexformer, small_restormer])
def test_every_parameter_is_used(build):
    model = build()
    model(torch.rand(2, 3, 16, 16)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
