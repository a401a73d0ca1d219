"""`prepare_for_inference`: a network folded, laid out and, if asked, compiled for running it; the original stays."""
import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, overload

import torch
from torch import Tensor, nn

from isalux_mm.functional.checks import check_choice, check_image
from isalux_mm.inference.strip_network import StripISALux
from isalux_mm.models.base import EnhancementNetwork
from isalux_mm.models.gates import Routing
from isalux_mm.models.isalux import ISALux
from isalux_mm.models.lora import LoRAProjection
from isalux_mm.models.statistics import Tile

if TYPE_CHECKING:
    from typing import TypeGuard

    from isalux_mm.models.enhancer import LowLightEnhancer

DTYPES = dict(float32=torch.float32, bfloat16=torch.bfloat16, float16=torch.float16,
              fp32=torch.float32, bf16=torch.bfloat16, fp16=torch.float16)


class PreparedNetwork(EnhancementNetwork):
    """A network for inference alone: eval mode, no gradients; it refuses to train and to load other weights.

    The result comes in the image's dtype, whatever the network's own.

    Args:
        network: folded, in its dtype.
        compiled: whether `torch.compile` is applied.
        strip_rows: see `prepare_for_inference`.
    """

    def __init__(self, network: nn.Module, *, compiled: bool = False, strip_rows: int | None = None):
        super().__init__()
        self.network = network
        if isinstance(network, EnhancementNetwork):
            self.num_scales = network.num_scales
        self.strips = None
        if isinstance(network, ISALux) and not compiled:
            self.strips = StripISALux(network, strip_rows=strip_rows)
        self._compiled = torch.compile(network.forward, dynamic=True) if compiled else None
        self.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> 'PreparedNetwork':
        """Stays in eval mode.

        Raises:
            RuntimeError: if training is asked for.
        """
        if mode:
            raise RuntimeError('a network prepared for inference cannot be trained, its weights are folded; '
                               'train the one that it was prepared from')
        return super().train(False)

    @torch.no_grad()
    def forward(self, image: Tensor, *, tile: Tile | None = None) -> Tensor:
        """As the network's own forward: (B, 3, H, W), RGB in [0, 1], same size out, not clamped.

        Args:
            image: whole images, or one tile of each.
            tile: as of `EnhancementNetwork.forward`; of no use to a plain module.
        """
        check_image(image, 'B 3 H W')
        if self.strips is not None and image.device.type == 'cpu':
            return self.strips(image, tile=tile)
        shown = image.to(self._dtype(image)).contiguous(memory_format=torch.channels_last)
        run = self.network if self._compiled is None else self._compiled
        if not isinstance(self.network, EnhancementNetwork):
            return run(shown).to(image.dtype)
        # the semantic network stays outside of what is compiled
        return run(shown, tile=self.whole(shown) if tile is None else tile).to(image.dtype)

    @torch.no_grad()
    def forward_with_routing(self, image: Tensor, *, tile: Tile | None = None) -> tuple[Tensor, list[Routing]]:
        """As of `EnhancementNetwork`, never compiled."""
        if self.strips is not None and image.device.type == 'cpu':
            return self.strips.forward_with_routing(image, tile=tile)
        shown = image.to(self._dtype(image))
        if isinstance(self.network, EnhancementNetwork):
            enhanced, routings = self.network.forward_with_routing(shown, tile=tile)
        else:
            enhanced, routings = self.network(shown), []
        return enhanced.to(image.dtype), routings

    def whole(self, image: Tensor) -> Tile:
        """As of `EnhancementNetwork`."""
        if isinstance(self.network, EnhancementNetwork):
            return self.network.whole(image.to(self._dtype(image)))
        return super().whole(image)

    def state_dict(self, *args: Any, **options: Any) -> dict[str, Tensor]:  # type: ignore[override]
        """That of the network it was prepared from, in its present dtype."""
        return self.network.state_dict(*args, **options)

    def _dtype(self, image: Tensor) -> torch.dtype:
        parameter = next(self.network.parameters(), None)
        return image.dtype if parameter is None else parameter.dtype

    def _load_from_state_dict(self, state_dict: Mapping[str, Tensor], *args: Any) -> None:
        raise RuntimeError('a network prepared for inference takes no weights, its own are folded; '
                           'load them first, then prepare')


@overload
def prepare_for_inference(model: 'LowLightEnhancer', *, dtype: str | torch.dtype | None = None, compile: bool = False,
                          strip_rows: int | None = None) -> 'LowLightEnhancer':
    ...


@overload
def prepare_for_inference(model: nn.Module, *, dtype: str | torch.dtype | None = None, compile: bool = False,
                          strip_rows: int | None = None) -> PreparedNetwork:
    ...


def prepare_for_inference(model: nn.Module, *, dtype: str | torch.dtype | None = None, compile: bool = False,
                          strip_rows: int | None = None) -> nn.Module:
    """A copy of an enhancement network, or of an enhancer, that gives the same results faster; `model` is not touched.

    Of a `LowLightEnhancer` it is one again, without losses: `prepare_for_inference(model).predict(images)`. The copy
    refuses to train.

    An `ISALux` on a CPU runs in strips of rows (`StripISALux`); on an accelerator, or compiled, on whole maps with LoRA
    folded. Whatever has no fast form (other attentions, gates and experts than the package's, depthwise convolutions on
    q, k, v) runs as it stands. Other networks are put into eval mode and into `dtype`, no more.

    Args:
        model: an enhancement network, (B, 3, H, W) to (B, 3, H, W), or a `LowLightEnhancer`.
        dtype: 'float32', 'bfloat16' or 'float16' ('fp32', 'bf16', 'fp16'), or a floating-point `torch.dtype`, in which
            the network computes; sums over pixels are taken in float32 at least. The network's own by default.
        compile: use `torch.compile` with sizes that vary; the first calls take minutes on a CPU.
        strip_rows: rows of a strip on a CPU; by default as many as keep a strip in the cache.

    Raises:
        ValueError: if `dtype` is unknown or `strip_rows` is below 1.
    """
    if strip_rows is not None and strip_rows < 1:
        raise ValueError(f'strip_rows must be at least 1 or None, got {strip_rows}')
    if is_enhancer(model):
        prepared = copy.copy(model)  # shallow: the network is copied once, below
        prepared._modules = {name: m for name, m in model._modules.items() if name not in ('network', 'losses')}
        prepared = copy.deepcopy(prepared)
        prepared.losses, prepared.last_routings = nn.ModuleDict(), []
        prepared.network = prepare_for_inference(model.network, dtype=dtype, compile=compile, strip_rows=strip_rows)
        return prepared.eval()
    if isinstance(model, PreparedNetwork):
        raise ValueError('model must not be prepared already')
    network = copy.deepcopy(model).eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, LoRAProjection):
            module.merge()
    if dtype is not None:
        network.to(floating_dtype(dtype))
    return PreparedNetwork(network, compiled=compile, strip_rows=strip_rows)


def is_enhancer(model: nn.Module) -> 'TypeGuard[LowLightEnhancer]':
    """Whether it is a `LowLightEnhancer`, whose module is not imported for a network."""
    if isinstance(model, EnhancementNetwork):
        return False
    from isalux_mm.models.enhancer import LowLightEnhancer
    return isinstance(model, LowLightEnhancer)


def floating_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """The floating-point dtype of a name such as 'bf16', or itself.

    Raises:
        ValueError: if it is another one.
    """
    if isinstance(dtype, torch.dtype) and dtype.is_floating_point:
        return dtype
    check_choice(dtype, DTYPES, 'dtype')
    return DTYPES[str(dtype)]
