"""Learned distances, LPIPS and DISTS: the authors' networks on backbones that lie on disk; nothing is downloaded.

What the authors trained (LPIPS's linear heads v0.1, DISTS's weights of channels) travels inside torchmetrics' wheel;
the backbones are torchvision's and have to be placed by hand. Equal to the authors' package lpips 0.1.4 and to
torchmetrics' DISTS (tested).
"""
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models

from isalux_mm.functional.checks import check_choice

# file names under which torchvision publishes the backbones
LPIPS_BACKBONES = {
    'alex': 'alexnet-owt-7be5be79.pth', 'vgg': 'vgg16-397923af.pth', 'squeeze': 'squeezenet1_1-b8a52dc0.pth',
}
BUILDERS = {'alex': models.alexnet, 'vgg': models.vgg16, 'squeeze': models.squeezenet1_1}
# layers after which LPIPS compares: lpips 0.1.4, pretrained_networks.py
LPIPS_STAGES = {'alex': (1, 4, 7, 9, 11), 'vgg': (3, 8, 15, 22, 29), 'squeeze': (1, 4, 7, 9, 10, 11, 12)}
LPIPS_MEAN, LPIPS_DEVIATION = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # lpips 0.1.4, of values in [-1, 1]
LPIPS_EPS = 1e-10  # lpips 0.1.4
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
DISTS_CHANNELS = (3, 64, 128, 256, 512, 512)  # Ding et al., 2020: the picture and VGG-16's five stages
DISTS_EPS = 1e-6  # DISTS_pytorch
POOLING_EPS = 1e-12  # DISTS_pytorch


def backbone_file(net: str) -> Path:
    """Where the hub keeps a backbone's weights, whether they are there or not."""
    return Path(torch.hub.get_dir()) / 'checkpoints' / LPIPS_BACKBONES[net]


def find_backbone(net: str, backbone: str | None = None, *, user: str = 'LPIPS') -> Path:
    """The file of a backbone's weights: as given, or in the hub's cache.

    Args:
        net: one of `LPIPS_BACKBONES`.
        backbone: local file.
        user: who needs it, for the error.

    Raises:
        FileNotFoundError: if it is not on disk; says which file to place where.
        ValueError: if there is no such network.
    """
    check_choice(net, LPIPS_BACKBONES, 'net')
    path = Path(backbone) if backbone else backbone_file(net)
    if not path.is_file():
        raise FileNotFoundError(
            f'{user} needs the weights of its backbone: place {LPIPS_BACKBONES[net]} (torchvision) at {path}, '
            f'or set backbone to a local copy, or take {user} out of the evaluators')
    return path


class LPIPSNetwork(nn.Module):
    """Learned perceptual distance (Zhang et al., 2018), version 0.1.

    Args:
        net: 'alex' (the field's tables), 'vgg' or 'squeeze'.
        backbone: as in `find_backbone`.

    Raises:
        FileNotFoundError: if backbone or heads are not on disk.
        ValueError: if `net` is none of the three, or the file is no such backbone.
    """

    def __init__(self, net: str = 'alex', backbone: str | None = None):
        super().__init__()
        features = _load_features(net, find_backbone(net, backbone))
        self.stages = nn.ModuleList(_split(features, LPIPS_STAGES[net]))
        heads = _packaged_weights('lpips_models', f'{net}.pth', 'LPIPS')
        self.heads = nn.ParameterList(
            nn.Parameter(heads[f'lin{k}.model.1.weight'], requires_grad=False) for k in range(len(self.stages)))
        self.eval()

    def forward(self, pred: Tensor, gt: Tensor) -> Tensor:
        """Distances, (B,), of (B, 3, H, W), RGB in [0, 1]."""
        pair = [_normalized(2 * x - 1, LPIPS_MEAN, LPIPS_DEVIATION) for x in (pred, gt)]
        total = pred.new_zeros(len(pred))
        for stage, head in zip(self.stages, self.heads):
            pair = [stage(x) for x in pair]
            first, second = (x / (x.pow(2).sum(dim=1, keepdim=True).sqrt() + LPIPS_EPS) for x in pair)
            total = total + F.conv2d((first - second)**2, head).mean(dim=(1, 2, 3))
        return total


