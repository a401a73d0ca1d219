"""A video enhancer of a tiny network, fast enough for hundreds of clips."""
import pytest
import torch
from mmengine.config import Config

from isalux_mm.registry import MODELS

TINY = dict(model=dict(
    type='LowLightEnhancer',
    network=dict(type='ISALux', embed_dims=(4, 4), depths=(1, 1), num_heads=(1, 1),
                 semantic_prior=dict(type='NoPrior'), attention=dict(type='HISAAttention', lora_reduction=2))))


@pytest.fixture(scope='session')
def tiny_files(tmp_path_factory):
    """Config and weights of a tiny network with random weights."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp('tiny')
    config, weights = folder / 'tiny.py', folder / 'tiny.pth'
    Config(TINY).dump(config)
    torch.save(MODELS.build(dict(TINY['model'], _scope_='isalux_mm')).state_dict(), weights)
    return str(config), str(weights)


@pytest.fixture(scope='session')
def tiny(tiny_files):
    pytest.importorskip('av', reason='videos need PyAV')
    from isalux_mm.apis.video import VideoEnhancer
    return VideoEnhancer(*tiny_files, device='cpu', show_progress=False)
