"""Baselines for the place of the enhancement network: identity, gamma, and a curve network after Zero-DCE.

All take and give (B, 3, H, W), RGB in [0, 1], any size.
"""
import torch
from torch import Tensor, nn

from isalux_mm.functional.checks import check_image
from isalux_mm.models.base import EnhancementNetwork
from isalux_mm.models.statistics import Tile
from isalux_mm.registry import MODELS

DARKEST = 1e-4  # ours: keeps the slope of the power law finite at black


@MODELS.register_module()
class Identity(EnhancementNetwork):
    """The image as it is: with it a chain gives what its second part gives alone."""

    def forward(self, image: Tensor, *, tile: Tile | None = None) -> Tensor:
        return image


@MODELS.register_module()
class GammaCurve(EnhancementNetwork):
    """The power law image ** gamma; no parameters.

    Args:
        gamma: exponent, below 1 to brighten.

    Raises:
        ValueError: if `gamma` is not positive.
    """

    def __init__(self, gamma: float = 0.45):
        super().__init__()
        if gamma <= 0:
            raise ValueError(f'gamma must be positive, got {gamma}')
        self.gamma = gamma

    def forward(self, image: Tensor, *, tile: Tile | None = None) -> Tensor:
        check_image(image, 'B 3 H W')
        return image.clamp_min(DARKEST)**self.gamma


@MODELS.register_module()
class CurveNetwork(EnhancementNetwork):
    """A small curve network after Zero-DCE (Guo et al., CVPR 2020), of our own writing.

    Seven 3x3 convolutions, the last three with a skip from the first three, predict maps a_1 ... a_n in [-1, 1];
    the image goes through x <- x + a_i x (1 - x), n times. About 80,000 parameters with the paper's 32 channels.

    Args:
        channels: width.
        iterations: curves applied one after the other, n.
        init_cfg: mmengine's initialization config; Zero-DCE's normal distribution by default.

    Raises:
        ValueError: if `channels` or `iterations` is below 1.
    """

    def __init__(self,
                 channels: int = 32,
                 iterations: int = 8,
                 *,
                 init_cfg: dict | None = dict(type='Normal', layer='Conv2d', mean=0, std=0.02)):
        super().__init__(init_cfg)
        if channels < 1 or iterations < 1:
            raise ValueError(f'channels and iterations must be at least 1, got {channels} and {iterations}')
        self.iterations = iterations
        widths = [3, channels, channels, channels]
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in zip(widths[:-1], widths[1:]))
        self.middle = nn.Conv2d(channels, channels, 3, padding=1)
        self.up = nn.ModuleList(
            nn.Conv2d(2 * channels, out, 3, padding=1) for out in (channels, channels, 3 * iterations))

    def forward(self, image: Tensor, *, tile: Tile | None = None) -> Tensor:
        check_image(image, 'B 3 H W')
        x, skips = image, []
        for conv in self.down:
            x = conv(x).relu()
            skips.append(x)
        x = self.middle(x).relu()
        for conv in self.up[:-1]:
            x = conv(torch.cat([x, skips.pop()], dim=1)).relu()
        curves = self.up[-1](torch.cat([x, skips.pop()], dim=1)).tanh()
        for curve in curves.chunk(self.iterations, dim=1):
            image = image + curve * image * (1 - image)
        return image
