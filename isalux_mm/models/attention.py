"""HISA-MSA: two independent self-attentions, enriched by the priors (ISALux, Eqs. 5 to 9).

Differs: attention over channels (the paper leaves its form open; see `functional.channel_attention`).
"""
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from isalux_mm.functional.attention_by_image import attention_of_streams, gram_by_image, mix_by_image
from isalux_mm.functional.channel_attention import attention_from_gram, channel_attention, gram_matrix
from isalux_mm.functional.checks import check_choice
from isalux_mm.models.lora import LoRAProjection
from isalux_mm.models.statistics import StatisticsLayer
from isalux_mm.registry import MODELS

STREAMS = ('illumination', 'semantics')
FORMS = ('gram', 'by_image', 'plain')


def to_tokens(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, HW, C); no copy in channels-last memory."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def to_map(tokens: Tensor, height: int, width: int) -> Tensor:
    """(B, HW, C) -> (B, C, H, W), channels-last in memory, no copy."""
    return tokens.unflatten(1, (height, width)).permute(0, 3, 1, 2)


def runs_by_image(x: Tensor) -> bool:
    """Whether the forms with a backward of their own pay: in eager training on a CPU."""
    return torch.is_grad_enabled() and x.device.type == 'cpu' and not torch.compiler.is_compiling()


