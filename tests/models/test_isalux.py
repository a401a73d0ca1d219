"""The network: size, shapes, residual, gradients, and a table of switches that change what they should."""
import copy

import pytest
import torch
from torch import nn

from isalux_mm.models.isalux import ISALux, gamma_brightened
from isalux_mm.registry import MODELS

SMALL = dict(type='ISALux', embed_dims=(8, 16), depths=(1, 1), num_heads=(1, 2), semantic_prior=dict(type='NoPrior'))
SEMANTIC = dict(type='SegmentationPrior', module='torch.nn.Conv2d', num_classes=5,
                module_args=dict(in_channels=3, out_channels=5, kernel_size=8, stride=8, padding=4))


def build(**changes):
    torch.manual_seed(0)
    return MODELS.build({**copy.deepcopy(SMALL), **changes})


def names(module):
    return {name for name, _ in module.named_parameters()}


def trainable(module):
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def test_default_has_the_papers_parameters():
    network = MODELS.build(dict(type='ISALux'))
    assert abs(trainable(network) / 1.85e6 - 1) < 0.01  # Table of the paper: 1.85 M
    frozen = sum(p.numel() for p in network.semantic_prior.parameters())
    assert frozen == 3_221_538  # torchvision's figure for lraspp_mobilenet_v3_large
    assert sum(p.numel() for p in network.parameters()) == trainable(network) + frozen


@pytest.mark.parametrize('size', [(1, 1), (1, 7), (2, 3), (37, 53), (64, 48)])
@pytest.mark.parametrize('semantic_prior', [dict(type='NoPrior'), SEMANTIC], ids=['none', 'semantic'])
def test_any_size_comes_back(size, semantic_prior):
    network = MODELS.build(dict(type='ISALux', semantic_prior=semantic_prior, depths=(1, 1, 1))).eval()
    image = torch.rand(2, 3, *size)
    out = network(image)
    assert out.shape == image.shape and torch.isfinite(out).all()


@pytest.mark.parametrize('base', ['input', 'gamma'])
def test_the_residual_is_global(base):
    network = build(base=base)
    nn.init.zeros_(network.to_rgb.weight), nn.init.zeros_(network.to_rgb.bias)
    image = torch.rand(2, 3, 9, 9) * 0.2
    expected = image if base == 'input' else gamma_brightened(image)
    torch.testing.assert_close(network(image), expected)


def test_gamma_base_brings_a_flat_image_to_the_target_luma():
    # 0.1^g = 0.45
    torch.testing.assert_close(gamma_brightened(torch.full((1, 3, 4, 4), 0.1)), torch.full((1, 3, 4, 4), 0.45))
    bright = torch.full((1, 3, 4, 4), 0.8)
    torch.testing.assert_close(gamma_brightened(bright), bright)


ALL = ('fade', 'gray', 'black')


@pytest.mark.parametrize('base', ['input', 'gamma'])
@torch.no_grad()
def test_safeguards_hold_whatever_the_weights_are(base):
    network = build(base=base, brightened_input=True, safeguards=ALL).eval()
    for parameter in network.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    lit = 0.4 + 0.6 * torch.rand(1, 3, 37, 53)
    assert torch.equal(network(lit), lit)
    ramp = torch.linspace(0, 0.4, 53).expand(1, 3, 37, 53)
    enhanced = network(ramp)
    assert (enhanced - ramp).abs().max() > 0.1
    assert (enhanced.amax(dim=1) - enhanced.amin(dim=1)).max() < 1e-6
    lamp = torch.zeros(1, 3, 64, 64)
    assert not network(lamp).any()
    lamp[..., 30:34, 30:34] = 1
    enhanced = network(lamp)
    assert not enhanced[..., :30 - 11, :].any() and not enhanced[..., :, 34 + 11:].any()
    assert enhanced[..., 25, 32].abs().max() > 1e-3


@pytest.mark.parametrize('base', ['input', 'gamma'])
def test_safeguards_let_dark_pictures_through(base):
    plain, guarded = (build(base=base, safeguards=s).eval() for s in ((), ALL))
    guarded.load_state_dict(plain.state_dict())
    dark = (torch.rand(1, 3, 37, 53) * torch.tensor([30, 20, 25]).view(3, 1, 1)).round() / 255
    with torch.no_grad():
        change, allowed = (network(dark) - dark for network in (plain, guarded))
    assert 0.9 < (allowed * change).sum() / (change * change).sum() <= 1


