"""Losses on colour: what they see, by hand, and what they leave alone."""
import math

import pytest
import torch

from isalux_mm.models.color_losses import NeutralLoss
from isalux_mm.registry import MODELS


def test_a_cast_on_gray_by_hand():
    gt = torch.full((1, 3, 16, 24), 0.5)
    pred = gt + torch.tensor([0.0, 0.0, 0.1]).view(3, 1, 1)
    blue = 0.1 * 0.114  # luma moves by this
    expected = (2 * blue + 0.1 - blue) / 3
    assert NeutralLoss(2.0)(pred, gt).item() == pytest.approx(2 * expected, rel=1e-4)


def test_brightness_and_noise_are_not_color():
    gt = torch.full((1, 3, 64, 64), 0.5)
    assert NeutralLoss()(gt * 0.6, gt).item() < 1e-6
    noise = 0.1 * torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert NeutralLoss()(gt + noise, gt).item() < 0.1 * noise.abs().mean().item() * 1.3  # an eighth is left


def test_weight_of_colored_places():
    gt = torch.full((1, 3, 16, 16), 0.5)
    gt[:, 0] += 0.05
    pred = gt + torch.tensor([0.0, 0.0, 0.1]).view(3, 1, 1)
    gray = torch.full_like(gt, 0.5)
    ratio = NeutralLoss()(pred, gt) / NeutralLoss()(pred - gt + gray, gray)
    assert ratio.item() == pytest.approx(math.exp(-1), rel=1e-3)


def test_gradient_and_registry():
    loss = MODELS.build(dict(type='NeutralLoss', patch=3))
    pred = torch.rand(1, 3, 7, 8, dtype=torch.float64, requires_grad=True)
    gt = 0.5 + 0.01 * torch.rand(1, 3, 7, 8, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: loss(x, gt), pred)


@pytest.mark.parametrize('options', [dict(patch=0), dict(neutral=0.0)])
def test_bad_options(options):
    with pytest.raises(ValueError, match='patch must be at least 1 and neutral positive'):
        NeutralLoss(**options)
