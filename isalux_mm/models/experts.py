"""Experts and the mixture-of-experts feed-forward (ISALux, Eqs. 10 to 12). Differs: probabilities renormalized.

Every expert has a plain `forward`. `fused_forward` computes the weighted sum of several experts of one kind on images
that all chose them: hidden channels side by side, the gate's weights folded into the last projection.
`batched_forward` does the same on images that chose differently, with weights gathered by image: nothing of the routing
is read on the host, so that an accelerator need not wait and a compiler sees one graph.
"""
from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isalux_mm.functional.checks import check_choice
from isalux_mm.functional.expert_by_image import ExpertWeights, experts_of_images
from isalux_mm.functional.resizing import size_of
from isalux_mm.models.attention import to_map, to_tokens
from isalux_mm.models.gates import Routing
from isalux_mm.registry import MODELS

DISPATCHES = ('fused', 'batched', 'by_image', 'sparse', 'dense')


def gelu(x: Tensor) -> Tensor:
    """GELU of (B, C, H, W), taken on the channels-last view, which PyTorch's CPU kernel treats as one flat array."""
    return F.gelu(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def project_weighted(experts: Sequence[nn.Module], hidden: Tensor, weights: Tensor) -> Tensor:
    """Sum over k of weights[:, k] * project_k(hidden_k), as one product with the weights folded in.

    Args:
        experts: K experts with a 1x1 `project`.
        hidden: their hidden features side by side, (B, K * hidden, H, W).
        weights: (B, K).

    Returns:
        (B, C, H, W).
    """
    _, _, h, w = hidden.shape
    matrices = torch.stack([e.get_parameter('project.weight').flatten(1) for e in experts])  # (K, C, hidden)
    folded = torch.einsum('bk,kch->bkhc', weights.to(matrices.dtype), matrices).flatten(1, 2)
    bias = weights.to(matrices.dtype) @ torch.stack([e.get_parameter('project.bias') for e in experts])  # (B, C)
    return to_map(torch.baddbmm(bias.unsqueeze(1), to_tokens(hidden), folded), h, w)


def gather(experts: Sequence[nn.Module], name: str, indices: Tensor) -> Tensor:
    """The named parameter of the experts that every image chose, (B, K, ...)."""
    every = torch.stack([e.get_parameter(name) for e in experts])
    return every.index_select(0, indices.flatten()).unflatten(0, indices.shape)  # its backward is many times indexing's


def expand_batched(experts: Sequence[nn.Module], x: Tensor, indices: Tensor) -> Tensor:
    """The first 1x1 convolution of the chosen experts: x (B, C, H, W) to (B, K * channels, HW)."""
    weight = gather(experts, 'expand.weight', indices).flatten(1, 2).flatten(2)  # (B, K * channels, C)
    bias = gather(experts, 'expand.bias', indices).flatten(1).unsqueeze(2)
    return torch.baddbmm(bias, weight, x.flatten(2))


def convolve_batched(experts: Sequence[nn.Module], hidden: Tensor, indices: Tensor, size: tuple[int, int]) -> Tensor:
    """The 3x3 convolution of the chosen experts, images side by side as groups: (B, K * channels, HW), in and out."""
    weight, bias = gather(experts, 'spatial.weight', indices), gather(experts, 'spatial.bias', indices)
    spatial: Any = experts[0].spatial
    groups = indices.numel() * spatial.groups
    out = F.conv2d(hidden.reshape(1, -1, *size), weight.flatten(0, 2), bias.flatten(), padding=1, groups=groups)
    return out.view_as(hidden)


def project_batched(experts: Sequence[nn.Module], hidden: Tensor, indices: Tensor, weights: Tensor,
                    size: tuple[int, int]) -> Tensor:
    """As `project_weighted` for images that chose differently; hidden: (B, K * channels, HW)."""
    matrices = gather(experts, 'project.weight', indices).flatten(3)  # (B, K, C, channels)
    folded = torch.einsum('bk,bkch->bkhc', weights.to(matrices.dtype), matrices).flatten(1, 2)
    bias = torch.einsum('bk,bkc->bc', weights.to(matrices.dtype), gather(experts, 'project.bias', indices))
    return to_map(torch.baddbmm(bias.unsqueeze(1), hidden.transpose(1, 2), folded), *size)


@MODELS.register_module()
class ConvExpert(nn.Module):
    """E(F) = Conv1x1(GELU(Conv3x3(GELU(Conv1x1(F))))) with a dense 3x3 (Eq. 10).

    Args:
        embed_dims: C.
        expansion: hidden channels as a multiple of C (ours; paper silent).
    """

    def __init__(self, embed_dims: int, *, expansion: float = 1.0):
        super().__init__()
        hidden = max(round(embed_dims * expansion), 1)
        self.expand = nn.Conv2d(embed_dims, hidden, 1)
        self.spatial = nn.Conv2d(hidden, hidden, 3, padding=1, groups=self.groups(hidden))
        self.project = nn.Conv2d(hidden, embed_dims, 1)

    @staticmethod
    def groups(hidden: int) -> int:
        """Groups of the 3x3 convolution."""
        return 1

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, C, H, W) in and out."""
        return self.project(gelu(self.spatial(gelu(self.expand(x)))))

    @staticmethod
    def fused_forward(experts: Sequence['ConvExpert'], x: Tensor, weights: Tensor) -> Tensor:
        """Sum over k of `weights[:, k] * experts[k](x)`; see the module's head. x: (B, C, H, W), weights: (B, K)."""
        hidden = gelu(F.conv2d(x, _cat(experts, 'expand.weight'), _cat(experts, 'expand.bias')))
        groups = sum(e.spatial.groups for e in experts)
        hidden = gelu(
            F.conv2d(hidden, _cat(experts, 'spatial.weight'), _cat(experts, 'spatial.bias'), padding=1, groups=groups))
        return project_weighted(experts, hidden, weights)

    @staticmethod
    def batched_forward(experts: Sequence['ConvExpert'], x: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
        """Sum over k of `weights[:, k] * experts[indices[:, k]](x)`. x: (B, C, H, W), indices and weights: (B, K)."""
        size = size_of(x)
        hidden = F.gelu(convolve_batched(experts, F.gelu(expand_batched(experts, x, indices)), indices, size))
        return project_batched(experts, hidden, indices, weights, size)

    @staticmethod
    def by_image_forward(experts: Sequence['ConvExpert'], x: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
        """As `batched_forward`, one image after another, with a backward of its own."""
        size = size_of(x)
        project = gather(experts, 'project.weight', indices).flatten(3)  # (B, K, C, hidden)
        bias = gather(experts, 'project.bias', indices)
        out = experts_of_images(to_tokens(x), size, ExpertWeights(
            expand=gather(experts, 'expand.weight', indices).flatten(1, 2).flatten(2),
            expand_bias=gather(experts, 'expand.bias', indices).flatten(1),
            spatial=gather(experts, 'spatial.weight', indices).flatten(1, 2),
            spatial_bias=gather(experts, 'spatial.bias', indices).flatten(1),
            project=(project * weights[..., None, None]).transpose(1, 2).flatten(2),
            project_bias=(bias * weights[..., None]).sum(dim=1)))
        return to_map(out, *size)


@MODELS.register_module()
class DepthwiseExpert(ConvExpert):
    """`ConvExpert` with a depthwise 3x3 (the paper does not say which; this one fits 1.85 M parameters).

    Args:
        embed_dims: C.
        expansion: hidden channels as a multiple of C (ours; paper silent).
    """

    def __init__(self, embed_dims: int, *, expansion: float = 2.0):
        super().__init__(embed_dims, expansion=expansion)

    @staticmethod
    def groups(hidden: int) -> int:
        return hidden


@MODELS.register_module()
class GatedDconvExpert(nn.Module):
    """Gated depthwise feed-forward: project(GELU(a) * b) with a, b = depthwise(expand(F)) (Restormer's GDFN).

    Args:
        embed_dims: C.
        expansion: hidden channels of each of a and b as a multiple of C.
    """

    def __init__(self, embed_dims: int, *, expansion: float = 2.0):
        super().__init__()
        hidden = max(round(embed_dims * expansion), 1)
        self.expand = nn.Conv2d(embed_dims, 2 * hidden, 1)
        self.spatial = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden)
        self.project = nn.Conv2d(hidden, embed_dims, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, C, H, W) in and out."""
        a, b = self.spatial(self.expand(x)).chunk(2, dim=1)
        return self.project(gelu(a) * b)

    @staticmethod
    def fused_forward(experts: Sequence['GatedDconvExpert'], x: Tensor, weights: Tensor) -> Tensor:
        """Sum over k of `weights[:, k] * experts[k](x)`. x: (B, C, H, W), weights: (B, K)."""
        hidden = F.conv2d(x, _cat(experts, 'expand.weight'), _cat(experts, 'expand.bias'))
        hidden = F.conv2d(hidden, _cat(experts, 'spatial.weight'), _cat(experts, 'spatial.bias'), padding=1,
                          groups=hidden.shape[1])
        a, b = hidden.unflatten(1, (len(experts), 2, -1)).unbind(dim=2)  # each (B, K, hidden, H, W)
        return project_weighted(experts, (F.gelu(a) * b).flatten(1, 2), weights)

    @staticmethod
    def batched_forward(experts: Sequence['GatedDconvExpert'], x: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
        """Sum over k of `weights[:, k] * experts[indices[:, k]](x)`. x: (B, C, H, W), indices and weights: (B, K)."""
        size = size_of(x)
        hidden = convolve_batched(experts, expand_batched(experts, x, indices), indices, size)
        a, b = hidden.unflatten(1, (indices.shape[1], 2, -1)).unbind(dim=2)  # each (B, K, hidden, HW)
        return project_batched(experts, (F.gelu(a) * b).flatten(1, 2), indices, weights, size)


def belongs_to_forward(kind: type[nn.Module], name: str) -> bool:
    """Whether a kind has the named form and it belongs to its `forward`: a subclass may have overridden the latter."""
    owners = ({name, 'forward'} & vars(base).keys() for base in kind.__mro__)
    return name in next(names for names in owners if names)


@MODELS.register_module()
class MoEFFN(nn.Module):
    """Mixture-of-experts feed-forward: the sum over the selected experts of p(E_i) E_i(F) (Eq. 12).

    Args:
        embed_dims: C.
        num_experts: N (the paper: 4).
        experts: config of an expert, or a list of N configs for a mixture of kinds.
        gate: config of a gate.
        dispatch: 'fused' (images that chose the same experts run together, their experts as one; on an accelerator or
            compiled, 'batched'), 'batched' (all images together, weights gathered by image, nothing read on the
            host), 'by_image' (one image after another with a backward of its own, the fastest for training on a CPU;
            elsewhere, without gradients, compiled, or where a kind has no such form, as 'fused'), 'sparse' (each expert
            runs on the images that chose it; what the others do for a mixture of kinds or widths), 'dense' (every
            expert on every image: the plain reference).

    Attributes:
        dispatch: as asked for; `form` says what is run.
        experts_fuse: whether all experts are of one kind and width, with a fused form.

    Raises:
        ValueError: if a list of experts does not have N entries or `dispatch` is unknown.
    """

    def __init__(self,
                 embed_dims: int,
                 num_experts: int = 4,
                 *,
                 experts: dict | Sequence[dict] = dict(type='DepthwiseExpert', expansion=2.0),
                 gate: dict = dict(type='TopKGate', top_k=2, renormalize=True),
                 dispatch: str = 'fused'):
        super().__init__()
        check_choice(dispatch, DISPATCHES, 'dispatch')
        configs = [experts] * num_experts if isinstance(experts, dict) else list(experts)
        if len(configs) != num_experts:
            raise ValueError(f'experts must list num_experts = {num_experts} configs, got {len(configs)}')
        self.experts = nn.ModuleList(MODELS.build(dict(config, embed_dims=embed_dims)) for config in configs)
        self.gate = MODELS.build(dict(gate, embed_dims=embed_dims, num_experts=num_experts))
        self.dispatch = dispatch
        one_kind = len({(type(e), *(p.shape for p in e.parameters())) for e in self.experts}) == 1
        kind = type(self.experts[0])
        self.experts_fuse = one_kind and belongs_to_forward(kind, 'fused_forward')
        self.experts_run_by_image = one_kind and belongs_to_forward(kind, 'by_image_forward')

    def forward(self, x: Tensor) -> tuple[Tensor, Routing]:
        """Features (B, C, H, W) in and out, and the routing of the batch."""
        routing = self.gate(x)
        weights = routing.weights.to(x.dtype)
        form = self.form(x.device.type == 'cpu' and not torch.compiler.is_compiling())
        forms = dict(fused=self._forward_fused, batched=self._forward_batched, by_image=self._forward_by_image,
                     sparse=self._forward_sparse, dense=self._forward_dense)
        out = forms[form](x, routing.indices, weights)
        touches_all = form in ('batched', 'by_image', 'dense')
        return (out if touches_all or not self.training else self._touch_all(out)), routing

    def form(self, host_may_read: bool) -> str:
        """What is run for the `dispatch` that was asked for.

        Args:
            host_may_read: whether reading the routing on the host costs nothing: eager, on a CPU.
        """
        if self.dispatch in ('fused', 'batched', 'by_image') and not self.experts_fuse:
            return 'sparse'
        if self.dispatch in ('fused', 'by_image') and not host_may_read:
            return 'batched'
        by_image = self.experts_run_by_image and torch.is_grad_enabled()
        return 'fused' if self.dispatch == 'by_image' and not by_image else self.dispatch

    def _forward_dense(self, x: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
        """Every expert on every image; those not selected get the weight zero."""
        full = torch.zeros_like(weights[:, :1]).repeat(1, len(self.experts)).scatter(1, indices, weights)
        return reduce(torch.add, (full[:, i, None, None, None] * expert(x) for i, expert in enumerate(self.experts)))

    def _forward_sparse(self, x: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
        """Every expert on the images that chose it."""
        out = torch.zeros_like(x)
        for i, expert in enumerate(self.experts):
            images, slots = torch.where(indices == i)
            if len(images):
                weighted = expert(x[images]) * weights[images, slots][:, None, None, None]
                out = out.index_add(0, images, weighted.to(out.dtype))
        return out

    def _forward_fused(self, x: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
        """Images grouped by their choice; the experts of a group run as one."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for image, choice in enumerate(indices.tolist()):
            groups.setdefault(tuple(choice), []).append(image)
        if len(groups) == 1:
            return self._run_fused(next(iter(groups)), x, weights)
        parts = [self._run_fused(choice, x[images], weights[images]) for choice, images in groups.items()]
        order = torch.tensor([i for images in groups.values() for i in images], device=x.device).argsort()
        return torch.cat(parts)[order]

    def _forward_batched(self, x: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
        """All images together, every one with the weights of its experts."""
        first: Any = self.experts[0]
        return first.batched_forward(self.experts, x, indices, weights)

    def _forward_by_image(self, x: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
        """One image after another, every one with the weights of its experts."""
        first: Any = self.experts[0]
        return first.by_image_forward(self.experts, x, indices, weights)

    def _run_fused(self, choice: Sequence[int], x: Tensor, weights: Tensor) -> Tensor:
        experts: list[Any] = [self.experts[i] for i in choice]
        return experts[0].fused_forward(experts, x, weights)

    def _touch_all(self, out: Tensor) -> Tensor:
        """Gives experts that nobody chose a gradient of zero, without which DDP waits for them for ever."""
        return out + reduce(torch.add, (p.flatten()[0] * 0 for e in self.experts for p in e.parameters())).to(out.dtype)


@MODELS.register_module()
class DenseFFN(nn.Module):
    """A single expert without a gate: the baseline that a mixture is compared with.

    Args:
        embed_dims: C.
        expert: config of the expert.
    """

    def __init__(self, embed_dims: int, *, expert: dict = dict(type='DepthwiseExpert', expansion=4.0)):
        super().__init__()
        self.expert = MODELS.build(dict(expert, embed_dims=embed_dims))

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """Features (B, C, H, W) in and out; there is no routing."""
        return self.expert(x), None


def _cat(experts: Sequence[nn.Module], name: str) -> Tensor:
    """The named parameter of all experts, side by side along the output channels."""
    return torch.cat([e.get_parameter(name) for e in experts])
