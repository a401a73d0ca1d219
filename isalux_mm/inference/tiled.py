"""Images too large to be enhanced at once: in overlapping tiles that share the statistics of the whole (ours)."""
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isalux_mm.functional.checks import check_choice, check_image
from isalux_mm.functional.resizing import size_of
from isalux_mm.functional.tiling import Span, blend_weights, round_up, split
from isalux_mm.inference.prepare import PreparedNetwork, prepare_for_inference
from isalux_mm.inference.turned import is_wide, turned
from isalux_mm.models.base import EnhancementNetwork
from isalux_mm.models.isalux import ISALux
from isalux_mm.models.statistics import SharedStatistics, Tile, sharing, weighing

STATISTICS = ('whole', 'own')
# ours, all of these; measured in docs/speed.md
WHOLE_BYTES = 3 * 2**30  # on a CPU; on an accelerator half of what is free
BYTES_PER_PIXEL = 3 * 2**10  # about, on the way through a network as it was built
STRIP_PIXELS = 24_000_000  # about 170 bytes a pixel in strips: below 4 GiB
TILE = 768
OVERLAP = 64


@torch.no_grad()
def enhance_tiled(network: nn.Module,
                  image: Tensor,
                  *,
                  tile: int | None = None,
                  overlap: int | None = None,
                  statistics: str = 'whole',
                  visible: Tensor | None = None) -> Tensor:
    """Enhances an image of any size in bounded memory.

    Attention, gates, class map, brightening and the confidence of darkness of an `ISALux` depend on the whole image.
    Tiles do not decide on them by themselves: class map, exponent and confidence are computed from the whole image, and
    what every block takes from its pixels (a Gram matrix and pooled features) is measured ahead, by a run of the whole
    image in strips, which needs 170 bytes a pixel. The tiles then equal the untiled result up to rounding: no seams. Of
    images beyond 24 megapixels the statistics are those of the image reduced to that size: still one set for all tiles,
    so no seams, but a gate may choose other experts than it would for the full image. Nothing less exact would do:
    gates decide between probabilities that may differ by a thousandth.

    Other networks get what their own `whole` gives, and share no statistics; those that know nothing of the whole
    image (a curve network, a power law) run tile by tile; so does an attention with depthwise convolutions on q, k
    and v.

    Args:
        network: an enhancement network in eval mode, as it was built or prepared for inference.
        image: (B, 3, H, W), RGB in [0, 1]; images of a batch run one after the other.
        tile: most pixels of a tile's side. `None` chooses by size: an image that fits runs whole, which prepared
            for a CPU every image of up to 24 megapixels does. 0 never tiles.
        overlap: of neighbouring tiles, pixels, at most a third of `tile`; by default 64, or that third if less.
        statistics: 'whole', or 'own': every tile decides by itself, as when a network is simply run on pieces.
        visible: of one image, (1, 1, H, W), above 0 where a pixel is seen: what is decided by the whole image, is
            decided by these pixels. `None` for all.

    Returns:
        (B, 3, H, W), as the network gives it: not clamped.

    Raises:
        ValueError: if `tile` is negative, `overlap` does not fit or `statistics` is unknown.
    """
    check_image(image, 'B 3 H W')
    check_choice(statistics, STATISTICS, 'statistics')
    if tile is not None and tile < 0:
        raise ValueError(f'tile must be at least 0 pixels, or None, got {tile}')
    height, width = image.shape[-2:]
    tile = suitable_tile(network, height * width, image.device) if tile is None else tile
    if isinstance(network, PreparedNetwork) and is_wide(network, (height, width)):
        on_its_side = enhance_tiled(turned(network), image.mT.contiguous(), tile=tile, overlap=overlap,
                                    statistics=statistics, visible=None if visible is None else visible.mT)
        return on_its_side.mT
    if tile == 0 or tile >= max(height, width):
        with weighing(network, visible):
            return network(image)
    places = Places(network, (height, width), tile, overlap)
    return torch.cat([_enhance_one(network, one, places, statistics, visible) for one in image.split(1)])


