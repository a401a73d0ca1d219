"""What is prepared for inference agrees with the network it was prepared from, for every option."""
import copy

import pytest
import torch
from torch import nn

from isalux_mm.inference import rows
from isalux_mm.inference.prepare import PreparedNetwork, prepare_for_inference
from isalux_mm.models.enhancer import LowLightEnhancer
from isalux_mm.models.experts import DepthwiseExpert
from isalux_mm.models.gates import Routing, SoftGate
from isalux_mm.models.isalux import ISALux
from isalux_mm.registry import MODELS

SMALL = dict(type='ISALux', embed_dims=(8, 16), depths=(1, 1), num_heads=(1, 2), semantic_prior=dict(type='NoPrior'))
SEMANTIC = dict(type='SegmentationPrior', module='torch.nn.Conv2d', num_classes=5,
                module_args=dict(in_channels=3, out_channels=5, kernel_size=8, stride=8, padding=4))
BOTH = dict(semantic_prior=SEMANTIC)


def attention(**options):
    return dict(attention=dict(type='HISAAttention', **options))


def ffn(**options):
    return dict(ffn=dict(type='MoEFFN', **options))


SWITCHES = {
    'default': {},
    'both priors': BOTH,
    'semantic prior alone': dict(BOTH, illumination_prior=dict(type='NoPrior')),
    'no prior': dict(illumination_prior=dict(type='NoPrior')),
    'luma prior': dict(illumination_prior=dict(type='LumaPrior')),
    'no LoRA': attention(lora_reduction=None),
    'plain form': attention(form='plain'),
    'depthwise qkv': dict(BOTH, **attention(form='plain', depthwise_qkv=True)),
    'one stream, both priors': dict(BOTH, **attention(streams=('illumination', ))),
    'the stream without a prior': attention(streams=('semantics', )),
    'top 1': ffn(gate=dict(type='TopKGate', top_k=1)),
    'top 4': ffn(gate=dict(type='TopKGate', top_k=4)),
    'raw probabilities': ffn(gate=dict(type='TopKGate', renormalize=False)),
    'soft gate': ffn(gate=dict(type='SoftGate')),
    'noisy gate': ffn(gate=dict(type='NoisyTopKGate')),
    'dense dispatch': ffn(dispatch='dense'),
    'sparse dispatch': ffn(dispatch='sparse'),
    'dense 3x3 experts': ffn(experts=dict(type='ConvExpert', expansion=1.5)),
    'gated experts': ffn(experts=dict(type='GatedDconvExpert', expansion=2.0)),
    'mixed experts': ffn(experts=[dict(type=t) for t in ('ConvExpert', 'DepthwiseExpert', 'GatedDconvExpert',
                                                         'ConvExpert')]),
    'mixed widths': ffn(experts=[dict(type='DepthwiseExpert', expansion=e) for e in (1.0, 2.0, 3.0, 2.0)]),
    'one expert': ffn(num_experts=1, gate=dict(type='TopKGate', top_k=1)),
    'dense FFN': dict(ffn=dict(type='DenseFFN')),
    'gamma base': dict(base='gamma'),
    'brightened input': dict(brightened_input=True),
    'safeguards': dict(safeguards=('fade', 'gray', 'black')),
    'safeguards and gamma base': dict(safeguards=('gray', 'black'), base='gamma'),
    'fade alone': dict(safeguards=('fade', ), base='gamma'),
    'three scales': dict(embed_dims=(8, 12, 16), depths=(1, 1, 2), num_heads=(1, 1, 2)),
    'one scale': dict(embed_dims=(8, ), depths=(2, ), num_heads=(2, )),
}


def build(seed=0, **changes):
    """A network in eval mode away from its start, where LoRA and every bias count."""
    torch.manual_seed(seed)
    network = MODELS.build({**copy.deepcopy(SMALL), **changes}).eval()
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return network


def images(size=(37, 53), count=3):
    """Images of different brightness."""
    generator = torch.Generator().manual_seed(3)
    return torch.rand(count, 3, *size, generator=generator) * torch.linspace(0.1, 1, count).view(-1, 1, 1, 1)


def relative(x, y):
    return ((x - y).norm() / y.norm()).item()


@torch.no_grad()
def reference(network, image):
    return network.forward_with_routing(image)


