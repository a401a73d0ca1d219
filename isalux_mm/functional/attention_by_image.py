"""Pixel parts of the Gram form of the attention, one image after another, with a backward of their own (ours).

For training on a CPU, as `expert_by_image`: an image's maps stay in the cache from one operator to the next.
`gram_by_image` equals `channel_attention.gram_matrix`, `attention_of_streams` equals `attention_from_gram` there,
`mix_by_image` equals `mix_plain`, in value and gradient.
"""
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from isalux_mm.functional.channel_attention import NORM_EPS


def gram_by_image(tokens: Tensor) -> Tensor:
    """S = X X^T over the pixels, accumulated in float32 at least: tokens (B, HW, C) to (B, C, C)."""
    with torch.autocast(tokens.device.type, enabled=False):
        return _GramByImage.apply(tokens.to(torch.promote_types(tokens.dtype, torch.float32)))


class _GramByImage(torch.autograd.Function):
    """Forward and backward of `gram_by_image`; the backward is one product, S being symmetric."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor) -> Tensor:
        ctx.save_for_backward(tokens)
        return tokens.transpose(1, 2) @ tokens

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        tokens, = ctx.saved_tensors
        return tokens @ (grad + grad.transpose(1, 2))


def attention_of_streams(gram: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, temperature: Tensor) -> Tensor:
    """`channel_attention.attention_from_gram` with one product for the queries and keys of all streams.

    Args:
        gram: S, (B, C, C), symmetric: its gradient is that of a symmetric matrix.
        w_q, w_k, w_v: projections of S streams side by side, (S C, C), output first.
        temperature: (S heads, 1, 1).

    Returns:
        (B, S C, C), in the dtype of `gram`.
    """
    batch, channels, _ = gram.shape
    heads, rows = temperature.shape[0], w_q.shape[0]
    with torch.autocast(gram.device.type, enabled=False):
        w_q, w_k, w_v, temperature = (w.to(gram.dtype) for w in (w_q, w_k, w_v, temperature))
        both = torch.cat([w_q, w_k]).t()  # (C, 2 S C)
        projected = (gram.flatten(0, 1) @ both).view(batch, channels, 2, heads, -1)  # S symmetric: (W S)^T
        squared = (projected * both.view(channels, 2, heads, -1)).sum(dim=1)  # (B, 2, S heads, C / heads)
        q_scale, k_scale = squared.clamp_min(NORM_EPS**2).rsqrt().unbind(dim=1)
        # (B, S heads, C / heads, C) @ (S heads, C, C / heads)
        cosines = projected[:, :, 0].permute(0, 2, 3, 1) @ w_k.view(heads, -1, channels).transpose(1, 2)
        scaled = cosines * (q_scale * temperature[:, 0]).unsqueeze(-1) * k_scale.unsqueeze(-2)
        return (scaled.softmax(dim=-1) @ w_v.view(heads, -1, channels)).view(batch, rows, channels)


def mix_plain(tokens: Tensor, mixing: Tensor | None, enriched: Sequence[tuple[Tensor, Tensor]],
              project: Tensor) -> Tensor:
    """The plain form of `mix_by_image`."""
    total = torch.zeros_like(tokens) if mixing is None else tokens @ mixing.transpose(1, 2)
    for matrix, prior in enriched:
        total = total + tokens @ matrix.transpose(1, 2) * prior
    return total @ project.t()


def mix_by_image(tokens: Tensor, mixing: Tensor | None, enriched: Sequence[tuple[Tensor, Tensor]],
                 project: Tensor) -> Tensor:
    """(M X + sum over the priors of (M_k X) x FP_k), projected, where X are the pixels of an image.

    Under autocast everything but the sums inside a product is in its type; gradients of gradients are refused.

    Args:
        tokens: X, (B, HW, C).
        mixing: M, (B, C, C), output first, of all streams without a prior; or `None` for none.
        enriched: (M_k, FP_k) of every other stream: (B, C, C) and (B, HW, C).
        project: (C, C), output first.

    Returns:
        (B, HW, C).
    """
    device = tokens.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tokens.dtype
    with torch.autocast(device, enabled=False):
        projected = None if mixing is None else (project.to(mixing.dtype) @ mixing).to(dtype)
        pairs = (t.to(dtype) for pair in enriched for t in pair)
        return _MixByImage.apply(tokens, projected, project.to(dtype), *pairs)


class _MixByImage(torch.autograd.Function):
    """Forward and backward of `mix_by_image`; `mixing` comes projected."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, mixing: Tensor | None, project: Tensor, *pairs: Tensor) -> Tensor:
        matrices, priors = pairs[::2], pairs[1::2]
        out, kept = project.new_empty(tokens.shape), [project.new_empty(tokens.shape) for _ in matrices]
        for i, x in enumerate(tokens):
            x, total = x.to(project.dtype), None
            for y, matrix, prior in zip(kept, matrices, priors):
                torch.mm(x, matrix[i].t(), out=y[i])
                total = y[i] * prior[i] if total is None else total.addcmul_(y[i], prior[i])
            if mixing is not None:
                torch.mm(x, mixing[i].t(), out=out[i])
            if total is not None:
                torch.addmm(out[i], total, project.t(), beta=float(mixing is not None), out=out[i])
        ctx.has_mixing = mixing is not None
        ctx.save_for_backward(tokens, *(() if mixing is None else (mixing, )), project, *pairs, *kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        tokens, *saved = ctx.saved_tensors
        mixing = saved.pop(0) if ctx.has_mixing else None
        project, *saved = saved
        count = len(saved) // 3
        matrices, priors, kept = saved[:2 * count:2], saved[1:2 * count:2], saved[2 * count:]
        grad = grad.contiguous()
        start = torch.empty_like if count or ctx.has_mixing else torch.zeros_like
        grad_tokens = start(tokens, memory_format=torch.contiguous_format)
        grad_mixing = None if mixing is None else torch.empty_like(mixing)
        grad_matrices, grad_priors = ([torch.empty_like(t) for t in tensors] for tensors in (matrices, kept))
        grad_project = torch.zeros_like(project, dtype=torch.promote_types(project.dtype, torch.float32))
        for i, (g, x) in enumerate(zip(grad, tokens)):
            x = x.to(project.dtype)
            grad_x: Tensor | None = None
            if mixing is not None and grad_mixing is not None:
                torch.mm(g.t(), x, out=grad_mixing[i])
                grad_x = torch.mm(g, mixing[i])
            total: Tensor | None = None
            through = torch.mm(g, project) if count else g
            for y, matrix, prior, grad_matrix, grad_prior in zip(kept, matrices, priors, grad_matrices, grad_priors):
                total = y[i] * prior[i] if total is None else total.addcmul_(y[i], prior[i])
                torch.mul(through, y[i], out=grad_prior[i])
                grad_y = through * prior[i]
                torch.mm(grad_y.t(), x, out=grad_matrix[i])
                grad_x = torch.mm(grad_y, matrix[i]) if grad_x is None else grad_x.addmm_(grad_y, matrix[i])
            if total is not None:
                grad_project += torch.mm(g.t(), total)
            if grad_x is not None:
                grad_tokens[i].copy_(grad_x)
        pairs = (t for pair in zip(grad_matrices, grad_priors) for t in pair)
        return grad_tokens, grad_mixing, grad_project.to(project.dtype), *pairs
