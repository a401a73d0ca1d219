"""A workbench of a tiny network, for the tests of the page."""
import pytest
import torch
from mmengine.config import Config

from isalux_mm.apis import EnhanceInferencer
from isalux_mm.apis.serve import Limits, Workbench
from isalux_mm.registry import MODELS

TINY = dict(model=dict(
    type='LowLightEnhancer',
    network=dict(type='ISALux', embed_dims=(4, 4), depths=(1, 1), num_heads=(1, 1),
                 semantic_prior=dict(type='NoPrior'), attention=dict(type='HISAAttention', lora_reduction=2))))


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    """An inferencer of a tiny network with random weights: fast."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'tiny.pth'
    torch.save(MODELS.build(dict(TINY['model'], _scope_='isalux_mm')).state_dict(), path)
    return EnhanceInferencer(Config(TINY), str(path), device='cpu', show_progress=False)


@pytest.fixture
def bench(tiny, tmp_path):
    (tmp_path / 'work').mkdir()
    return Workbench(tiny, tmp_path / 'work', limits=Limits(max_pixels=30_000, max_mb=1))
