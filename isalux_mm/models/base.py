"""What an enhancement network has, so that nobody has to probe for it (ours); and what of mmengine it has."""
import copy
from collections.abc import Sequence

from torch import Tensor, nn

from isalux_mm.functional.resizing import size_of
from isalux_mm.model_zoo import network_config
from isalux_mm.models.gates import Routing
from isalux_mm.models.statistics import Tile, WeighedModule
from isalux_mm.registry import MODELS, SCOPE


class InitializedModule(nn.Module):
    """A module that mmengine initializes as its own `BaseModule`, whose code it runs.

    mmengine.model takes half as long to import as PyTorch, and a network that only enhances needs nothing of it: so it
    is imported when weights are initialized. It counts as a `BaseModule` where `isalux_mm.models` is imported whole.

    Args:
        init_cfg: mmengine's initialization config, or several.
    """

    def __init__(self, init_cfg: dict | Sequence[dict] | None = None):
        super().__init__()
        self.init_cfg = copy.deepcopy(init_cfg)
        self._is_init = False

    @property
    def is_init(self) -> bool:
        """Whether `init_weights` was called."""
        return self._is_init

    def init_weights(self) -> None:
        """Initializes itself by `init_cfg`, and its children; no checkpoint is unpickled."""
        from mmengine.model import BaseModule
        BaseModule.init_weights(self)

    def _dump_init_info(self) -> None:
        from mmengine.model import BaseModule
        BaseModule._dump_init_info(self)


class EnhancementNetwork(InitializedModule, WeighedModule):
    """An enhancement network: (B, 3, H, W), RGB in [0, 1], in and out, any size, not clamped.

    A subclass defines `forward`; one that routes, or decides by the whole image, the rest as well. Where a network is
    wanted a plain module of one argument will do too (`routed`): it has no routing and knows nothing of the whole.

    Attributes:
        num_scales: the network halves the image `num_scales - 1` times; tiles start at multiples of 2 to that power.
    """
    num_scales = 1

    def forward(self, image: Tensor, *, tile: Tile | None = None) -> Tensor:
        """Enhances images.

        Args:
            image: (B, 3, H, W), RGB in [0, 1]: whole images, or one tile of each.
            tile: from `whole` and where the tile lies in it; `None` for whole images.

        Returns:
            The same shape, RGB, not clamped.
        """
        raise NotImplementedError(f'{type(self).__name__} must define forward')

    def forward_with_routing(self, image: Tensor, *, tile: Tile | None = None) -> tuple[Tensor, list[Routing]]:
        """As `forward`, and the routing of every mixture layer, encoder to decoder; by default there is none."""
        return self(image, tile=tile), []

    def blocks(self) -> list[nn.Module]:
        """The parts that repeat and take most of its time, in order, to be compiled one by one; by default itself."""
        return [self]

    def whole(self, image: Tensor) -> Tile:
        """What is computed from whole images (B, 3, H, W) only, by the pixels that are seen of them (`visible`).

        By default nothing but their size.
        """
        return Tile(size_of(image), 0, 0, None, None)


def routed(network: nn.Module, image: Tensor, tile: Tile | None = None) -> tuple[Tensor, list[Routing]]:
    """Runs an enhancement network, or a plain module of one argument, on images (B, 3, H, W); result and routing."""
    if isinstance(network, EnhancementNetwork):
        return network.forward_with_routing(image, tile=tile)
    return network(image), []


def build_network(network: dict | str) -> nn.Module:
    """The enhancement network of a config, or that of a packaged model by its name, whatever the default scope is,
    without its weights."""
    return MODELS.build({'_scope_': SCOPE, **network_config(network)} if isinstance(network, str) else network)
