"""Networks that break a contract, for tests of more than one part."""
from mmengine.model import BaseModule
from torch import Tensor


class Halving(BaseModule):
    """Does not keep the size."""

    def forward(self, image: Tensor) -> Tensor:
        return image[..., ::2, ::2]
