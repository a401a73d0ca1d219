"""The transformer block in strips of rows, for inference on a CPU: intermediates stay in the cache.

Ours; paper silent. The arithmetic is that of `TransformerBlock`, in another order: a block reads its features three
times and changes them in place, the hidden activations of its experts exist for one strip at a time, and rows that two
strips need are computed once.

    pass 1: S = LN1(x)^T LN1(x)                        -> M_i, M_s (C x C)
    pass 2: x += (LN1(x) [M_i | M_s] * FP) W_project   and the sum of LN2(x), for the gate
    pass 3: x += experts(LN2(x))
"""
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isalux_mm.functional.channel_attention import attention_from_gram
from isalux_mm.inference.rows import (
    STRIP_BYTES,
    PriorFeatures,
    RowWindow,
    accumulation_dtype,
    as_map,
    as_rows,
    convolve,
    normalize,
    strips,
)
from isalux_mm.models.attention import HISAAttention
from isalux_mm.models.blocks import ChannelLayerNorm, TransformerBlock
from isalux_mm.models.experts import ConvExpert, DenseFFN, DepthwiseExpert, GatedDconvExpert, MoEFFN
from isalux_mm.models.gates import Routing, SoftGate
from isalux_mm.models.statistics import Visible


class StripAttention(nn.Module):
    """The folded matrices of an `HISAAttention`: LoRA, nu and omega inside, both streams side by side.

    Args:
        attention: without depthwise convolutions.
        enriched: its streams that meet a prior, in the order of the prior features.
    """

    def __init__(self, attention: HISAAttention, enriched: Sequence[str]):
        super().__init__()
        self.q: Tensor
        self.k: Tensor
        self.v: Tensor
        self.temperature: Tensor
        self.project: Tensor
        names = [*enriched, *(s for s in attention.streams if s not in enriched)]
        streams: list[Any] = [attention.streams[name] for name in names]
        self.num_enriched, self.num_plain = len(enriched), len(names) - len(enriched)
        self.register_buffer('q', torch.cat([s.q.folded_weight() for s in streams]), persistent=False)
        self.register_buffer('k', torch.cat([s.k.folded_weight() for s in streams]), persistent=False)
        self.register_buffer('v', torch.cat([attention.scales[n] * s.v.folded_weight()
                                             for n, s in zip(names, streams)]), persistent=False)
        self.register_buffer('temperature', torch.cat([s.temperature for s in streams]), persistent=False)
        self.register_buffer('project', attention.project.weight.flatten(1).t().contiguous(), persistent=False)

    def matrices(self, gram: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the pixels meet, from S (1, C, C).

        Returns:
            (C, E C) ahead of the E prior features, (E C, C) behind them, and (C, C) of the streams without a prior.
        """
        channels = gram.shape[1]
        mixing = attention_from_gram(gram, self.q, self.k, self.v, self.temperature)[0].to(self.q.dtype)
        enriched, plain = mixing.split([self.num_enriched * channels, self.num_plain * channels])
        direct = plain.unflatten(0, (self.num_plain, channels)).sum(dim=0).t() @ self.project
        return enriched.t().contiguous(), self.project.repeat(self.num_enriched, 1), direct

    def gram(self, x: Tensor, norm: ChannelLayerNorm, rows: int, visible: Visible | None) -> Tensor:
        """Pass 1: S of LN1(x) as a mean over the pixels that are seen, (C, C), float32 at least."""
        dtype = accumulation_dtype(x.dtype)
        gram = x.new_zeros(x.shape[2], x.shape[2], dtype=dtype)
        for first, last in strips(x.shape[0], rows):
            tokens = normalize(norm, x[first:last]).to(dtype)
            gram.addmm_(tokens.t(), weighted(tokens, x, first, last, visible))
        return gram / (x.shape[0] * x.shape[1])


class StripExperts(nn.Module):
    """Experts of one kind and width, weights side by side; those chosen run as one.

    Args:
        experts: of one type, `ConvExpert`, `DepthwiseExpert` or `GatedDconvExpert`, and one width.
    """

    def __init__(self, experts: Sequence[Any]):
        super().__init__()
        self.expand: Tensor
        self.expand_bias: Tensor
        self.spatial: Tensor
        self.spatial_bias: Tensor
        self.project: Tensor
        self.project_bias: Tensor
        first = experts[0]
        self.gated = isinstance(first, GatedDconvExpert)
        self.hidden: int = first.project.in_channels
        self.depthwise = first.spatial.weight.shape[1] == 1 and first.spatial.groups > 1
        halves = (2 if self.gated else 1, self.hidden)  # a gated expert has two halves, which must lie apart

        def stack(name: str, layer: str) -> Tensor:
            return torch.stack([getattr(getattr(e, layer), name).unflatten(0, halves) for e in experts], dim=1)

        self.register_buffer('expand', stack('weight', 'expand').flatten(3), persistent=False)  # (halves, N, hidden, C)
        self.register_buffer('expand_bias', stack('bias', 'expand'), persistent=False)
        self.register_buffer('spatial', stack('weight', 'spatial'), persistent=False)
        self.register_buffer('spatial_bias', stack('bias', 'spatial'), persistent=False)
        self.register_buffer('project', torch.stack([e.project.weight.flatten(1).t() for e in experts]),
                             persistent=False)  # (N, hidden, C)
        self.register_buffer('project_bias', torch.stack([e.project.bias for e in experts]), persistent=False)

    def run(self, x: Tensor, norm: ChannelLayerNorm, rows: int, chosen: Sequence[int],
            weights: Tensor) -> Iterator[tuple[int, int, Tensor, Tensor, Tensor]]:
        """Pass 3 of the chosen experts: yields strip by strip; x may change in rows that were yielded.

        Args:
            x: (H, W, C).
            norm: LN2.
            rows: of a strip.
            chosen: their numbers.
            weights: what multiplies their outputs, (K,).

        Yields:
            First row, end, activations (R W, K hidden), matrix (K hidden, C), bias (C,).
        """
        height, width, _ = x.shape
        expand = self.expand[:, chosen].flatten(0, 2).t().contiguous()
        expand_bias, spatial_bias = self.expand_bias[:, chosen].flatten(), self.spatial_bias[:, chosen].flatten()
        spatial = self.spatial[:, chosen].flatten(0, 2)
        weights = weights.to(x.dtype)
        project = (self.project[chosen] * weights[:, None, None]).flatten(0, 1)
        bias = weights @ self.project_bias[chosen]
        channels = expand.shape[1]
        groups = channels if self.depthwise else len(chosen)

        def hidden(first: int, last: int, out: Tensor) -> None:
            out = torch.addmm(expand_bias, normalize(norm, x[first:last]), expand, out=out.flatten(0, 1))
            if not self.gated:
                torch.ops.aten.gelu_(out)

        window = RowWindow(height, rows, x.new_empty(rows + 2, width, channels), hidden)
        for first, last in strips(height, rows):
            active = convolve(window.around(first, last), spatial, spatial_bias, groups)
            if self.gated:
                a, b = active.chunk(2, dim=1)
                active = F.gelu(a.contiguous()).mul_(b)
            else:
                torch.ops.aten.gelu_(active)
            yield first, last, active, project, bias


class StripFeedForward(nn.Module):
    """`MoEFFN` or `DenseFFN` in strips; only what the gate selects is computed.

    Args:
        ffn: of experts that `StripExperts` knows, and a gate that decides by pooled features.
    """

    def __init__(self, ffn: MoEFFN | DenseFFN):
        super().__init__()
        experts: list[Any] = [ffn.expert] if isinstance(ffn, DenseFFN) else list(ffn.experts)
        self.gate: SoftGate | None = None if isinstance(ffn, DenseFFN) else ffn.gate
        kinds: dict[tuple, list[int]] = {}
        for number, expert in enumerate(experts):
            kinds.setdefault((type(expert), expert.project.in_channels), []).append(number)
        self.numbers = list(kinds.values())
        kinds_in_strips = [StripExperts([experts[i] for i in numbers]) for numbers in self.numbers]
        self.kinds = nn.ModuleList(kinds_in_strips)
        # of all kinds, for the height of the strips
        self.widest = max((2 if k.gated else 1) * k.hidden for k in kinds_in_strips)

    @property
    def hidden(self) -> int:
        """Most hidden channels that may exist at once."""
        return self.widest * (1 if self.gate is None else self.gate.num_selected)

    def forward(self, x: Tensor, norm: ChannelLayerNorm, rows: int, pooled: Tensor | None) -> Routing | None:
        """Adds the feed-forward of LN2(x) to x (H, W, C), in place.

        Args:
            pooled: mean of LN2(x) over the pixels, (1, C), for the gate.
        """
        routing = None
        chosen, weights = [0], x.new_ones(1)
        if self.gate is not None and pooled is not None:
            routing = self.gate.route(pooled)
            chosen, weights = routing.indices[0].tolist(), routing.weights[0]
        runs = []
        kind: Any
        for numbers, kind in zip(self.numbers, self.kinds):
            slots = [slot for slot, number in enumerate(chosen) if number in numbers]
            if slots:
                runs.append(kind.run(x, norm, rows, [numbers.index(chosen[s]) for s in slots], weights[slots]))
        for parts in zip(*runs):  # all kinds read a strip before it changes
            for first, last, active, project, bias in parts:
                x[first:last].flatten(0, 1).addmm_(active, project).add_(bias)
        return routing


def has_strip_form(ffn: nn.Module) -> bool:
    """Whether `StripFeedForward` knows the experts and the gate."""
    if type(ffn) is DenseFFN:
        experts = [ffn.expert]
    elif type(ffn) is MoEFFN and isinstance(ffn.gate, SoftGate) and type(ffn.gate).forward is SoftGate.forward:
        experts = list(ffn.experts)
    else:
        return False
    return all(type(e) in (ConvExpert, DepthwiseExpert, GatedDconvExpert) for e in experts)


class StripBlock(nn.Module):
    """A `TransformerBlock` in strips. A half that has no fast form runs as it is, on the whole map.

    Args:
        block: in eval mode.
        enriched: streams that meet a prior, in the order of the prior features.
    """

    def __init__(self, block: TransformerBlock, enriched: Sequence[str]):
        super().__init__()
        self.block = block
        # the features of a scale serve all its blocks, so an attention that leaves one out takes the plain path
        fast = (type(block.attention) is HISAAttention and not block.attention.depthwise_qkv
                and set(enriched) <= set(block.attention.streams))
        self.attention = StripAttention(block.attention, enriched) if fast else None
        self.ffn = StripFeedForward(block.ffn) if has_strip_form(block.ffn) else None

    def forward(self, x: Tensor, features: PriorFeatures, strip_rows: int | None) -> Routing | None:
        """Changes x (H, W, C), of one image, in place; returns its routing, a batch of one, where there is one."""
        rows = self.rows(x, strip_rows)
        attention = self.attention
        if attention is None:
            x += as_rows(self.block.attention(self.block.norm1(as_map(x)), **features.maps()))
            total = self._sum(x, rows)
        else:
            total = self._attend(attention, x, features, rows)
        if self.ffn is None:
            y, routing = self.block.ffn(self.block.norm2(as_map(x)))
            x += as_rows(y)
            return routing
        pooled = None
        if self.ffn.gate is not None:
            pooled = self.ffn.gate.shared((total / (x.shape[0] * x.shape[1])).unsqueeze(0))
        return self.ffn(x, self.block.norm2, rows, pooled)

    def rows(self, x: Tensor, strip_rows: int | None) -> int:
        """Rows of a strip."""
        height, width, channels = x.shape
        hidden = 4 * channels if self.ffn is None else self.ffn.hidden
        rows = strip_rows or max(STRIP_BYTES // (width * hidden * x.element_size()), 1)
        return min(rows, height)

    def _attend(self, attention: StripAttention, x: Tensor, features: PriorFeatures, rows: int) -> Tensor:
        """Passes 1 and 2; returns the sum of LN2(x) over the pixels, (C,)."""
        layer = self.block.attention
        gram = layer.shared(attention.gram(x, self.block.norm1, rows, layer.visible).unsqueeze(0))
        before, behind, direct = attention.matrices(gram)
        total = x.new_zeros(x.shape[2], dtype=gram.dtype)
        for first, last in strips(x.shape[0], rows):
            tokens, target = normalize(self.block.norm1, x[first:last]), x[first:last].flatten(0, 1)
            if attention.num_enriched:
                attended = tokens @ before
                target.addmm_(attended.mul_(features.rows(first, last)), behind)
            if attention.num_plain:
                target.addmm_(tokens, direct)
            total += self._sum_of_rows(x, first, last, total.dtype)
        return total

    def _sum(self, x: Tensor, rows: int) -> Tensor:
        """The sum of LN2(x) over the pixels, (C,)."""
        total = x.new_zeros(x.shape[2], dtype=accumulation_dtype(x.dtype))
        for first, last in strips(x.shape[0], rows):
            total += self._sum_of_rows(x, first, last, total.dtype)
        return total

    def _sum_of_rows(self, x: Tensor, first: int, last: int, dtype: torch.dtype) -> Tensor:
        gate = None if self.ffn is None else self.ffn.gate
        tokens = normalize(self.block.norm2, x[first:last])
        return weighted(tokens, x, first, last, None if gate is None else gate.visible).sum(dim=0, dtype=dtype)


def weighted(tokens: Tensor, x: Tensor, first: int, last: int, visible: Visible | None) -> Tensor:
    """Tokens (R W, C) of rows [first, last) of a map x (H, W, C), each times its pixel's weight."""
    if visible is None:
        return tokens
    return tokens * visible.at((x.shape[0], x.shape[1]))[0, 0, first:last].flatten()[:, None].to(tokens.dtype)