def assert_same_choice(routings, expected):
    assert len(routings) == len(expected)
    for a, b in zip(routings, expected):
        assert torch.equal(a.indices, b.indices)
        torch.testing.assert_close(a.weights, b.weights, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(a.probabilities, b.probabilities, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('strip_rows', [None, 1, 5])
@pytest.mark.parametrize('switch', SWITCHES)
def test_every_switch_agrees_with_the_network(switch, strip_rows):
    network, image = build(**SWITCHES[switch]), images()
    prepared = prepare_for_inference(network, strip_rows=strip_rows)
    expected, routings = reference(network, image)
    got, found = prepared.forward_with_routing(image)
    assert relative(got, expected) < 1e-5
    assert_same_choice(found, routings)
    assert relative(got - image, expected - image) < 1e-5  # the residual by itself
    for block in prepared.strips.bottleneck:
        assert (block.attention is None) == (switch == 'depthwise qkv') and block.ffn is not None


@pytest.mark.parametrize('changes', [SWITCHES['both priors'], SWITCHES['mixed experts'], SWITCHES['gamma base'],
                                     SWITCHES['safeguards']],
                         ids=['both priors', 'mixed experts', 'gamma base', 'safeguards'])
@pytest.mark.parametrize('size', [(1, 1), (1, 7), (9, 1), (2, 3), (16, 20)])
def test_small_and_even_sizes_agree_in_float64(size, changes):
    # few pixels leave the Gram matrix singular: float32 of either form is then far from float64
    network = build(**changes).double()
    image = images(size).double()
    got = prepare_for_inference(network, strip_rows=2)(image)
    assert relative(got, reference(network, image)[0]) < 1e-9


def test_images_that_choose_different_experts_share_a_batch():
    network = build(seed=4, **ffn(num_experts=8, gate=dict(type='TopKGate', top_k=2)))
    image = images(count=6)
    expected, routings = reference(network, image)
    assert max(len({tuple(i) for i in r.indices.tolist()}) for r in routings) > 1, 'the test needs mixed routing'
    got, found = prepare_for_inference(network).forward_with_routing(image)
    assert relative(got, expected) < 1e-5
    assert_same_choice(found, routings)


def test_packaged_size_agrees():
    network = build(type='ISALux', embed_dims=(24, 48, 96), depths=(1, 2, 2), num_heads=(1, 2, 4), **BOTH)
    image = images((45, 67), 1)
    assert relative(prepare_for_inference(network)(image), reference(network, image)[0]) < 1e-5


@pytest.mark.parametrize('changes', [BOTH, dict(illumination_prior=dict(type='NoPrior'), **BOTH)])
def test_features_that_are_not_cached_are_the_same(monkeypatch, changes):
    prepared, image = prepare_for_inference(build(**changes), strip_rows=3), images()
    expected = prepared(image)
    monkeypatch.setattr(rows, 'FEATURE_CACHE_BYTES', 0)
    torch.testing.assert_close(prepared(image), expected, rtol=0, atol=0)


@pytest.mark.parametrize('dtype, bound', [('bf16', 0.02), ('fp16', 0.003), (torch.float64, 1e-5)])
def test_other_dtypes_stay_near(dtype, bound):
    network, image = build(**BOTH), images()
    got = prepare_for_inference(network, dtype=dtype)(image)
    assert got.dtype == image.dtype
    assert relative(got, reference(network, image)[0]) < bound


def test_sums_over_pixels_do_not_overflow_in_half_precision():
    """A Gram matrix over 96 x 1024 pixels has diagonals beyond 65,504, the largest number of float16."""
    network = build(embed_dims=(8, ), depths=(1, ), num_heads=(1, ))
    image = images((96, 1024), 1)
    got = prepare_for_inference(network, dtype='fp16')(image)
    assert relative(got, reference(network, image)[0]) < 0.003


class LoudGate(SoftGate):
    """Decides by the maximum over the pixels, which no strip knows."""

    def forward(self, x):
        scores = self.linear(x.amax(dim=(2, 3)))
        return self.select(scores.softmax(dim=1), scores)


class OneMore(nn.Module):
    """A feed-forward that nobody registered a fast form for."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return self.conv(x), None


@pytest.mark.parametrize('foreign', ['gate', 'ffn', 'expert'])
def test_foreign_parts_run_as_they_stand(foreign):
    network = build(**BOTH)
    for block in network.bottleneck:
        if foreign == 'ffn':
            block.ffn = OneMore(16)
        elif foreign == 'gate':
            block.ffn.gate = LoudGate(16, 4)
        else:
            block.ffn.experts[1] = type('Mine', (DepthwiseExpert, ), {})(16)
    prepared, image = prepare_for_inference(network), images()
    assert all(block.ffn is None for block in prepared.strips.bottleneck)
    assert relative(prepared(image), reference(network, image)[0]) < 1e-5


def test_semantic_network_runs_once_per_image():
    network = build(embed_dims=(8, 12, 16), depths=(1, 1, 1), num_heads=(1, 1, 1), **BOTH)
    prepared, image = prepare_for_inference(network), images(count=2)
    for subject, inner in ((network, network), (prepared, prepared.network)):
        seen = []
        handle = inner.semantic_prior.network.register_forward_hook(lambda m, i, o, seen=seen: seen.append(len(o)))
        with torch.no_grad():
            subject(image)
        handle.remove()
        assert seen == [2]


def test_the_network_is_not_touched_and_lora_is_folded():
    network = build()
    before = copy.deepcopy(network.state_dict())
    prepared = prepare_for_inference(network.train(), dtype='bf16')
    assert network.training and all(p.requires_grad for p in network.parameters())
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    assert not any(p.requires_grad for p in prepared.parameters()) and not prepared.training
    assert all(m.merged for n, m in prepared.named_modules() if n.endswith('.q'))
    with torch.enable_grad():
        assert not prepared(images()).requires_grad


def test_state_dict_is_the_networks():
    network = build()
    state = prepare_for_inference(network).state_dict()
    assert state.keys() == network.state_dict().keys()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(state[name], value, rtol=1e-5, atol=1e-6)


def test_refuses_to_train_and_to_load():
    prepared = prepare_for_inference(build())
    assert prepared.eval() is prepared
    with pytest.raises(RuntimeError, match='prepared for inference cannot be trained'):
        prepared.train()
    with pytest.raises(RuntimeError, match='takes no weights'):
        prepared.load_state_dict(prepared.state_dict())


@pytest.mark.parametrize('options, message', [
    (dict(dtype='int8'), "dtype must be one of .*got 'int8'"),
    (dict(dtype=torch.int32), 'dtype must be one of .*got torch.int32'),
    (dict(strip_rows=0), 'strip_rows must be at least 1 or None, got 0'),
])
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        prepare_for_inference(build(), **options)


def test_preparing_twice_is_an_error():
    with pytest.raises(ValueError, match='model must not be prepared already'):
        prepare_for_inference(prepare_for_inference(build()))


@pytest.mark.parametrize('network', [dict(type='CurveNetwork', channels=4), dict(type='GammaCurve'),
                                     dict(type='Identity')], ids=lambda n: n['type'])
def test_other_networks_pass(network):
    network = MODELS.build(network)
    prepared, image = prepare_for_inference(network), images()
    torch.testing.assert_close(prepared(image), network(image))
    assert prepared.forward_with_routing(image)[1] == []


@pytest.mark.parametrize('losses', [None, dict(loss_ssim=dict(type='MSSSIMLoss', auto_scales=True))])
def test_enhancer_gives_a_prepared_copy(losses):
    torch.manual_seed(0)
    model = LowLightEnhancer(dict(SMALL, **BOTH), losses)
    model.last_routings = [Routing(*[torch.ones(1, 1)] * 3)]
    prepared, image = prepare_for_inference(model), images()
    assert isinstance(model.network, ISALux) and model.training and isinstance(prepared.network, PreparedNetwork)
    assert model.losses and not prepared.losses and not prepared.training
    with torch.no_grad():
        expected = model.eval().predict(image)
    for a, b in zip(prepared.predict(image), expected):
        torch.testing.assert_close(a.pred_img, b.pred_img, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(prepared(image), prepared.network(image))
    with pytest.raises(RuntimeError, match='cannot be trained'):
        prepared.train()


def test_enhancer_keeps_padding_out_when_prepared():
    from isalux_mm.structures import EnhanceDataSample
    model = LowLightEnhancer(dict(SMALL)).eval()
    image = images(count=2)
    padded = torch.nn.functional.pad(image, (0, 11, 0, 3))
    samples = [EnhanceDataSample(metainfo=dict(img_shape=(37, 53))) for _ in image]
    prepared = prepare_for_inference(model)
    for a, b in zip(prepared.predict(padded, samples), prepared.predict(image)):
        torch.testing.assert_close(a.pred_img, b.pred_img)
