"""The Gram form against the plain form, the plain form against a hand computation."""
import math

import pytest
import torch

from isalux_mm.functional.channel_attention import attention_from_gram, channel_attention, gram_matrix


def plain(tokens, w_q, w_k, w_v, temperature):
    b, hw, c = tokens.shape
    heads = temperature.shape[0]
    q, k, v = ((tokens @ w.t()).transpose(1, 2).reshape(b, heads, c // heads, hw) for w in (w_q, w_k, w_v))
    return channel_attention(q, k, v, temperature).reshape(b, c, hw).transpose(1, 2)


def gram(tokens, *weights_and_temperature):
    return tokens @ attention_from_gram(gram_matrix(tokens), *weights_and_temperature).transpose(1, 2)


def test_plain_form_by_hand():
    # two channels, two pixels: q_0 = (1, 0), q_1 = (0, 2); k = q. Cosines: identity. Temperature 1: softmax (e, 1).
    q = torch.tensor([[[[1., 0.], [0., 2.]]]])
    v = torch.tensor([[[[1., 0.], [0., 1.]]]])
    p = math.e / (math.e + 1)
    expected = torch.tensor([[[[p, 1 - p], [1 - p, p]]]])
    torch.testing.assert_close(channel_attention(q, q, v, torch.ones(1, 1, 1)), expected)


@pytest.mark.parametrize('heads', [1, 2, 4])
@pytest.mark.parametrize('pixels', [1, 37 * 53])
def test_forms_agree_in_value_and_gradient(heads, pixels):
    torch.manual_seed(heads)
    tokens = torch.randn(2, pixels, 8, dtype=torch.float64)
    weights = [torch.randn(8, 8, dtype=torch.float64) for _ in range(3)]
    temperature = torch.rand(heads, 1, 1, dtype=torch.float64) + 0.5
    results = []
    for form in (plain, gram):
        inputs = [x.clone().requires_grad_() for x in (tokens, *weights, temperature)]
        out = form(*inputs)
        grads = torch.autograd.grad(out.pow(2).sum(), inputs)
        results.append((out, *grads))
    for a, b in zip(*results):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)


def test_gradcheck_of_the_gram_form():
    torch.manual_seed(0)
    inputs = [torch.randn(1, 5, 4, dtype=torch.float64, requires_grad=True)]
    inputs += [torch.randn(4, 4, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    inputs.append(torch.ones(2, 1, 1, dtype=torch.float64, requires_grad=True))
    assert torch.autograd.gradcheck(gram, inputs)


def test_sum_over_many_pixels_stays_finite_in_half_precision():
    # 70,000 pixels of value 2: the sum 280,000 exceeds float16's largest number, 65,504
    s = gram_matrix(torch.full((1, 70_000, 4), 2., dtype=torch.float16))
    assert s.dtype == torch.float32
    torch.testing.assert_close(s, torch.full((1, 4, 4), 280_000.))


def test_a_channel_of_zeros_gives_no_nan():
    tokens = torch.zeros(1, 9, 4, requires_grad=True)
    out = gram(tokens, *[torch.eye(4)] * 3, torch.ones(2, 1, 1))
    out.sum().backward()
    assert torch.isfinite(out).all() and torch.isfinite(tokens.grad).all()
