"""HISA attention: Eq. 9 by parts, independence of the streams, both forms, every switch."""
import pytest
import torch

from isalux_mm.models.attention import HISAAttention


def build(**options):
    torch.manual_seed(0)
    module = HISAAttention(8, 2, **options)
    for parameter in module.parameters():  # LoRA's b is zero at the start: move everything
        torch.nn.init.normal_(parameter, std=0.5)
    return module


@pytest.fixture
def inputs():
    torch.manual_seed(1)
    return [torch.randn(2, 8, 7, 5) for _ in range(3)]


@pytest.mark.parametrize('options', [{}, dict(lora_reduction=None), dict(streams=('illumination', )),
                                     dict(streams=('semantics', ))])
@pytest.mark.parametrize('with_priors', [True, False])
def test_forms_agree(inputs, options, with_priors):
    x, illumination, semantics = inputs
    priors = (illumination, semantics) if with_priors else (None, None)
    results = []
    for form in ('plain', 'gram', 'by_image'):
        module = build(form=form, **options).double()
        y = x.double().requires_grad_()
        out = module(y, *(p if p is None else p.double() for p in priors))
        gradients = torch.autograd.grad(out.pow(2).sum(), [y, *module.parameters()])
        results.append((out, *gradients))
    for a, *others in zip(*results):
        for b in others:
            torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-8)


def test_enrichment_is_equation_9(inputs):
    x, illumination, semantics = inputs
    module = build(form='plain')
    nu, omega = module.scales['illumination'], module.scales['semantics']
    enriched = nu * (module.streams['illumination'](x) * illumination)
    enriched = enriched + omega * (module.streams['semantics'](x) * semantics)
    torch.testing.assert_close(module(x, illumination, semantics), module.project(enriched), rtol=1e-5, atol=1e-5)


def test_streams_have_weights_of_their_own(inputs):
    module = build(form='plain')
    first, second = module.streams.values()
    assert not {id(p) for p in first.parameters()} & {id(p) for p in second.parameters()}
    assert (first(inputs[0]) - second(inputs[0])).abs().max() > 0.1


@pytest.mark.parametrize('stream', ['illumination', 'semantics'])
def test_a_stream_switched_off_is_blind_to_its_prior(inputs, stream):
    x, illumination, semantics = inputs
    other = 'semantics' if stream == 'illumination' else 'illumination'
    module = build(streams=(other, ))
    priors = dict(illumination=illumination, semantics=semantics)
    out = module(x, **priors)
    torch.testing.assert_close(module(x, **{**priors, stream: None}), out)
    assert (module(x, **{**priors, other: None}) - out).abs().max() > 1e-3


def test_depthwise_qkv_changes_the_result_and_trains(inputs):
    module = build(form='plain', depthwise_qkv=True)
    module(*inputs).sum().backward()
    assert sum('depthwise' in name for name, _ in module.named_parameters()) == 6
    assert all(p.grad is not None for p in module.parameters())


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('form', ['gram', 'by_image'])
def test_autocast_stays_near_float32(inputs, dtype, form):
    module = build(form=form)
    expected = module(*inputs)
    with torch.autocast('cpu', dtype=dtype):
        got = module(*inputs)
    assert got.dtype == dtype
    assert ((got.float() - expected).norm() / expected.norm()) < (0.02 if dtype == torch.bfloat16 else 0.003)


@pytest.mark.parametrize('options, message', [
    (dict(form='fast'), "form must be one of .*got 'fast'"),
    (dict(streams=('depth', )), "streams must be one of .*got 'depth'"),
    (dict(streams=()), 'streams must name at least one'),
    (dict(num_heads=3), 'num_heads must divide embed_dims = 8, got 3'),
    (dict(depthwise_qkv=True), "depthwise_qkv needs form='plain'"),
])
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        HISAAttention(8, **options)
