"""Low-rank projection: Eq. 7 by hand, start, merge and unmerge."""
import pytest
import torch

from isalux_mm.models.lora import LoRAProjection


@pytest.fixture
def projection():
    torch.manual_seed(0)
    module = LoRAProjection(24, reduction=4)
    torch.nn.init.normal_(module.lora_b)
    return module


def test_shapes_and_start():
    module = LoRAProjection(24, reduction=4)
    assert module.lora_a.shape == (24, 6) and module.lora_b.shape == (6, 24)
    assert not module.lora_b.any()
    x = torch.randn(2, 5, 24)
    torch.testing.assert_close(module(x), x @ module.weight.t())


def test_update_by_hand():
    module = LoRAProjection(2, reduction=2)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[1., 2.], [3., 4.]]))
        module.lora_a.copy_(torch.tensor([[1.], [10.]]))
        module.lora_b.copy_(torch.tensor([[0.5, 2.]]))
    # F = (1, 1): base (1 + 2, 3 + 4); F a = 11; (F a) b = (5.5, 22)
    torch.testing.assert_close(module(torch.ones(1, 1, 2)), torch.tensor([[[8.5, 29.]]]))
    torch.testing.assert_close(torch.ones(2) @ module.folded_weight().t(), torch.tensor([8.5, 29.]))


def test_merge_and_unmerge_are_exact(projection):
    x, base = torch.randn(2, 7, 24), projection.weight.detach().clone()
    before = projection(x)
    saved = {k: v.clone() for k, v in projection.state_dict().items()}
    projection.merge()
    projection.merge()  # the second time changes nothing
    torch.testing.assert_close(projection(x), before, rtol=1e-5, atol=1e-5)
    assert (projection.weight - base).abs().max() > 0.1
    for key, value in projection.state_dict().items():
        torch.testing.assert_close(value, saved[key], rtol=1e-5, atol=1e-5)
    projection.unmerge()
    torch.testing.assert_close(projection.weight, base, rtol=1e-5, atol=1e-5)


def test_both_parts_get_gradients(projection):
    projection(torch.randn(1, 3, 24)).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in projection.parameters())


def test_switched_off():
    module = LoRAProjection(8, reduction=None)
    assert [name for name, _ in module.named_parameters()] == ['weight']


@pytest.mark.parametrize('reduction', [0, 25])
def test_bad_reduction(reduction):
    with pytest.raises(ValueError, match=f'reduction must be in .*24.*got {reduction}'):
        LoRAProjection(24, reduction=reduction)
