"""Experts image by image against their plain form: value, gradient, types."""
import pytest
import torch

from isalux_mm.functional.expert_by_image import ExpertWeights, experts_of_images, experts_of_images_plain

SIZE = (5, 7)


def example(groups, channels=3, hidden=4, images=2, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    shapes = [(hidden, channels), (hidden, ), (hidden, hidden // groups, 3, 3), (hidden, ), (channels, hidden),
              (channels, )]
    tensors = [torch.randn(images, *shape, generator=generator, dtype=dtype)
               for shape in [(SIZE[0] * SIZE[1], channels), *shapes]]
    return [t.requires_grad_() for t in tensors]


@pytest.mark.parametrize('groups', [1, 2, 4])
def test_gradients_are_those_of_the_formula(groups):
    inputs = example(groups)
    assert torch.autograd.gradcheck(lambda x, *weights: experts_of_images(x, SIZE, ExpertWeights(*weights)), inputs)


@pytest.mark.parametrize('groups', [1, 2, 6])
@pytest.mark.parametrize('dtype, tolerance', [(torch.float64, 1e-12), (torch.float32, 1e-4)])
def test_value_and_gradient_are_the_plain_forms(groups, dtype, tolerance):
    inputs, results = example(groups, channels=5, hidden=6, images=3, dtype=dtype), []
    for form in (experts_of_images, experts_of_images_plain):
        out = form(inputs[0], SIZE, ExpertWeights(*inputs[1:]))
        results.append((out, *torch.autograd.grad(out.pow(2).sum(), inputs)))
    for by_hand, plain in zip(*results):
        torch.testing.assert_close(by_hand, plain, rtol=tolerance, atol=tolerance)


def test_autocast_computes_in_its_type_and_leaves_gradients_in_the_parameters():
    """bfloat16 keeps 8 bits: 2^-8 of the largest value, some roundings deep."""
    inputs = example(4, dtype=torch.float32)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = experts_of_images(inputs[0], SIZE, ExpertWeights(*inputs[1:]))
    plain = experts_of_images_plain(inputs[0], SIZE, ExpertWeights(*inputs[1:]))
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), plain, rtol=0, atol=0.03 * plain.abs().max().item())
    gradients, expected = (torch.autograd.grad(o.float().sum(), inputs) for o in (out, plain))
    for gradient, plain_gradient in zip(gradients, expected):
        assert gradient.dtype == torch.float32
        torch.testing.assert_close(gradient, plain_gradient, rtol=0, atol=0.03 * plain_gradient.abs().max().item())


def test_a_second_derivative_is_refused():
    inputs = example(4)
    out = experts_of_images(inputs[0], SIZE, ExpertWeights(*inputs[1:]))
    gradient, = torch.autograd.grad(out.pow(2).sum(), inputs[:1], create_graph=True)
    with pytest.raises(RuntimeError, match='once_differentiable'):
        gradient.sum().backward()