class ChannelSelfAttention(nn.Module):
    """One stream's self-attention over channels with LoRA on q, k and v (Eqs. 7 and 8).

    Args:
        embed_dims: C.
        num_heads: heads; divides C.
        lora_reduction: r of LoRA's rank C/r, `None` for no LoRA.
        depthwise_qkv: a 3x3 depthwise convolution on each of q, k, v, as in Restormer; plain form only.
    """

    def __init__(self, embed_dims: int, num_heads: int, *, lora_reduction: int | None, depthwise_qkv: bool):
        super().__init__()
        self.num_heads = num_heads
        self.q, self.k, self.v = (LoRAProjection(embed_dims, lora_reduction) for _ in range(3))
        self.temperature = nn.Parameter(torch.ones(num_heads, 1, 1))
        self.depthwise = nn.ModuleList(
            nn.Conv2d(embed_dims, embed_dims, 3, padding=1, groups=embed_dims, bias=False)
            for _ in range(3)) if depthwise_qkv else None

    def mixing_matrix(self, gram: Tensor) -> Tensor:
        """The matrix M of the Gram form, (B, C, C), from S = X X^T."""
        q, k, v = (p.folded_weight() for p in (self.q, self.k, self.v))
        return attention_from_gram(gram, q, k, v, self.temperature)

    def forward(self, x: Tensor) -> Tensor:
        """Plain form: features (B, C, H, W) in, attended features (B, C, H, W) out."""
        b, c, h, w = x.shape
        tokens = to_tokens(x)
        qkv = [projection(tokens) for projection in (self.q, self.k, self.v)]
        if self.depthwise is not None:
            qkv = [to_tokens(conv(to_map(t, h, w))) for conv, t in zip(self.depthwise, qkv)]
        # (B, HW, C) -> (B, heads, C / heads, HW)
        q, k, v = (t.transpose(1, 2).reshape(b, self.num_heads, c // self.num_heads, h * w) for t in qkv)
        return channel_attention(q, k, v, self.temperature).reshape(b, c, h, w)


@MODELS.register_module()
class HISAAttention(StatisticsLayer):
    """Hybrid illumination- and semantics-aware self-attention (Eqs. 5 to 9).

    M_e = nu * (M_i x FP_i) + omega * (M_s x FP_s), then an output projection. M_i and M_s are two modules with
    weights of their own. A prior that is switched off (`None`) counts as a map of ones.

    Args:
        embed_dims: C.
        num_heads: heads of each stream (ours; paper silent).
        lora_reduction: r of LoRA's rank C/r; `None` switches LoRA off.
        streams: which of 'illumination', 'semantics' exist.
        form: 'gram' (one pass over the pixels, shared by both streams), 'by_image' (the same, one image after another
            with a backward of its own, the fastest for training on a CPU; elsewhere, without gradients or compiled,
            'gram') or 'plain' (the reference).
        depthwise_qkv: depthwise 3x3 on q, k, v; needs the plain form.

    Raises:
        ValueError: if `num_heads` does not divide `embed_dims`, a name is unknown, no stream is left, or
            `depthwise_qkv` meets the Gram form.
    """

    def __init__(self,
                 embed_dims: int,
                 num_heads: int = 1,
                 *,
                 lora_reduction: int | None = 5,
                 streams: Sequence[str] = STREAMS,
                 form: str = 'gram',
                 depthwise_qkv: bool = False):
        super().__init__()
        check_choice(form, FORMS, 'form')
        for stream in streams:
            check_choice(stream, STREAMS, 'streams')
        if not streams:
            raise ValueError(f'streams must name at least one of {STREAMS}, got {tuple(streams)}')
        if embed_dims % num_heads:
            raise ValueError(f'num_heads must divide embed_dims = {embed_dims}, got {num_heads}')
        if depthwise_qkv and form != 'plain':
            raise ValueError(f"depthwise_qkv needs form='plain', got form={form!r}")
        self.form, self.depthwise_qkv = form, depthwise_qkv
        self.streams = nn.ModuleDict({
            stream: ChannelSelfAttention(
                embed_dims, num_heads, lora_reduction=lora_reduction, depthwise_qkv=depthwise_qkv)
            for stream in STREAMS if stream in streams
        })
        self.scales = nn.ParameterDict({stream: nn.Parameter(torch.ones(1)) for stream in self.streams})  # nu, omega
        self.project = nn.Conv2d(embed_dims, embed_dims, 1, bias=False)

    def forward(self, x: Tensor, illumination: Tensor | None, semantics: Tensor | None) -> Tensor:
        """Attends and enriches.

        Args:
            x: features, (B, C, H, W).
            illumination: FP_i, (B, C, H, W), or `None` for a map of ones.
            semantics: FP_s, likewise.

        Returns:
            (B, C, H, W).
        """
        priors = dict(illumination=illumination, semantics=semantics)
        if self.form == 'by_image' and runs_by_image(x):
            return self._forward_by_image(x, priors)
        # what tiles share, and what pixels are weighed in, is S, so they take the Gram form where there is one
        needs_gram = self.statistics is not None or self.visible is not None
        by_gram = self.form != 'plain' or (needs_gram and not self.depthwise_qkv)
        attended = self._attend_gram(x) if by_gram else self._attend_plain(x)
        enriched = None
        for stream, y in attended.items():
            prior = priors[stream]
            if enriched is None:
                enriched = y if prior is None else y * prior
            else:
                enriched = enriched + y if prior is None else torch.addcmul(enriched, y, prior)
        return self.project(enriched)

    def _forward_by_image(self, x: Tensor, priors: dict[str, Tensor | None]) -> Tensor:
        """As the Gram form; streams without a prior are one product."""
        _, _, h, w = x.shape
        tokens = to_tokens(x)
        gram = self.shared(gram_by_image(tokens) / (h * w))
        streams: Any = self.streams.values()
        q, k, v = (torch.cat([p.folded_weight() for p in projections])
                   for projections in zip(*((s.q, s.k, s.v) for s in streams)))
        mixing = attention_of_streams(gram, q, k, v, torch.cat([s.temperature for s in streams]))
        matrices = {name: self.scales[name] * m for name, m in zip(self.streams, mixing.chunk(len(streams), dim=1))}
        alone: Tensor | None = None
        enriched = []
        for name, matrix in matrices.items():
            prior = priors[name]
            if prior is not None:
                enriched.append((matrix, to_tokens(prior)))
            else:
                alone = matrix if alone is None else alone + matrix
        return to_map(mix_by_image(tokens, alone, enriched, self.project.weight.flatten(1)), h, w)

    def _attend_plain(self, x: Tensor) -> dict[str, Tensor]:
        return {name: self.scales[name] * stream(x) for name, stream in self.streams.items()}

    def _attend_gram(self, x: Tensor) -> dict[str, Tensor]:
        _, _, h, w = x.shape
        tokens = to_tokens(x)
        # a mean over the pixels: the attention does not depend on the scale of S
        gram = self.shared(gram_matrix(to_tokens(self.counted(x, root=True))) / (h * w))
        streams: Any = self.streams
        # nu and omega scale C x C matrices, not pixels
        return {
            name: to_map(tokens @ (self.scales[name] * stream.mixing_matrix(gram)).to(tokens.dtype).transpose(1, 2),
                         h, w)
            for name, stream in streams.items()
        }