def suitable_tile(network: nn.Module, pixels: int, device: torch.device) -> int:
    """Side of the tiles for an image of so many pixels; 0 where it fits as a whole."""
    if device.type == 'cpu' and isinstance(network, PreparedNetwork) and network.strips is not None:
        return 0 if pixels <= STRIP_PIXELS else TILE
    memory = torch.cuda.mem_get_info(device)[0] // 2 if device.type == 'cuda' else WHOLE_BYTES
    return 0 if pixels * BYTES_PER_PIXEL <= memory else TILE


class Places:
    """Where the tiles of an image lie: an iterable of (rows, columns).

    Args:
        network: starts are multiples of what it reduces the image by.
        size: (H, W).
        tile: as of `enhance_tiled`.
        overlap: likewise.
    """

    def __init__(self, network: nn.Module, size: tuple[int, int], tile: int, overlap: int | None):
        self.multiple = 2**(network.num_scales - 1) if isinstance(network, EnhancementNetwork) else 1
        tile = round_up(tile, self.multiple)
        if overlap is None:
            overlap = min(OVERLAP, tile // 3 // self.multiple * self.multiple)
        self.rows, self.columns = (split(side, tile, overlap, multiple=self.multiple) for side in size)

    def __iter__(self) -> Iterator[tuple[Span, Span]]:
        for rows in self.rows:
            for columns in self.columns:
                yield rows, columns


def network_inside(network: nn.Module) -> nn.Module:
    """The network that was prepared, or the network itself."""
    return network.network if isinstance(network, PreparedNetwork) else network


def _enhance_one(network: nn.Module, image: Tensor, places: Places, statistics: str,
                 visible: Tensor | None) -> Tensor:
    """Tiles of one image (1, 3, H, W)."""
    if not isinstance(network, EnhancementNetwork):
        return _join(image, places, lambda part, rows, columns: network(part))
    with weighing(network, visible):
        whole = network.whole(image)

    def run(part: Tensor, rows: Span, columns: Span) -> Tensor:
        return network(part, tile=whole._replace(top=rows.start, left=columns.start))

    if statistics == 'own' or not isinstance(network_inside(network), ISALux):
        return _join(image, places, run)
    shared = measure(network, image, whole, visible)
    with sharing(network_inside(network), shared):
        return _join(image, places, run)


def measure(network: nn.Module, image: Tensor, whole: Tile, visible: Tensor | None = None) -> SharedStatistics:
    """The statistics of an image (1, 3, H, W), reduced to 24 megapixels where it is larger.

    In strips, whose memory is small, whatever form the network has.

    Args:
        network: an `ISALux`, or prepared from one.
        image: as it is.
        whole: its class probabilities, exponent and confidence.
        visible: as of `enhance_tiled`.
    """
    strips: Any = network.strips if isinstance(network, PreparedNetwork) else None
    strips = prepare_for_inference(network_inside(network)).strips if strips is None else strips
    shared, scale = SharedStatistics(), (STRIP_PIXELS / (image.shape[2] * image.shape[3]))**0.5
    if scale < 1:
        image = F.interpolate(image, size=[max(int(side * scale), 1) for side in image.shape[2:]], mode='area')
        whole = whole._replace(size=size_of(image))
    with sharing(strips.network, shared), weighing(strips.network, visible):
        strips(image, tile=whole)
    return shared


def _part(image: Tensor, rows: Span, columns: Span) -> Tensor:
    return image[..., rows.start:rows.stop, columns.start:columns.stop]


def _join(image: Tensor, places: Places, run: Callable[[Tensor, Span, Span], Tensor]) -> Tensor:
    """Runs all tiles and blends them."""
    out = torch.zeros_like(image)
    for rows, columns in places:
        weights = blend_weights(rows, image).unsqueeze(1) * blend_weights(columns, image)
        _part(out, rows, columns).addcmul_(run(_part(image, rows, columns), rows, columns), weights)
    return out
