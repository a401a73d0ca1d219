"""URetinex-Net (Wu et al., CVPR 2022): Retinex decomposition, unfolded into three steps, and its illumination adjusted.

Written after the paper's Section 3; names of layers are those in the published weights, which lie in three files:
of the initialization (`init_low`), the unfolding and the adjustment.
"""
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STEPS = 3
GAMMA, GAMMA_STEP = 0.1, 0.05  # published: weight of the restored reflectance, and its growth by step
LAMBDA, LAMBDA_STEP = 0.5, 0.05  # published: of the restored illumination
RATIO = 5.0  # published: what the illumination is adjusted to
PARTS = dict(initialization=('model_R', ), unfolding=('model_R', 'model_L'), adjustment=('model_A', ))


def leaky_chain(widths: tuple[int, ...], kernel: int) -> nn.Sequential:
    """Convolutions of one size, leaky ReLUs between, a ReLU at the end."""
    layers: list[nn.Module] = []
    for c_in, c_out in zip(widths[:-1], widths[1:]):
        layers += [nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers[:-1], nn.ReLU())


class Numbered(nn.Module):
    """Convolutions named conv1, conv2, ..., leaky ReLUs between, a ReLU at the end.

    Args:
        widths: channels ahead of the first, and after each.
        kernels: one for each.
    """

    def __init__(self, widths: tuple[int, ...], kernels: tuple[int, ...]):
        super().__init__()
        for k, (c_in, c_out, size) in enumerate(zip(widths[:-1], widths[1:], kernels), start=1):
            self.add_module(f'conv{k}', nn.Conv2d(c_in, c_out, size, padding=size // 2))

    def forward(self, x: Tensor) -> Tensor:
        *inner, last = self.children()
        for convolution in inner:
            x = F.leaky_relu(convolution(x), 0.2)
        return F.relu(last(x))


class Restoration(nn.Module):
    """Takes noise off the reflectance (B, 3, H, W), guided by the illumination (B, 1, H, W)."""

    def __init__(self, dims: int = 32):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, dims, 3, padding=1), nn.Conv2d(1, dims, 3, padding=1)
        excite = nn.Sequential(nn.Linear(2 * dims, dims // 8, bias=False), nn.ReLU(),
                               nn.Linear(dims // 8, 2 * dims, bias=False), nn.Sigmoid())
        self.se_layer = nn.ModuleDict(dict(fc=excite))
        for k in range(3, 8):
            self.add_module(f'conv{k}', nn.Conv2d(2 * dims, 2 * dims, 3, padding=1))
        self.conv8 = nn.Conv2d(2 * dims, 3, 3, padding=1)

    def forward(self, reflectance: Tensor, illumination: Tensor) -> Tensor:
        x = torch.cat([F.relu(self.conv1(reflectance)), F.relu(self.conv2(illumination))], dim=1)
        x = x * self.se_layer.get_submodule('fc')(x.mean(dim=(2, 3)))[..., None, None]
        for k in range(3, 8):
            x = F.relu(self.get_submodule(f'conv{k}')(x))
        return reflectance + self.conv8(x)


class URetinex(nn.Module):
    """The published network: 340 thousand parameters.

    Input (B, 3, H, W), RGB in [0, 1]; output of the same size, not clamped.

    Args:
        ratio: what the illumination is adjusted to, the published script's 5; more is brighter.
    """

    def __init__(self, ratio: float = RATIO):
        super().__init__()
        self.ratio = ratio
        self.initialization = nn.ModuleDict(dict(model_R=nn.ModuleDict(dict(
            decom=leaky_chain((3, 32, 32, 32, 4), 3)))))
        self.unfolding = nn.ModuleDict(dict(
            model_R=Restoration(), model_L=Numbered((1, 32, 32, 32, 32, 1), (5, 5, 5, 5, 1))))
        self.adjustment = nn.ModuleDict(dict(model_A=Numbered((2, 32, 32, 32, 1), (5, 5, 5, 5))))

    def decompose(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Reflectance (B, 3, H, W) and illumination (B, 1, H, W) after three steps."""
        restore, smooth = (self.unfolding.get_submodule(part) for part in PARTS['unfolding'])
        p, q = self.initialization.get_submodule('model_R.decom')(image).split((3, 1), dim=1)
        reflectance, illumination = restore(p, q), smooth(q)
        for step in range(1, STEPS):
            gamma, weight = GAMMA + GAMMA_STEP * step, LAMBDA + LAMBDA_STEP * step
            # both are least squares with a closed form
            p = (image * q + gamma * reflectance) / (q.square() + gamma)
            q = ((image * p).sum(1, keepdim=True) + weight * illumination) / (p.square().sum(1, keepdim=True) + weight)
            reflectance, illumination = restore(p, q), smooth(q)
        return reflectance, illumination

    def forward(self, image: Tensor) -> Tensor:
        reflectance, illumination = self.decompose(image)
        ratio = torch.full_like(illumination, self.ratio)
        return self.adjustment.get_submodule('model_A')(torch.cat([illumination, ratio], dim=1)) * reflectance


def published_state(files: Mapping[str, Mapping[str, Mapping[str, Tensor]]]) -> dict[str, Tensor]:
    """The tensors of `URetinex` in the published files, by the keys of `PARTS`."""
    return {f'{part}.{network}.{key}': value for part, networks in PARTS.items() for network in networks
            for key, value in files[part][network].items()}
