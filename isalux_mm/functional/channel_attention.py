"""Attention over channels, in two forms that agree: from the pixels (plain) and from their Gram matrix.

With 1x1 projections q = W_q x, k = W_k x, v = W_v x the pixels enter the attention through S = X X^T alone:
the logits are W_q S W_k^T, the squared norms of q and k are the diagonals of W_q S W_q^T and W_k S W_k^T, and the
output is (A W_v) X. Everything between S and the output is C x C. Ours; the paper leaves the attention's form open,
its cost rules out attention over positions.
"""
import torch
import torch.nn.functional as F
from torch import Tensor

NORM_EPS = 1e-12  # torch.nn.functional.normalize's default


def channel_attention(q: Tensor, k: Tensor, v: Tensor, temperature: Tensor) -> Tensor:
    """Plain form: softmax(temperature * cos(q_i, k_j)) v, over the channels of each head.

    Args:
        q: queries, (B, heads, C / heads, HW).
        k: keys, likewise.
        v: values, likewise.
        temperature: (heads, 1, 1), multiplies the cosines.

    Returns:
        (B, heads, C / heads, HW).
    """
    q, k = F.normalize(q, dim=-1, eps=NORM_EPS), F.normalize(k, dim=-1, eps=NORM_EPS)
    return (q @ k.transpose(-2, -1) * temperature).softmax(dim=-1) @ v


def gram_matrix(tokens: Tensor) -> Tensor:
    """S = X X^T over the pixels, accumulated in float32 at least (16-bit sums overflow beyond 65,504 pixels).

    Args:
        tokens: (B, HW, C).

    Returns:
        (B, C, C), float32 (float64 stays).
    """
    with torch.autocast(tokens.device.type, enabled=False):
        tokens = tokens.to(torch.promote_types(tokens.dtype, torch.float32))
        return tokens.transpose(1, 2) @ tokens


def attention_from_gram(gram: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, temperature: Tensor) -> Tensor:
    """Gram form: the C x C matrix M with which `channel_attention` of the projected pixels equals M X.

    Args:
        gram: (B, C, C), X X^T.
        w_q: projection of the queries, (C, C), output first; or of S streams side by side, (S C, C).
        w_k: of the keys, likewise.
        w_v: of the values, likewise.
        temperature: (heads, 1, 1), of all streams.

    Returns:
        (B, C, C), or (B, S C, C), in the dtype of `gram`.
    """
    batch, channels, _ = gram.shape
    num_heads = temperature.shape[0]
    with torch.autocast(gram.device.type, enabled=False):
        # (C, C) -> (heads, C / heads, C)
        q, k, v = (w.to(gram.dtype).view(num_heads, -1, channels) for w in (w_q, w_k, w_v))
        gram = gram.unsqueeze(1)
        q_gram, k_gram = q @ gram, k @ gram  # (B, heads, C / heads, C)
        q_scale = _inverse_norm((q_gram * q).sum(dim=-1))
        k_scale = _inverse_norm((k_gram * k).sum(dim=-1))
        cosines = q_gram @ k.transpose(-2, -1) * q_scale.unsqueeze(-1) * k_scale.unsqueeze(-2)
        attention = (cosines * temperature.to(gram.dtype)).softmax(dim=-1)
        return (attention @ v).reshape(batch, -1, channels)


def _inverse_norm(squared: Tensor) -> Tensor:
    """1 / max(|x|, eps) from |x|^2; rounding may leave |x|^2 slightly negative."""
    return squared.clamp_min(NORM_EPS**2).rsqrt()
