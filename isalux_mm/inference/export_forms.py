"""Forms of an enhancement network that can be exported: what works is a matter of data, not of the graph (ours)."""
import copy
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from isalux_mm.functional.checks import check_choice
from isalux_mm.functional.tone import HIGHLIGHTS, within_white
from isalux_mm.models.blocks import PriorAdapter, UpsampleFuse
from isalux_mm.models.experts import MoEFFN
from isalux_mm.models.gates import Routing
from isalux_mm.models.isalux import ISALux
from isalux_mm.models.lora import LoRAProjection


class AllExpertsFFN(nn.Module):
    """A `MoEFFN` with every expert computed; those that an image did not choose weigh zero.

    Experts of one kind run side by side as one.

    Args:
        ffn: its gate and its experts are used.
    """

    def __init__(self, ffn: MoEFFN):
        super().__init__()
        self.gate, self.experts, self.experts_fuse = ffn.gate, ffn.experts, ffn.experts_fuse

    def forward(self, x: Tensor) -> tuple[Tensor, Routing]:
        """Features (B, C, H, W) in and out, and the routing of the batch."""
        routing = self.gate(x)
        weights = torch.zeros_like(routing.probabilities).scatter(1, routing.indices, routing.weights).to(x.dtype)
        if self.experts_fuse:
            first: Any = self.experts[0]
            return first.fused_forward(self.experts, x, weights), routing
        outputs = (weights[:, i, None, None, None] * expert(x) for i, expert in enumerate(self.experts))
        return reduce(torch.add, outputs), routing


class UncutUpsampleFuse(nn.Module):
    """`UpsampleFuse` that crops by index: what it gives is a tensor of its own, whatever the size is.

    A slice is one only at some sizes, and the tracer would take the example's case for all.

    Args:
        fuse: its layers are used.
    """

    def __init__(self, fuse: UpsampleFuse):
        super().__init__()
        self.up, self.fuse = fuse.up, fuse.fuse

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """As of `UpsampleFuse`."""
        x = self.up(x)
        for axis in (2, 3):
            x = x.index_select(axis, torch.arange(skip.shape[axis], device=x.device))
        return self.fuse(torch.cat([x, skip], dim=1))


class ExportableEnhancer(nn.Module):
    """An enhancement network in the form that can be exported: (B, 3, H, W) to the same, float32, RGB in [0, 1].

    LoRA is folded and every expert computed, those not chosen with the weight zero: which ones an image chooses is
    then a matter of data, not of the graph, and an example cannot freeze it.

    Args:
        network: an `ISALux`, or another network with the same input and output; copied, not touched.
        half: weights and activations in float16; sums over pixels, softmax and the tone stay in float32.
        with_routing: give the indices of the chosen experts too.
        highlights: 'soft' compresses what exceeds white, as `EnhanceInferencer`; 'clip' cuts it off.

    Raises:
        ValueError: if `highlights` is unknown, or routing is asked of a network that has none.
    """

    def __init__(self, network: nn.Module, *, half: bool = False, with_routing: bool = False,
                 highlights: str = 'soft'):
        super().__init__()
        check_choice(highlights, HIGHLIGHTS, 'highlights')
        self.network: Any = exportable(network)
        has_routing = isinstance(network, ISALux) and any(isinstance(m, MoEFFN) for m in network.modules())
        if with_routing and not has_routing:
            raise ValueError(f'routing needs an ISALux with mixtures of experts, got {type(network).__name__}')
        self.half_precision, self.with_routing, self.highlights = half, with_routing, highlights
        if half:
            self.network.half()

    def forward(self, low: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """low: (B, 3, H, W), RGB in [0, 1]; returns the same enhanced and, if asked for, the indices of the chosen
        experts, (B, layers, K), int64, encoder to decoder, ascending."""
        image = low.half() if self.half_precision else low
        routings = []
        if self.with_routing:
            enhanced, routings = self.network.forward_with_routing(image)
        else:
            enhanced = self.network(image)
        enhanced = enhanced.float()
        enhanced = within_white(enhanced, low, self.highlights)
        return (enhanced, torch.stack([r.indices for r in routings], dim=1)) if self.with_routing else enhanced


def exportable(network: nn.Module) -> nn.Module:
    """A copy of a network for inference alone, LoRA folded, all experts computed, in float32 on the CPU."""
    network = copy.deepcopy(network).cpu().float().eval().requires_grad_(False)
    for name, module in list(network.named_modules()):
        if isinstance(module, LoRAProjection):
            module.merge()
        elif isinstance(module, UpsampleFuse):
            network.set_submodule(name, UncutUpsampleFuse(module))
        elif isinstance(module, PriorAdapter):
            network.set_submodule(name, nn.Sequential(*module))  # its layers without changes of memory layout
        elif isinstance(module, MoEFFN):
            network.set_submodule(name, AllExpertsFFN(module))
    return network
