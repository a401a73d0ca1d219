"""A checkpoint of version 0.1 from before the package was split into rooms loads unchanged and gives what it gave."""
from pathlib import Path

import torch
from safetensors.torch import load_file

from isalux_mm import ISALuxNeck, LowLightEnhancer
from isalux_mm.inference import prepare_for_inference

KEPT = Path(__file__).parents[1] / 'data' / 'enhancer_0_1.safetensors'
NETWORK = dict(
    type='ISALux', embed_dims=(8, 12), depths=(1, 1), num_heads=(1, 2), brightened_input=True,
    semantic_prior=dict(type='SegmentationPrior', module='torch.nn.Conv2d', num_classes=4,
                        module_args=dict(in_channels=3, out_channels=4, kernel_size=8, stride=8, padding=4)))


def test_a_kept_checkpoint_of_the_enhancer():
    state = load_file(KEPT)
    low, enhanced = state.pop('low'), state.pop('enhanced')
    model = LowLightEnhancer(NETWORK).eval()
    assert model.load_state_dict(state, strict=True)
    with torch.no_grad():
        torch.testing.assert_close(model(low), enhanced, rtol=0, atol=1e-6)
    torch.testing.assert_close(prepare_for_inference(model).network(low), enhanced, rtol=0, atol=1e-5)


def test_a_kept_checkpoint_in_the_neck():
    state = load_file(KEPT)
    neck = ISALuxNeck(NETWORK, str(KEPT), frozen=True, fade=None)
    torch.testing.assert_close(neck(state['low']), state['enhanced'], rtol=0, atol=1e-6)
