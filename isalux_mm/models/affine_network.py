"""`AffineNetwork`: a network of a thousandth of the cost, which learns from a larger one what that decides (ours).

A few convolutions at a quarter of the size predict affine maps of colour, as of HDRNet (Gharbi et al., 2017), for the
picture and its brightened form; they are interpolated and applied. It draws no detail of its own. Made for small copies
of pictures ahead of a detector (`tools/distill.py`), where the number of operators costs more than the arithmetic.
"""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isalux_mm.functional.checks import check_choice, check_image
from isalux_mm.functional.resizing import size_of
from isalux_mm.functional.safeguards import SAFEGUARDS, darkness_confidence, guard, guarded
from isalux_mm.functional.visible import seen
from isalux_mm.models.base import EnhancementNetwork
from isalux_mm.models.isalux import brighten, gamma_exponent
from isalux_mm.models.statistics import Tile
from isalux_mm.registry import MODELS

INPUTS = 7  # the picture, its brightened form, and the exponent that made that
TERMS = 7  # of a map: three of the picture, three of its brightened form, and a constant


@MODELS.register_module()
class AffineNetwork(EnhancementNetwork):
    """Affine maps of colour by place, added to the picture brightened by a power law; residual zero at the start.

    Args:
        channels: width.
        depth: convolutions at a quarter of the size.
        safeguards: as of `ISALux`.
        init_cfg: mmengine's initialization config.

    Raises:
        ValueError: if `channels` or `depth` is below 1, or a safeguard is unknown.
    """
    num_scales = 3  # tiles start at multiples of 4

    def __init__(self, channels: int = 48, depth: int = 4, *, safeguards: Sequence[str] = (),
                 init_cfg: dict | None = None):
        super().__init__(init_cfg)
        if channels < 1 or depth < 1:
            raise ValueError(f'channels and depth must be at least 1, got {channels} and {depth}')
        for safeguard in safeguards:
            check_choice(safeguard, SAFEGUARDS, 'safeguards')
        self.safeguards = tuple(safeguards)
        self.embed = nn.Conv2d(INPUTS, channels, 3, stride=2, padding=1)
        self.reduce = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(depth))
        self.to_maps = nn.Conv2d(channels, 3 * TERMS, 1)
        nn.init.zeros_(self.to_maps.weight)
        nn.init.zeros_(self.to_maps.get_parameter('bias'))

    def forward(self, image: Tensor, *, tile: Tile | None = None) -> Tensor:
        check_image(image, 'B 3 H W')
        tile = self.whole(image) if tile is None else tile
        exponent = gamma_exponent(image) if tile.exponent is None else tile.exponent
        brightened = brighten(image, exponent)
        shown = torch.cat([image, brightened], dim=1)
        x = self.embed(torch.cat([shown, exponent.expand(-1, -1, *size_of(image))], dim=1)).relu()
        x = self.reduce(x).relu()
        for conv in self.convs:
            x = x + conv(x).relu()
        maps = F.interpolate(self.to_maps(x), size=size_of(image), mode='bilinear', align_corners=False)
        slopes, constant = maps.split([3 * (TERMS - 1), 3], dim=1)
        residual = (slopes.unflatten(1, (3, TERMS - 1)) * shown[:, None]).sum(dim=2) + constant
        if not self.safeguards:
            return brightened + residual
        return guarded(image, brightened, residual, guard(image, self.safeguards, tile.confidence))

    def whole(self, image: Tensor) -> Tile:
        """What is computed from whole images (B, 3, H, W) only: exponent and confidence."""
        counted = seen(image, None if self.visible is None else self.visible.weights)
        confidence = darkness_confidence(counted) if 'fade' in self.safeguards else None
        return Tile(size_of(image), 0, 0, None, gamma_exponent(counted), confidence)
