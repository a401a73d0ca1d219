"""What tiles of an image, or frames of a video, take from the whole: statistics (Gram matrices, pooled features), and
where a tile lies.

Ours. A network normally takes them from the features before it. Tiles of one image must agree on them, or each would be
enhanced in its own way, often by other experts, and their borders would show.
"""
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from isalux_mm.functional.resizing import size_of
from isalux_mm.functional.tiling import Window


class Tile(NamedTuple):
    """Where a tile lies in its image, and what is taken from the whole image.

    Attributes:
        size: (H, W) of the whole image.
        top: of the tile, a multiple of 2^(scales - 1).
        left: likewise.
        semantics: class probabilities of the whole image, (B, classes, h, w), or `None`.
        exponent: of the brightened image, (B, 1, 1, 1), or `None`.
        confidence: that the whole image is dark, (B, 1, 1, 1), or `None`.
    """
    size: tuple[int, int]
    top: int
    left: int
    semantics: Tensor | None
    exponent: Tensor | None
    confidence: Tensor | None = None

    def of_image(self, i: int) -> 'Tile':
        """The same for image i of the batch alone."""
        semantics, exponent, confidence = (
            None if x is None else x[i:i + 1] for x in (self.semantics, self.exponent, self.confidence))
        return self._replace(semantics=semantics, exponent=exponent, confidence=confidence)

    def at_scale(self, k: int, size: tuple[int, int]) -> tuple[tuple[int, int], Window]:
        """Size of the whole at H / 2^k, and where a tile of that `size` lies in it."""
        # no negative number: ONNX divides towards zero
        height, width = ((side + 2**k - 1) // 2**k for side in self.size)
        top, left = self.top // 2**k, self.left // 2**k
        return (height, width), Window(top, top + size[0], left, left + size[1])


class SharedStatistics:
    """By the name of the layer, what the first image to run within `sharing` gave and what then all tiles use."""

    def __init__(self) -> None:
        self.known: dict[str, Tensor] = {}

    def exchange(self, name: str, own: Tensor) -> Tensor:
        """What the layer of that name is to use in place of its own statistic."""
        return self.known.setdefault(name, own)


class Visible:
    """How much every pixel of one image counts in its statistics, at every scale.

    Args:
        weights: (1, 1, H, W), 0 where a pixel is hidden; not all zero.
    """

    def __init__(self, weights: Tensor):
        self.weights, self.known = weights, dict[tuple[int, int], Tensor]()

    def at(self, size: tuple[int, int]) -> Tensor:
        """Weights (1, 1, h, w) of a map of this size, of mean 1, so that weighted sums divide by the pixels."""
        if size not in self.known:
            weights = self.weights if size == size_of(self.weights) else F.adaptive_avg_pool2d(self.weights, size)
            self.known[size] = weights / weights.mean()
        return self.known[size]


class WeighedModule:
    """A part of a network that counts pixels by weights where `weighing` has set them as `visible`."""
    visible: Visible | None = None


class StatisticsLayer(nn.Module, WeighedModule):
    """A layer that decides by a statistic of the whole image.

    `statistics` and `shared_name` are set by `sharing`, `visible` by `weighing`.
    """
    statistics: SharedStatistics | None = None
    shared_name = ''

    def counted(self, x: Tensor, *, root: bool = False) -> Tensor:
        """Features (B, C, H, W) times the pixels' weights, or the roots of these, where `weighing` has set them."""
        if self.visible is None:
            return x
        weights = self.visible.at(size_of(x)).to(x.dtype)
        return x * (weights.sqrt() if root else weights)

    def shared(self, statistic: Tensor) -> Tensor:
        """What is to be used in place of the layer's own statistic, a mean over the pixels."""
        return statistic if self.statistics is None else self.statistics.exchange(self.shared_name, statistic)


@contextmanager
def sharing(network: nn.Module, statistics: SharedStatistics) -> Iterator[None]:
    """Within it the layers of a network, known by their names in it, use `statistics`; one image at a time.

    Behind it they use what they used before, so that one may stand within another.
    """
    layers = {name: m for name, m in network.named_modules() if isinstance(m, StatisticsLayer)}
    before = [(layer, layer.statistics, layer.shared_name) for layer in layers.values()]
    try:
        for name, layer in layers.items():
            layer.statistics, layer.shared_name = statistics, name
        yield
    finally:
        for layer, outer, outer_name in before:
            layer.statistics, layer.shared_name = outer, outer_name


@contextmanager
def weighing(network: nn.Module, weights: Tensor | None) -> Iterator[None]:
    """Within it a network and its layers count the pixels of one image by weights; `None` changes nothing.

    Args:
        network: holds `WeighedModule`s.
        weights: (1, 1, H, W), as of `Visible`.
    """
    layers = [m for m in network.modules() if isinstance(m, WeighedModule)] if weights is not None else []
    before = [layer.visible for layer in layers]
    visible = None if weights is None else Visible(weights)
    try:
        for layer in layers:
            layer.visible = visible
        yield
    finally:
        for layer, outer in zip(layers, before):
            layer.visible = outer
