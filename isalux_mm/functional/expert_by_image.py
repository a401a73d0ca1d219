"""Experts of the mixture, one image after another, with a backward of their own (ours; for training on a CPU).

An image's hidden maps stay in the cache from one operator to the next, where those of a batch go through main memory
each time. `experts_of_images` and `experts_of_images_plain` are equal in value and gradient.
"""
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.grad import conv2d_input, conv2d_weight


class ExpertWeights(NamedTuple):
    """What every image runs with: all its experts side by side, N hidden channels in all.

    Attributes:
        expand: (B, N, C), and its bias (B, N).
        spatial: (B, N, N / groups, 3, 3), and its bias (B, N).
        project: (B, C, N), the gate's weights folded in, and its bias (B, C).
    """
    expand: Tensor
    expand_bias: Tensor
    spatial: Tensor
    spatial_bias: Tensor
    project: Tensor
    project_bias: Tensor


def experts_of_images_plain(tokens: Tensor, size: tuple[int, int], weights: ExpertWeights) -> Tensor:
    """The plain form of `experts_of_images`."""
    outs = []
    for x, w1, b1, w2, b2, w3, b3 in zip(tokens, *weights):
        hidden = F.gelu(F.linear(x, w1, b1))
        convolved = F.conv2d(_to_map(hidden, size), w2, b2, padding=1, groups=_groups(w2))
        outs.append(F.linear(F.gelu(_to_rows(convolved)), w3, b3))
    return torch.stack(outs)


def experts_of_images(tokens: Tensor, size: tuple[int, int], weights: ExpertWeights) -> Tensor:
    """project(GELU(conv3x3(GELU(expand(x))))) of every image, each with weights of its own.

    Under autocast everything but the sums inside a product is in its type; gradients of gradients are refused.

    Args:
        tokens: (B, HW, C).
        size: (H, W).
        weights: of every image.

    Returns:
        (B, HW, C).
    """
    device = tokens.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tokens.dtype
    with torch.autocast(device, enabled=False):
        return _ExpertsOfImages.apply(tokens, size, *(w.to(dtype) for w in weights))


class _ExpertsOfImages(torch.autograd.Function):
    """Forward and backward of `experts_of_images`."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, size: tuple[int, int], *weights: Tensor) -> Tensor:
        out, kept = weights[0].new_empty(tokens.shape), []
        for i, (x, w1, b1, w2, b2, w3, b3) in enumerate(zip(tokens, *weights)):
            expanded = torch.addmm(b1, x.to(w1.dtype), w1.t())
            active = F.gelu(expanded)
            convolved = _convolve(active, w2, b2, size)
            active_after = F.gelu(convolved)
            torch.addmm(b3, active_after, w3.t(), out=out[i])
            kept += [expanded, active, convolved, active_after]
        ctx.size = size
        ctx.save_for_backward(tokens, *weights, *kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        tokens, *saved = ctx.saved_tensors
        weights, kept = saved[:6], saved[6:]
        grad = grad.contiguous()
        grad_tokens = torch.empty_like(tokens, memory_format=torch.contiguous_format)
        grad_weights = [torch.empty_like(w) for w in weights]
        for i, (g, x, w1, w2, w3) in enumerate(zip(grad, tokens, weights[0], weights[2], weights[4])):
            dw1, db1, dw2, db2, dw3, db3 = (w[i] for w in grad_weights)
            expanded, active, convolved, active_after = kept[4 * i:4 * i + 4]
            torch.sum(g, dim=0, out=db3)
            torch.mm(g.t(), active_after, out=dw3)
            hidden = _gelu_backward(torch.mm(g, w3), convolved)
            torch.sum(hidden, dim=0, out=db2)
            dw2.copy_(conv2d_weight(
                _to_map(active, ctx.size), w2.shape, _to_map(hidden, ctx.size), padding=1, groups=_groups(w2)))
            hidden = _gelu_backward(_convolve_backward(hidden, w2, ctx.size), expanded)
            torch.sum(hidden, dim=0, out=db1)
            dw1.copy_(torch.mm(x.to(w1.dtype).t(), hidden).t())
            grad_tokens[i].copy_(torch.mm(hidden, w1))
        return grad_tokens, None, *grad_weights


def _to_map(rows: Tensor, size: tuple[int, int]) -> Tensor:
    """(HW, N) -> (1, N, H, W), channels-last in memory, no copy."""
    return rows.view(1, *size, -1).permute(0, 3, 1, 2)


def _to_rows(x: Tensor) -> Tensor:
    """(1, N, H, W) -> (HW, N), no copy in channels-last memory."""
    return x[0].permute(1, 2, 0).flatten(0, 1)


def _groups(weight: Tensor) -> int:
    """Groups of a 3x3 convolution that keeps the number of channels."""
    return weight.shape[0] // weight.shape[1]


def _convolve(rows: Tensor, weight: Tensor, bias: Tensor | None, size: tuple[int, int]) -> Tensor:
    """3x3 convolution of (HW, N)."""
    return _to_rows(F.conv2d(_to_map(rows, size), weight, bias, padding=1, groups=_groups(weight)))


def _convolve_backward(grad: Tensor, weight: Tensor, size: tuple[int, int]) -> Tensor:
    """Gradient of `_convolve` by its rows; depthwise as a convolution with the mirrored kernel, which is faster."""
    if weight.shape[1] == 1:
        return _convolve(grad, weight.flip(2, 3), None, size)
    shape = (1, weight.shape[0], *size)
    return _to_rows(conv2d_input(shape, weight, _to_map(grad, size), padding=1, groups=_groups(weight)))


def _gelu_backward(grad: Tensor, x: Tensor) -> Tensor:
    """Gradient of GELU by x, written over `grad`."""
    return torch.ops.aten.gelu_backward.grad_input(grad, x, grad_input=grad)
