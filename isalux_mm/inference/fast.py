"""Fast mode: a network decides on a small picture, and maps of colour carry its decision to the large one (ours)."""
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isalux_mm.functional.bilateral_grid import applied, fit_grid, lightness, sliced
from isalux_mm.functional.checks import check_image
from isalux_mm.functional.resizing import reduced_size, size_of

# ours, all of these; measured in docs/speed.md
SHORT_SIDES = (64, 192)  # of the small picture, least and most
SHARE = 6  # of the picture's short side over the small one's, between them
STRIP_PIXELS = 200_000  # that are worked on at once


class FastMaps(NamedTuple):
    """All that is decided on the small picture; nothing in it depends on the size of the large one.

    Attributes:
        grid: affine maps of colour less the identity, (B, 12, levels, rows, columns), see `functional.bilateral_grid`.
    """
    grid: Tensor

    def blended(self, other: 'FastMaps', weight: float) -> 'FastMaps':
        """(1 - weight) of these and `weight` of other maps, of the same size; for what lies between them in time."""
        return FastMaps(*(torch.lerp(a, b, weight) for a, b in zip(self, other)))


class FastNetwork(nn.Module):
    """A network at a fraction of its cost: (B, 3, H, W), RGB in [0, 1], same size out, not clamped.

    Args:
        network: of any size of picture, best prepared for inference (`prepare_for_inference`).
        short_side: of the small picture that the network sees; by default a sixth of the picture's own, 64 to 192.

    Raises:
        ValueError: if `short_side` is below 1.
    """

    def __init__(self, network: nn.Module, *, short_side: int | None = None):
        super().__init__()
        if short_side is not None and short_side < 1:
            raise ValueError(f'short_side must be at least 1 or None, got {short_side}')
        self.network, self.short_side = network, short_side

    def forward(self, low: Tensor) -> Tensor:
        """Enhances images: `render` by their own `maps`."""
        return self.render(low, self.maps(low))

    def maps(self, low: Tensor) -> FastMaps:
        """Runs the network on the images (B, 3, H, W) brought down in size.

        Raises:
            ValueError: if the network changes the size.
        """
        check_image(low, 'B 3 H W', 'low')
        small = self.reduced(low)
        enhanced = self.network(small)
        if enhanced.shape != small.shape:
            raise ValueError(f'the enhancement network must keep the size: {tuple(small.shape)} went in, '
                             f'{tuple(enhanced.shape)} came out of {type(self.network).__name__}')
        return FastMaps(fit_grid(small, enhanced))

    def reduced(self, low: Tensor) -> Tensor:
        """The small picture: areas averaged, so that noise is, too."""
        height, width = size_of(low)
        short = self.short_side or min(max(min(height, width) // SHARE, SHORT_SIDES[0]), SHORT_SIDES[1])
        size = reduced_size(height, width, short)
        return low if size == (height, width) else F.adaptive_avg_pool2d(low, size)

    def render(self, low: Tensor, maps: FastMaps) -> Tensor:
        """Brings the decision to full resolution, in strips of rows.

        Args:
            low: images (B, 3, H, W) of any size.
            maps: theirs, or those of another moment of the same scene.
        """
        check_image(low, 'B 3 H W', 'low')
        height, width = size_of(low)
        rows = max(STRIP_PIXELS // (len(low) * width), 1)
        strips = [self._strip(low[:, :, first:first + rows], maps, first, height) for first in range(0, height, rows)]
        return strips[0] if len(strips) == 1 else torch.cat(strips, dim=2)

    def _strip(self, low: Tensor, maps: FastMaps, first: int, height: int) -> Tensor:
        return applied(low, sliced(maps.grid, lightness(low), height=height, first=first))