class DISTSNetwork(nn.Module):
    """Deep image structure and texture similarity, as a distance (Ding, Ma, Wang, Simoncelli, 2020).

    Args:
        backbone: as in `find_backbone`, of VGG-16.

    Raises:
        FileNotFoundError: if backbone or channel weights are not on disk; torchmetrics carries the latter from 1.8 on.
        ValueError: if the file is no such backbone.
    """

    def __init__(self, backbone: str | None = None):
        super().__init__()
        features = _load_features('vgg', find_backbone('vgg', backbone, user='DISTS'))
        layers = [L2Pooling() if isinstance(layer, nn.MaxPool2d) else layer for layer in features]
        self.stages = nn.ModuleList(_split(nn.Sequential(*layers), LPIPS_STAGES['vgg']))
        weights = _packaged_weights('dists_models', 'weights.pt', 'DISTS')
        total = weights['alpha'].sum() + weights['beta'].sum()
        for name in ('alpha', 'beta'):
            self.register_buffer(name, weights[name].flatten() / total)
        self.eval()

    def forward(self, pred: Tensor, gt: Tensor) -> Tensor:
        """Distances, (B,), of (B, 3, H, W), RGB in [0, 1]."""
        pairs = [(pred, gt)]
        pair = [_normalized(x, IMAGENET_MEAN, IMAGENET_DEVIATION) for x in (pred, gt)]
        for stage in self.stages:
            pair = [stage(x) for x in pair]
            pairs.append((pair[0], pair[1]))
        likeness = pred.new_zeros(len(pred))
        parts = (self.get_buffer(name).split(DISTS_CHANNELS) for name in ('alpha', 'beta'))
        for (first, second), alpha, beta in zip(pairs, *parts):
            mean_a, mean_b = first.mean(dim=(2, 3)), second.mean(dim=(2, 3))
            variance_a, variance_b = (x.var(dim=(2, 3), correction=0) for x in (first, second))
            covariance = (first * second).mean(dim=(2, 3)) - mean_a * mean_b
            texture = (2 * mean_a * mean_b + DISTS_EPS) / (mean_a**2 + mean_b**2 + DISTS_EPS)
            structure = (2 * covariance + DISTS_EPS) / (variance_a + variance_b + DISTS_EPS)
            likeness = likeness + (alpha * texture + beta * structure).sum(dim=1)
        return 1 - likeness


class L2Pooling(nn.Module):
    """Halves by the root of a Hann-weighted mean of squares over 3x3 (Ding et al., 2020, Eq. 2)."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, ceil(H / 2), ceil(W / 2))."""
        weights = x.new_tensor((0.25, 0.5, 0.25))
        window = torch.outer(weights, weights).expand(x.shape[1], 1, 3, 3)
        return (F.conv2d(x**2, window, stride=2, padding=1, groups=x.shape[1]) + POOLING_EPS).sqrt()


@lru_cache(maxsize=4)
def perceptual_network(name: str) -> nn.Module:
    """'LPIPS', 'LPIPS_vgg' or 'DISTS' with its backbone from the hub's cache; built once a process."""
    if name == 'DISTS':
        return DISTSNetwork()
    return LPIPSNetwork(name.partition('_')[2] or 'alex')


def _load_features(net: str, path: Path) -> nn.Sequential:
    """The convolutional part of a backbone, frozen, with weights from disk."""
    state = torch.load(path, map_location='cpu', weights_only=True)
    given = [value for key, value in state.items() if key.startswith('features.')]
    with torch.device('meta'):
        features = BUILDERS[net]().features
    own = features.state_dict()
    if [tuple(v.shape) for v in own.values()] != [tuple(v.shape) for v in given]:
        raise ValueError(f'backbone must be torchvision\'s {LPIPS_BACKBONES[net]}, got {path}, whose tensors do not '
                         'fit')
    features.load_state_dict(dict(zip(own, given)), assign=True)
    for module in features:
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return features.requires_grad_(False)


def _split(features: nn.Sequential, ends: tuple[int, ...]) -> list[nn.Sequential]:
    """Parts that end with each of the layers."""
    return [features[start:end + 1] for start, end in zip((0, *(e + 1 for e in ends)), ends)]


def _packaged_weights(folder: str, file: str, user: str) -> dict[str, Tensor]:
    """Weights that lie inside torchmetrics' wheel."""
    spec = find_spec('torchmetrics')
    root = Path(spec.origin).parent if spec is not None and spec.origin else Path()
    path = root / 'functional' / 'image' / folder / file
    if not path.is_file():
        raise FileNotFoundError(f'{user} needs {file} of the package torchmetrics, which has none at {path}: '
                                'install another version of it')
    return torch.load(path, map_location='cpu', weights_only=True)


def _normalized(x: Tensor, mean: tuple[float, ...], deviation: tuple[float, ...]) -> Tensor:
    return (x - x.new_tensor(mean).view(1, 3, 1, 1)) / x.new_tensor(deviation).view(1, 3, 1, 1)