def test_a_safeguard_is_named():
    with pytest.raises(ValueError, match="safeguards must be one of .*got 'green'"):
        build(safeguards=('green', ))


def test_images_of_a_batch_do_not_meet():
    network = build().eval()
    images = torch.rand(4, 3, 12, 10) * torch.tensor([0.05, 0.2, 0.5, 1.]).view(4, 1, 1, 1)
    together = network(images)
    alone = torch.cat([network(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


def test_every_parameter_gets_a_gradient():
    network = build(semantic_prior=SEMANTIC).train()
    network(torch.rand(3, 3, 13, 11)).pow(2).sum().backward()
    for name, parameter in network.named_parameters():
        assert (parameter.grad is not None) == (not name.startswith('semantic_prior')), name
    moved = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    resting = names(network) - moved
    # LoRA's a waits for b (b starts at zero), and idle experts rest; nothing else does
    assert all('lora_a' in n or '.experts.' in n or n.startswith('semantic_prior') for n in resting), resting


def test_gradient_of_the_whole_network_is_its_directional_derivative():
    """Central differences along random directions of the input and of every parameter, in float64."""
    network = build(base='gamma', brightened_input=True).double().eval()
    image = (torch.rand(1, 3, 6, 7, dtype=torch.float64) * 0.3 + 0.1).requires_grad_()
    inputs = [image, *network.parameters()]
    weights = torch.randn(1, 3, 6, 7, dtype=torch.float64)
    gradients = torch.autograd.grad((network(image) * weights).sum(), inputs, allow_unused=True)
    directions = [torch.randn_like(x) for x in inputs]
    expected = sum((g * d).sum() for g, d in zip(gradients, directions) if g is not None)
    values, step = [], 1e-6
    with torch.no_grad():
        for move in (step, -2 * step):
            for x, d in zip(inputs, directions):
                x += move * d
            values.append((network(image) * weights).sum())
    torch.testing.assert_close((values[0] - values[1]) / (2 * step), expected, rtol=1e-5, atol=1e-5)


def test_checkpointing_changes_nothing():
    image = torch.rand(2, 3, 8, 8)
    results = []
    for flag in (False, True):
        network = build(with_checkpointing=flag)
        out = network(image)
        results.append((out, *torch.autograd.grad(out.sum(), list(network.parameters()), allow_unused=True)))
    for a, b in zip(*results):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_autocast_is_finite_and_near(dtype):
    network, image = build().eval(), torch.rand(1, 3, 16, 16)
    with torch.autocast('cpu', dtype=dtype):
        got = network(image)
    assert torch.isfinite(got).all()
    assert (got.float() - network(image)).abs().max() < 0.05


def test_routing_has_one_entry_per_mixture_layer():
    network = build()
    _, routings = network.forward_with_routing(torch.rand(5, 3, 8, 8))
    assert len(routings) == 3  # one block each in encoder, bottleneck, decoder
    assert all(r.probabilities.shape == (5, 4) and r.indices.shape == (5, 2) for r in routings)


ATTENTION, FFN = 'attention', 'ffn'


def attention(**options):
    return {ATTENTION: dict(type='HISAAttention', **options)}


def ffn(**options):
    return {FFN: dict(type='MoEFFN', **options)}


# what is switched, and which parameter names may then differ from the default's (a part of the name)
SWITCHES = {
    'no illumination prior': (dict(illumination_prior=dict(type='NoPrior')), 'illumination_adapters'),
    'mean prior': (dict(illumination_prior=dict(type='MeanChannelPrior')), None),
    'luma prior': (dict(illumination_prior=dict(type='LumaPrior')), None),
    'semantic prior': (dict(semantic_prior=SEMANTIC), 'semantic_'),
    'no LoRA': (attention(lora_reduction=None), 'lora_'),
    'illumination stream alone': (attention(streams=('illumination', )), 'semantics'),
    'semantic stream alone': (attention(streams=('semantics', )), 'illumination'),
    'depthwise qkv': (attention(form='plain', depthwise_qkv=True), 'depthwise'),
    'top 1': (ffn(gate=dict(type='TopKGate', top_k=1)), None),
    'top 4': (ffn(gate=dict(type='TopKGate', top_k=4)), None),
    'raw probabilities': (ffn(gate=dict(type='TopKGate', renormalize=False)), None),
    'soft gate': (ffn(gate=dict(type='SoftGate')), None),
    'noisy gate': (ffn(gate=dict(type='NoisyTopKGate')), 'gate.noise'),
    'dense 3x3 experts': (ffn(experts=dict(type='ConvExpert', expansion=2.0)), 'spatial'),
    'gated experts': (ffn(experts=dict(type='GatedDconvExpert', expansion=2.0)), 'experts'),
    'mixed experts': (ffn(experts=[dict(type=t, expansion=2.0) for t in
                                   ('ConvExpert', 'DepthwiseExpert', 'GatedDconvExpert', 'ConvExpert')]), 'experts'),
    'two experts': (ffn(num_experts=2), 'ffn.'),
    'dense FFN': (dict(ffn=dict(type='DenseFFN')), 'ffn.'),
    'gamma base': (dict(base='gamma'), None),
    'brightened input': (dict(brightened_input=True), 'embed.weight'),
    'safeguards': (dict(safeguards=('gray', 'black')), None),
    'fade': (dict(base='gamma', safeguards=('fade', )), None),
}
SAME_RESULT = {
    'plain form': attention(form='plain'),
    'dense dispatch': ffn(dispatch='dense'),
    'sparse dispatch': ffn(dispatch='sparse'),
}


def shared_state(source, target):
    """The tensors of `source` that fit `target`."""
    own = target.state_dict()
    return {k: v for k, v in source.state_dict().items() if k in own and own[k].shape == v.shape}


def randomized():
    """A default network away from its start, where LoRA and every bias count."""
    network = build()
    torch.manual_seed(1)
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return network


@pytest.mark.parametrize('switch', SWITCHES)
def test_a_switch_changes_what_it_should_and_nothing_else(switch):
    changes, part = SWITCHES[switch]
    default = randomized()
    changed = build(**changes)  # in training mode, where the noise of a noisy gate counts
    shapes = [{n: p.shape for n, p in m.named_parameters()} for m in (default, changed)]
    different = {n for n in shapes[0].keys() | shapes[1].keys() if shapes[0].get(n) != shapes[1].get(n)}
    assert (part is None and not different) or (part and different and all(part in n for n in different)), different
    changed.load_state_dict(shared_state(default, changed), strict=False)
    image = torch.rand(3, 3, 12, 14) * 0.4
    assert (changed(image) - default(image)).abs().max() > 1e-4


@pytest.mark.parametrize('form', SAME_RESULT)
def test_another_form_of_the_same_function(form):
    default = randomized()
    changed = build(**SAME_RESULT[form]).eval()
    changed.load_state_dict(default.state_dict())
    image = torch.rand(3, 3, 12, 14) * 0.4
    torch.testing.assert_close(changed(image), default(image), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('changes, message', [
    (dict(depths=(1, )), 'embed_dims, depths and num_heads must name the same scales'),
    (dict(base='gain'), "base must be one of .*got 'gain'"),
    (ffn(gate=dict(type='TopKGate', top_k=5)), r'top_k must be in \[1, 4\].*got 5'),
])
def test_bad_options(changes, message):
    with pytest.raises(ValueError, match=message):
        build(**changes)


@pytest.mark.parametrize('image, error, message', [
    (torch.rand(1, 4, 8, 8), ValueError, r'image must have axes \(B 3 H W\), got shape \(1, 4, 8, 8\)'),
    (torch.rand(3, 8, 8), ValueError, r'got shape \(3, 8, 8\)'),
    (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), TypeError, 'image must be floating point'),
])
def test_bad_images(image, error, message):
    with pytest.raises(error, match=message):
        build()(image)


def test_is_registered_under_its_scope():
    from mmengine.registry import MODELS as ROOT
    assert ROOT.get('isalux_mm.ISALux') is ISALux
