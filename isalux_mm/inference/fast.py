"""Fast mode: a network decides on a small picture, and maps of colour carry its decision to the large one (ours)."""
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isalux_mm.functional.bilateral_grid import LEVELS, change_of, fit_grid, gain_of, lightness, rows_of, sliced
from isalux_mm.functional.checks import check_image
from isalux_mm.functional.compiling import is_compilable
from isalux_mm.functional.noise_removal import MULTIPLE, REACH, noise_levels
from isalux_mm.functional.quick_noise_removal import noise_of
from isalux_mm.functional.resizing import reduced_size, size_of
from isalux_mm.functional.safeguards import REACH as GUARD_REACH
from isalux_mm.functional.safeguards import confidence_by, light, lit_share
from isalux_mm.functional.visible import seen
from isalux_mm.inference.fast_rendering import rendered
from isalux_mm.inference.tiled import network_inside
from isalux_mm.models.base import EnhancementNetwork
from isalux_mm.models.statistics import Tile, weighing

MODES = ('full', 'fast')
# ours, all of these; measured in docs/speed.md
SHORT_SIDES = (64, 192)  # of the small picture, least and most
SHARE = 6  # of the picture's short side over the small one's, between them
STRIP_PIXELS = 1_500_000  # that are worked on at once
MANY_PIXELS = 2_000_000  # of one picture, from which it is worth it to load compiled kernels
PROBE_PIXELS, PROBE_ROWS = 2_000_000, 34  # on which noise is measured, in pieces of so many rows


class FastMaps(NamedTuple):
    """All that is decided on the small picture; nothing in it depends on the size of the large one.

    Attributes:
        grid: affine maps of colour less the identity, (B, 12, levels, rows, columns), see `functional.bilateral_grid`.
        noise: standard deviation of the luma's noise that the maps add, (B, 1, levels, rows, columns).
        share: of its change that a place gets, (B, 1, h, w), in [0, 1]: the safeguard of black. (B, 1, 1, 1) of ones
            for a network without it.
    """
    grid: Tensor
    noise: Tensor
    share: Tensor

    def blended(self, other: 'FastMaps', weight: float) -> 'FastMaps':
        """(1 - weight) of these and `weight` of other maps, of the same size; for what lies between them in time."""
        return FastMaps(*(torch.lerp(a, b, weight) for a, b in zip(self, other)))


