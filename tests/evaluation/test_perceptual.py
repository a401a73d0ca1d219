"""DISTS against torchmetrics' on random weights, and what is missing is said; LPIPS is tested with its metric."""
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from isalux_mm.evaluation import perceptual
from isalux_mm.evaluation.perceptual import DISTSNetwork, perceptual_network


def random_vgg() -> SimpleNamespace:
    """VGG-16's convolutional part with random weights."""
    from torchvision.models import vgg16
    with torch.device('meta'):
        features = vgg16().features
    rng = np.random.default_rng(0)
    state = {key: torch.from_numpy(np.float32(rng.standard_normal(value.shape) * (2 / value[0].numel())**0.5))
             for key, value in features.state_dict().items()}
    features.load_state_dict(state, assign=True)
    return SimpleNamespace(features=features)


@pytest.fixture
def backbone(tmp_path):
    """A file as torchvision's."""
    vgg = random_vgg()
    path = tmp_path / 'checkpoints' / 'vgg16-397923af.pth'
    path.parent.mkdir()
    torch.save({f'features.{key}': value for key, value in vgg.features.state_dict().items()}, path)
    return vgg, path


def pair(size: tuple[int, int] = (64, 80)) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    gt = torch.rand(1, 3, *size, generator=generator)
    return (0.6 * gt + 0.1 * torch.rand(gt.shape, generator=generator)).clamp(0, 1), gt


def test_dists_is_torchmetrics(backbone, monkeypatch):
    theirs = pytest.importorskip('torchmetrics.functional.image.dists')
    vgg, path = backbone
    monkeypatch.setattr(theirs, 'vgg16', lambda weights: vgg)  # which would download
    load = torch.load
    monkeypatch.setattr(torch, 'load', lambda *a, **k: load(*a, **dict(k, map_location='cpu')))
    pred, gt = pair()
    ours = DISTSNetwork(str(path))
    with torch.no_grad():
        torch.testing.assert_close(ours(pred, gt).squeeze(), theirs.DISTSNetwork()(pred, gt), atol=1e-5, rtol=0)
        assert ours(gt, gt).abs().max() < 1e-6 < ours(pred, gt).min()


def test_networks_are_built_from_the_hubs_cache(backbone, monkeypatch):
    _, path = backbone
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(path.parents[1]))
    perceptual_network.cache_clear()
    assert isinstance(perceptual_network('DISTS'), DISTSNetwork)
    assert perceptual_network('DISTS') is perceptual_network('DISTS')
    assert len(perceptual_network('LPIPS_vgg').heads) == 5
    with pytest.raises(FileNotFoundError, match='place alexnet-owt-7be5be79.pth'):
        perceptual_network('LPIPS')
    perceptual_network.cache_clear()


def test_weights_that_torchmetrics_has_not(backbone, monkeypatch):
    monkeypatch.setattr(perceptual, 'find_spec', lambda name: None)
    with pytest.raises(FileNotFoundError, match='DISTS needs weights.pt of the package torchmetrics'):
        DISTSNetwork(str(backbone[1]))


def test_pooling_keeps_a_constant():
    """A Hann window that sums to one; at the border a part of it lies on zeros."""
    pooled = perceptual.L2Pooling()(torch.full((1, 2, 9, 9), 0.3))
    assert pooled.shape == (1, 2, 5, 5)
    torch.testing.assert_close(pooled[..., 1:4, 1:4], torch.full((1, 2, 3, 3), 0.3))
