"""tools/get_flops.py against counts by hand: 2 FLOPs per multiply-accumulate."""
import sys
from pathlib import Path

import pytest
import torch
from loading import load_tool
from torch import nn

from isalux_mm.models.attention import HISAAttention
from isalux_mm.registry import MODELS

ROOT = Path(__file__).resolve().parents[2]
H, W = 12, 20


@pytest.fixture(scope='module')
def flops():
    return load_tool('get_flops')


def test_convolution_by_hand(flops):
    network = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.Conv2d(5, 5, 3, padding=1, groups=5), nn.Conv2d(5, 3, 1))
    network[2].requires_grad_(False)
    found = flops.count(network, H, W)
    assert found['flops'] == 2 * H * W * (3 * 5 * 9 + 5 * 9 + 5 * 3)
    assert found['trainable'] == (3 * 5 * 9 + 5) + (5 * 9 + 5) and found['frozen'] == 5 * 3 + 3


@pytest.mark.parametrize('form', ['gram', 'plain'])
def test_attention_products_are_counted(flops, form):
    c, heads, rank = 8, 2, 4

    class Attend(nn.Module):

        def __init__(self):
            super().__init__()
            self.attention = HISAAttention(c, heads, lora_reduction=2, form=form)

        def forward(self, image):
            return self.attention(image.mean(dim=1, keepdim=True).expand(-1, c, -1, -1), None, None)

    lora = 3 * c * rank * c  # a b, or its fold into W, for q, k and v
    pixels, head = H * W, c // heads
    if form == 'gram':
        # S = X X^T once; per stream: W_q S, W_k S, (W_q S) W_k^T, A W_v, M X
        stream = 2 * c * c * c + c * head * c + c * head * c + pixels * c * c
        by_hand = pixels * c * c + 2 * (stream + lora)
    else:
        # per stream: q, k, v with LoRA's two factors, Q K^T and A V
        stream = pixels * 3 * (c * c + 2 * c * rank) + 2 * pixels * head * c
        by_hand = 2 * stream
    by_hand += pixels * c * c  # the output projection
    assert flops.count(Attend(), H, W)['flops'] == 2 * by_hand


def test_frozen_prior_is_counted_apart(flops):
    prior = dict(
        type='SegmentationPrior', module='torch.nn.Conv2d', num_classes=4,
        module_args=dict(in_channels=3, out_channels=4, kernel_size=1))
    small = dict(type='ISALux', embed_dims=(8, ), depths=(1, ), num_heads=(1, ))
    with_prior = MODELS.build(dict(type='LowLightEnhancer', network=dict(small, semantic_prior=prior)))
    found = flops.count(with_prior, H, W)
    assert found['frozen'] == 3 * 4 + 4
    assert found['prior_flops'] == 2 * H * W * 3 * 4
    without = flops.count(MODELS.build(dict(small, semantic_prior=dict(type='NoPrior'))), H, W)
    assert without['frozen'] == without['prior_flops'] == 0 and without['flops'] < found['flops']


def test_command_prints_macs_and_flops(flops, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['get_flops.py', str(ROOT / 'configs/isalux_cpu.py'), '--shape', '32', '48'])
    with torch.no_grad():
        flops.main()
    lines = dict(line.split('  ', 1) for line in capsys.readouterr().out.splitlines())
    assert lines['input'].strip() == '3 x 32 x 48'
    value, macs = lines['FLOPs'].replace('(', '').split(' G')[:2]
    assert float(value) == pytest.approx(2 * float(macs), abs=2e-3)