class FastNetwork(nn.Module):
    """A network at a fraction of its cost: (B, 3, H, W), RGB in [0, 1], same size out, not clamped.

    What a network decides is smooth: exposure, colour, local tone. So it runs on a small copy of the picture; its
    decision, as maps of colour in a bilateral grid, is looked up by every pixel of the large one by place and
    lightness, and what noise they add by their gain is removed (`functional.noise_removal`). A network that changes
    nothing changes nothing. Safeguards hold as in full mode: whether the picture is dark is decided on all of its
    pixels, what is black on the small copy; grey, by maps that keep it.

    Args:
        network: of any size of picture, best prepared for inference (`prepare_for_inference`).
        short_side: of the small picture that the network sees; by default a sixth of the picture's own, 64 to 192.
        denoise: whether noise is removed.
        compiled: whether pictures of less than two megapixels, too, are rendered by compiled kernels where these can
            be used (extra `[fast]`): the same to six digits, at a third of the time, once they are loaded.

    Raises:
        ValueError: if `short_side` is below 1.
    """

    def __init__(self, network: nn.Module, *, short_side: int | None = None, denoise: bool = True,
                 compiled: bool = False):
        super().__init__()
        if short_side is not None and short_side < 1:
            raise ValueError(f'short_side must be at least 1 or None, got {short_side}')
        self.network, self.short_side, self.denoise, self.compiled = network, short_side, denoise, compiled

    def forward(self, low: Tensor, *, visible: Tensor | None = None) -> Tensor:
        """Enhances images: `render` by their own `maps`; arguments as of these."""
        return self.render(low, self.maps(low, visible=visible))

    def maps(self, low: Tensor, *, visible: Tensor | None = None) -> FastMaps:
        """Runs the network on the images brought down in size.

        Args:
            low: (B, 3, H, W), RGB in [0, 1].
            visible: of one image, (1, 1, H, W), above 0 where a pixel is seen: the others take no part in what is
                decided. `None` for all.

        Raises:
            ValueError: if the network changes the size.
        """
        check_image(low, 'B 3 H W', 'low')
        small = self.reduced(low)
        with weighing(self.network, _shrunk(visible, small)):
            tile = self.whole(low, small, visible=visible)
            enhanced = self.network(small) if tile is None else self.network(small, tile=tile)
        return self.fitted(low, small, enhanced, visible=visible)

    def whole(self, low: Tensor, small: Tensor, *, visible: Tensor | None = None,
              lit: Tensor | None = None) -> Tile | None:
        """What the network is to take from the whole of the small picture; `None` of a plain module.

        How sure it is that a picture is dark, it takes from all pixels of the large one.

        Args:
            low, visible: as of `maps`.
            small: `reduced` of the images.
            lit: their `light` by the pixels that are seen, (B, 1, 1, 1), where it is known.
        """
        if not isinstance(self.network, EnhancementNetwork):
            return None
        tile = self.network.whole(small)
        if tile.confidence is None or small is low:
            return tile
        lit = light(seen(low, visible)) if lit is None else lit
        return tile._replace(confidence=confidence_by(lit).to(small.dtype))

    def fitted(self, low: Tensor, small: Tensor, enhanced: Tensor, *, visible: Tensor | None = None) -> FastMaps:
        """The maps of what the network made of a small picture.

        Args:
            low: the images (B, 3, H, W).
            small: `reduced` of them, (B, 3, h, w).
            enhanced: the network's result, same shape.
            visible: as of `maps`.

        Raises:
            ValueError: if the network has changed the size.
        """
        if enhanced.shape != small.shape:
            raise ValueError(f'the enhancement network must keep the size: {tuple(small.shape)} went in, '
                             f'{tuple(enhanced.shape)} came out of {type(self.network).__name__}')
        grid = fit_grid(small, enhanced, weights=_shrunk(visible, small))
        gain = gain_of(grid).clamp_min(0)
        noise = gain * self.noise(low, visible).to(grid.dtype)[:, None, :, None, None] if self.denoise else 0 * gain
        return FastMaps(grid, noise, self._share(small, max(low.shape[-2:]) / max(small.shape[-2:])).to(grid.dtype))

    def reduced(self, low: Tensor) -> Tensor:
        """The small picture: areas averaged, so that noise is, too."""
        height, width = size_of(low)
        short = self.short_side or min(max(min(height, width) // SHARE, SHORT_SIDES[0]), SHORT_SIDES[1])
        size = reduced_size(height, width, short)
        return low if size == (height, width) else F.adaptive_avg_pool2d(low, size)

    def noise(self, low: Tensor, visible: Tensor | None = None) -> Tensor:
        """Noise of the images by lightness, (B, levels), measured on pieces of large ones; arguments as of `maps`."""
        height, width = size_of(low)
        step = max(height * PROBE_ROWS * width // PROBE_PIXELS, PROBE_ROWS)
        rows = height if step == PROBE_ROWS else PROBE_ROWS

        def pieces(images: Tensor) -> list[Tensor]:
            return [images[:, :, first:first + rows] for first in range(0, height, max(step, rows))]

        return noise_levels(pieces(low), LEVELS, visible=None if visible is None else pieces(visible),
                            compiled=self._is_compilable(low))

    def _is_compilable(self, low: Tensor, *others: Tensor) -> bool:
        """Whether compiled kernels are used for these images."""
        height, width = size_of(low)
        return (self.compiled or height * width >= MANY_PIXELS) and is_compilable(low, *others)

    def render(self, low: Tensor, maps: FastMaps) -> Tensor:
        """Brings the decision to full resolution, in strips of rows.

        Args:
            low: images (B, 3, H, W) of any size.
            maps: theirs, or those of another moment of the same scene.
        """
        check_image(low, 'B 3 H W', 'low')
        height, width = size_of(low)
        if self._is_compilable(low, *maps):
            return rendered(low, *maps, denoise=self.denoise)
        rows = max(STRIP_PIXELS // (len(low) * width) // MULTIPLE, 1) * MULTIPLE
        if rows >= height:
            return self._strip(low, maps, (0, height), height)
        # laid out in memory as the images, so that a picture of bytes by pixel stays one
        out = torch.empty_like(low)
        for first in range(0, height, rows):
            last = min(first + rows, height)
            out[:, :, first:last] = self._strip(low, maps, (first, last), height)
        return out

    def _strip(self, low: Tensor, maps: FastMaps, rows: tuple[int, int], height: int) -> Tensor:
        """Rows [first, last) of the result; what removes noise sees what lies around them."""
        reach = REACH if self.denoise else 0
        first, last = max(rows[0] - reach, 0), min(rows[1] + reach, height)
        part = low[:, :, first:last].contiguous()
        own = sliced(torch.cat([maps.grid, maps.noise], dim=1), lightness(part), height=height, first=first)
        change, noise = change_of(part, own[:, :-1]), own[:, -1:]
        if size_of(maps.share) != (1, 1):
            share = share_of(maps.share, (last - first, low.shape[3]), height, first)
            change, noise = change * share, noise * share
        bright = part + change.to(part.dtype)
        if self.denoise:
            bright = bright - noise_of(bright.to(noise.dtype), noise).to(bright.dtype)
        return bright[:, :, rows[0] - first:rows[1] - first]

    def _share(self, small: Tensor, scale: float) -> Tensor:
        """The share of `FastMaps`; places look as far as in a picture of full size, one small pixel at least."""
        inside = network_inside(self.network)
        if 'black' not in getattr(inside, 'safeguards', ()):
            return small.new_ones(len(small), 1, 1, 1)
        return lit_share(small.amax(dim=1, keepdim=True), max(round(GUARD_REACH / scale), 1))


def _shrunk(visible: Tensor | None, small: Tensor) -> Tensor | None:
    """How much the pixels of the small picture count."""
    return None if visible is None else F.adaptive_avg_pool2d(visible, size_of(small))


def share_of(share: Tensor, size: tuple[int, int], height: int, first: int) -> Tensor:
    """The share of every pixel of a strip of rows, (B, 1, h, W)."""
    rows = rows_of(share, height, first, first + size[0])
    return F.interpolate(rows, size=size, mode='bilinear', align_corners=False)
