"""Statistics over a whole image that its tiles share: attention's Gram matrices and the gates' pooled features.

Ours. A network normally takes them from the features before it. Tiles of one image must agree on them, or each would be
enhanced in its own way and their borders would show.
"""
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


class SharedStatistics:
    """Averages by layer over the tiles seen so far, and the averages in use.

    Attributes:
        known: what layers use in place of their own statistic, by layer.
    """

    def __init__(self):
        self.known: dict[nn.Module, Tensor] = {}
        self._sums: dict[nn.Module, tuple[Tensor, int]] = {}

    def exchange(self, layer: nn.Module, mean: Tensor, pixels: int) -> Tensor:
        """Notes a layer's statistic on a tile; returns the one it is to use, its own where none is known.

        Args:
            layer: that asks.
            mean: over the pixels of the tile.
            pixels: of the tile.
        """
        total, count = self._sums.get(layer, (0, 0))
        self._sums[layer] = (total + mean.detach() * pixels, count + pixels)
        return self.known.get(layer, mean)

    def settle(self) -> None:
        """From now on the averages over the tiles seen since the last call are in use."""
        self.known = {layer: total / count for layer, (total, count) in self._sums.items()}
        self._sums = {}


class StatisticsLayer(nn.Module):
    """A layer that decides by a statistic of the whole image; `statistics` is set while tiles run."""
    statistics: SharedStatistics | None = None

    def shared(self, mean: Tensor, pixels: int) -> Tensor:
        """What takes the place of a statistic, a mean over `pixels` pixels."""
        return mean if self.statistics is None else self.statistics.exchange(self, mean, pixels)


@contextmanager
def sharing(network: nn.Module) -> Iterator[SharedStatistics]:
    """Within it, the layers of a network share their statistics between calls; one image at a time."""
    layers = [m for m in network.modules() if isinstance(m, StatisticsLayer)]
    statistics = SharedStatistics()
    try:
        for layer in layers:
            layer.statistics = statistics
        yield statistics
    finally:
        for layer in layers:
            layer.statistics = None
