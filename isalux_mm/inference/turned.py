"""Pictures much wider than high: worked on their side, by a network whose kernels lie on theirs (ours).

Strips are rows, and a row of a picture of 1,000,000 x 12 pixels holds as much as a whole photograph. Turned over the
diagonal, picture and kernels alike, every sum has the same terms: the result is the same up to rounding, and a thin
picture costs what its pixels cost.
"""
import copy
from typing import Any

from torch import Tensor, nn

from isalux_mm.inference.prepare import PreparedNetwork
from isalux_mm.inference.strips import StripBlock
from isalux_mm.models.isalux import ISALux

WIDE = 16  # ours: width over height, from which a picture is turned


class TurnedPrior(nn.Module):
    """A semantic prior that meets a turned image: it sees it as it was, and its map is turned.

    Args:
        prior: takes (B, 3, H, W), gives (B, classes, h, w) or `None`.
    """

    def __init__(self, prior: nn.Module):
        super().__init__()
        self.prior, self.out_channels = prior, prior.out_channels

    def forward(self, image: Tensor) -> Tensor | None:
        """image: (B, 3, W, H); returns (B, classes, w, h) or `None`."""
        found = self.prior(image.mT.contiguous())
        return None if found is None else found.mT.contiguous()


def is_wide(network: nn.Module, size: tuple[int, int]) -> bool:
    """Whether an image (H, W) is to be turned for a network: very wide, and the network runs in strips throughout."""
    height, width = size
    if width < WIDE * height or not isinstance(network, PreparedNetwork) or network.strips is None:
        return False
    blocks = [m for m in network.strips.modules() if isinstance(m, StripBlock)]
    return type(network.network) is ISALux and all(b.attention is not None and b.ffn is not None for b in blocks)


def turned(network: PreparedNetwork) -> PreparedNetwork:
    """A copy, of a network that `is_wide` takes, whose result of a turned image (B, 3, W, H) is the turned result."""
    inside: Any = copy.deepcopy(network.network)
    prior, inside.semantic_prior = inside.semantic_prior, None
    for module in inside.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.weight.data = module.weight.data.mT.contiguous()
    inside.semantic_prior = TurnedPrior(prior)
    return PreparedNetwork(inside, strip_rows=None if network.strips is None else network.strips.strip_rows)
