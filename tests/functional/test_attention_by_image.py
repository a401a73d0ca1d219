"""The attention's pixel parts image by image against their plain forms: value, gradient, types."""
import pytest
import torch

from isalux_mm.functional.attention_by_image import (
    attention_of_streams,
    gram_by_image,
    mix_by_image,
    mix_plain,
)
from isalux_mm.functional.channel_attention import attention_from_gram, gram_matrix


def example(with_mixing, enriched, images=2, pixels=7, channels=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=dtype, requires_grad=True)

    tokens, project = draw(images, pixels, channels), draw(channels, channels)
    mixing = draw(images, channels, channels) if with_mixing else None
    return tokens, mixing, [(draw(images, channels, channels), draw(images, pixels, channels))
                            for _ in range(enriched)], project


def leaves(inputs):
    tokens, mixing, pairs, project = inputs
    return [t for t in (tokens, mixing, project, *(t for pair in pairs for t in pair)) if t is not None]


CASES = pytest.mark.parametrize('with_mixing, enriched', [(True, 0), (False, 1), (True, 1), (False, 2)])


@CASES
def test_mix_is_the_plain_form(with_mixing, enriched):
    inputs, results = example(with_mixing, enriched), []
    for form in (mix_by_image, mix_plain):
        out = form(*inputs)
        results.append((out, *torch.autograd.grad(out.pow(2).sum(), leaves(inputs))))
    for by_hand, plain in zip(*results):
        torch.testing.assert_close(by_hand, plain, rtol=1e-12, atol=1e-12)


@CASES
def test_mix_gradients_are_those_of_the_formula(with_mixing, enriched):
    inputs = example(with_mixing, enriched)
    assert torch.autograd.gradcheck(lambda *_: mix_by_image(*inputs), leaves(inputs))


def test_gram_is_the_plain_form_for_any_gradient():
    """The gradient that reaches S need not be symmetric."""
    tokens = torch.randn(2, 7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    factor = torch.arange(18, dtype=torch.float64).view(2, 3, 3)
    gradients = [torch.autograd.grad((form(tokens) * factor).sum(), tokens)[0] for form in (gram_by_image, gram_matrix)]
    torch.testing.assert_close(*gradients)
    torch.testing.assert_close(gram_by_image(tokens), gram_matrix(tokens))


@pytest.mark.parametrize('streams, heads', [(1, 1), (1, 3), (2, 1), (2, 2)])
def test_attention_of_streams_is_that_from_the_gram_matrix(streams, heads):
    generator = torch.Generator().manual_seed(0)
    tokens, *weights = (torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)
                        for shape in [(2, 7, 6)] + 3 * [(streams * 6, 6)] + [(streams * heads, 1, 1)])
    factor = torch.randn(2, streams * 6, 6, generator=generator, dtype=torch.float64)
    results = []
    for form in (attention_of_streams, attention_from_gram):
        out = form(gram_matrix(tokens), *weights)
        results.append((out, *torch.autograd.grad((out * factor).sum(), [tokens, *weights])))
    for one, other in zip(*results):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_autocast_mixes_in_its_type_and_sums_the_gram_matrix_in_float32():
    """bfloat16 keeps 8 bits; a Gram matrix of 70,000 pixels of one half is exact in float32 alone."""
    inputs = example(True, 1, dtype=torch.float32)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = mix_by_image(*inputs)
        gram = gram_by_image(torch.full((1, 70001, 2), 0.5, dtype=torch.bfloat16))
    assert out.dtype == torch.bfloat16 and gram.dtype == torch.float32
    assert (gram == 70001 / 4).all()
    plain = mix_plain(*inputs)
    torch.testing.assert_close(out.float(), plain, rtol=0, atol=0.03 * plain.abs().max().item())
    for got, expected in zip(*(torch.autograd.grad(o.float().sum(), leaves(inputs)) for o in (out, plain))):
        assert got.dtype == torch.float32
        torch.testing.assert_close(got, expected, rtol=0, atol=0.03 * expected.abs().max().item())
