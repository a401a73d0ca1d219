"""Gates and balance losses against hand computations."""
import math

import pytest
import torch

from isalux_mm.models.gates import BalanceLoss, NoisyTopKGate, Routing, SoftGate, TopKGate

LOGITS = torch.tensor([[0., 1., 3., 2.], [4., 0., 0., 2.]])


def with_logits(gate):
    """A gate that sees the identity: its logits are the pooled features."""
    with torch.no_grad():
        gate.linear.weight.copy_(torch.eye(4))
    return gate(LOGITS[:, :, None, None].expand(2, 4, 3, 5).clone())


def test_pooling_is_the_mean_in_value_and_gradient():
    gate, x = SoftGate(4, 4), torch.rand(2, 4, 3, 5, requires_grad=True)
    expected = gate.linear(x.mean(dim=(2, 3))).softmax(1)
    torch.testing.assert_close(gate(x).probabilities, expected)
    by_mean, = torch.autograd.grad(expected[:, 0].sum(), x, retain_graph=True)
    found, = torch.autograd.grad(gate(x).probabilities[:, 0].sum(), x)
    torch.testing.assert_close(found, by_mean)


def test_soft_gate_is_equation_11():
    routing = with_logits(SoftGate(4, 4))
    expected = LOGITS.exp() / LOGITS.exp().sum(1, keepdim=True)
    torch.testing.assert_close(routing.probabilities, expected)
    torch.testing.assert_close(routing.weights, expected)
    assert routing.indices.tolist() == [[0, 1, 2, 3]] * 2


def test_top_k_gate_with_and_without_renormalization():
    routing = with_logits(TopKGate(4, 4, top_k=2))
    assert routing.indices.tolist() == [[2, 3], [0, 3]]
    p = 1 / (1 + math.exp(-1))  # softmax of (3, 2)
    torch.testing.assert_close(routing.weights[0], torch.tensor([p, 1 - p]))
    raw = with_logits(TopKGate(4, 4, top_k=2, renormalize=False))
    torch.testing.assert_close(raw.weights[0], LOGITS[0].softmax(0)[[2, 3]])


def test_noise_moves_choices_in_training_alone():
    torch.manual_seed(0)
    gate = NoisyTopKGate(4, 4, top_k=1)
    x = torch.zeros(200, 4, 1, 1)
    assert len(set(gate(x).indices.flatten().tolist())) == 4
    assert len(set(gate.eval()(x).indices.flatten().tolist())) == 1


@pytest.mark.parametrize('top_k', [0, 5])
def test_top_k_beyond_the_experts(top_k):
    with pytest.raises(ValueError, match=rf'top_k must be in \[1, 4\].*got {top_k}'):
        TopKGate(8, 4, top_k=top_k)


def test_balance_losses_by_hand():
    uniform = Routing(torch.full((2, 4), 0.25), torch.tensor([[0, 1], [2, 3]]), torch.full((2, 2), 0.5))
    torch.testing.assert_close(BalanceLoss('switch', 1.0)(uniform), torch.tensor(1.))
    torch.testing.assert_close(BalanceLoss('importance', 1.0)(uniform), torch.tensor(0.))
    collapsed = Routing(torch.tensor([[1., 0., 0., 0.]] * 2), torch.tensor([[0], [0]]), torch.ones(2, 1))
    torch.testing.assert_close(BalanceLoss('switch', 0.5)(collapsed), torch.tensor(0.5 * 4))
    # importance (2, 0, 0, 0): mean 0.5, variance 0.75, squared coefficient of variation 3
    torch.testing.assert_close(BalanceLoss('importance', 1.0)(collapsed), torch.tensor(3.))


def test_bad_balance_kind():
    with pytest.raises(ValueError, match="kind must be one of .*got 'even'"):
        BalanceLoss('even')
