"""Statistics over a whole image that its tiles, or the frames of a video, share: Gram matrices and pooled features.

Ours. A network normally takes them from the features before it. Tiles of one image must agree on them, or each would be
enhanced in its own way, often by other experts, and their borders would show.
"""
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


class SharedStatistics:
    """By the name of the layer, what the first image to run within `sharing` gave and what then all tiles use."""

    def __init__(self):
        self.known: dict[str, Tensor] = {}

    def exchange(self, name: str, own: Tensor) -> Tensor:
        """What the layer of that name is to use in place of its own statistic."""
        return self.known.setdefault(name, own)


class StatisticsLayer(nn.Module):
    """A layer that decides by a statistic of the whole image; `statistics` and `shared_name` are set by `sharing`."""
    statistics: SharedStatistics | None = None
    shared_name = ''

    def shared(self, statistic: Tensor) -> Tensor:
        """What is to be used in place of the layer's own statistic, a mean over the pixels."""
        return statistic if self.statistics is None else self.statistics.exchange(self.shared_name, statistic)


@contextmanager
def sharing(network: nn.Module, statistics: SharedStatistics) -> Iterator[None]:
    """Within it the layers of a network, known by their names in it, use `statistics`; one image at a time."""
    layers = {name: m for name, m in network.named_modules() if isinstance(m, StatisticsLayer)}
    try:
        for name, layer in layers.items():
            layer.statistics, layer.shared_name = statistics, name
        yield
    finally:
        for layer in layers.values():
            layer.statistics = None
