"""Torchvision's operators in the place of mmcv's compiled ones, where `mmcv._ext` is absent.

A plain install of mmcv builds no extension, and then `import mmdet.models` fails. `install_mmcv_ops` puts a module
with the same signatures there. A compiled extension always wins. Operators that are not here raise
`NotImplementedError` with their name when they are called, not before.
"""
import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

import torch
import torch.nn.functional as F
import torchvision.ops
from mmengine.logging import print_log
from torch import Tensor

EXTENSION = 'mmcv._ext'
NOT_COMPILED = 'not compiled: operators of torchvision'
LINEAR, GAUSSIAN = 1, 2  # mmcv's codes of soft-NMS's methods; 0 is the hard one


def install_mmcv_ops() -> bool:
    """Puts the stand-in at `mmcv._ext`, unless a compiled extension (or the stand-in) is there already.

    To be called before `mmcv.ops`, mmdet's or mmseg's models are imported.

    Returns:
        Whether the stand-in is in place.
    """
    if EXTENSION not in sys.modules:
        try:
            importlib.import_module(EXTENSION)
        except ImportError as error:
            if not isinstance(error, ModuleNotFoundError) or error.name != EXTENSION:
                print_log(f'{EXTENSION} is there but broken ({error}); torchvision stands in', logger='current')
            sys.modules[EXTENSION] = StandInExtension()
    return isinstance(sys.modules[EXTENSION], StandInExtension)


class StandInExtension(ModuleType):
    """The module at `mmcv._ext`: every operator of `OPERATORS`, and for any other name a function that raises."""

    def __init__(self) -> None:
        super().__init__(EXTENSION, 'Torchvision operators under the names of the compiled ones.')
        self.__spec__ = ModuleSpec(EXTENSION, loader=None)
        self.__dict__.update(OPERATORS)

    def __getattr__(self, name: str) -> Callable:
        if name.startswith('__'):
            raise AttributeError(name)

        def missing(*args: object, **kwargs: object) -> None:
            raise NotImplementedError(
                f"mmcv's operator {name!r} has no stand-in: compile mmcv with its operators (MMCV_WITH_OPS=1)")

        return missing


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices of the boxes that are kept, by falling score.

    boxes: (N, 4), x1 y1 x2 y2; offset: 1 where x2 and y2 are the last pixel inside, else 0.
    """
    return torchvision.ops.nms(with_offset(boxes.float(), offset), scores.float(), iou_threshold)


def softnms(boxes: Tensor, scores: Tensor, dets: Tensor, iou_threshold: float, sigma: float, min_score: float,
            method: int, offset: int) -> Tensor:
    """Soft-NMS (Bodla et al., 2017): decays the scores of the boxes that overlap a better one.

    Args:
        boxes: (N, 4).
        scores: (N,).
        dets: (N, 5), receives box and decayed score of every kept box, in the order of the result.
        iou_threshold: overlap from which `method` 0 and 1 decay.
        sigma: width of the Gaussian of `method` 2.
        min_score: boxes that decay below it are dropped.
        method: 0 hard, 1 linear, 2 Gaussian.
        offset: as in `nms`.

    Returns:
        Indices of the kept boxes.
    """
    extended = with_offset(boxes, offset)
    left, current = torch.arange(len(boxes), device=boxes.device), scores.clone()
    kept: list[Tensor] = []
    while len(left):
        best = left[current[left].argmax()]
        dets[len(kept)] = torch.cat([boxes[best], current[best, None]])
        kept.append(best)
        left = left[left != best]
        overlap = torchvision.ops.box_iou(extended[best, None], extended[left])[0]
        current[left] *= decay(overlap, iou_threshold, sigma, method)
        left = left[current[left] >= min_score]
    return torch.stack(kept) if kept else torch.empty(0, dtype=torch.long, device=boxes.device)


def decay(overlap: Tensor, iou_threshold: float, sigma: float, method: int) -> Tensor:
    """Factor of the score of a box with this overlap; arguments as in `softnms`."""
    if method == GAUSSIAN:
        return torch.exp(-overlap**2 / sigma)
    return torch.where(overlap >= iou_threshold, 1 - overlap if method == LINEAR else torch.zeros_like(overlap), 1.0)


def with_offset(boxes: Tensor, offset: int) -> Tensor:
    """Boxes whose far corner lies `offset` further."""
    return boxes + boxes.new_tensor([0, 0, offset, offset])


def roi_align_forward(input: Tensor, rois: Tensor, output: Tensor, argmax_y: Tensor, argmax_x: Tensor,
                      aligned_height: int, aligned_width: int, spatial_scale: float, sampling_ratio: int,
                      pool_mode: int, aligned: bool) -> None:
    """RoIAlign by mean into `output` (K, C, h, w); rois: (K, 5), image index and x1 y1 x2 y2."""
    check_mean_pooling(pool_mode)
    output.copy_(
        torch.ops.torchvision.roi_align(input, rois.to(input.dtype), spatial_scale, aligned_height, aligned_width,
                                        sampling_ratio, aligned))


def roi_align_backward(grad_output: Tensor, rois: Tensor, argmax_y: Tensor, argmax_x: Tensor, grad_input: Tensor,
                       aligned_height: int, aligned_width: int, spatial_scale: float, sampling_ratio: int,
                       pool_mode: int, aligned: bool) -> None:
    """Gradient of `roi_align_forward`, written into `grad_input` (B, C, H, W)."""
    check_mean_pooling(pool_mode)
    grad_input.copy_(
        torch.ops.torchvision._roi_align_backward(
            grad_output, rois.to(grad_output.dtype), spatial_scale, aligned_height, aligned_width,
            *grad_input.shape, sampling_ratio, aligned))


def check_mean_pooling(pool_mode: int) -> None:
    """Raises where the maximum is asked for: torchvision has the mean only."""
    if pool_mode != 1:
        raise NotImplementedError("mmcv's operator 'roi_align' with pool_mode='max' has no stand-in")


def deform_conv_forward(input: Tensor, weight: Tensor, offset: Tensor, output: Tensor, columns: Tensor, ones: Tensor,
                        kW: int, kH: int, dW: int, dH: int, padW: int, padH: int, dilationW: int, dilationH: int,
                        group: int, deformable_group: int, im2col_step: int) -> None:
    """Deformable convolution into `output`; groups follow from the shapes of `weight` and `offset`."""
    output.copy_(
        torchvision.ops.deform_conv2d(
            input, offset, weight, stride=(dH, dW), padding=(padH, padW), dilation=(dilationH, dilationW)))


def deform_conv_backward_input(input: Tensor, offset: Tensor, grad_output: Tensor, grad_input: Tensor,
                               grad_offset: Tensor, weight: Tensor, columns: Tensor, kW: int, kH: int, dW: int,
                               dH: int, padW: int, padH: int, dilationW: int, dilationH: int, group: int,
                               deformable_group: int, im2col_step: int) -> None:
    """Gradients of `deform_conv_forward` by image and offset, written into the tensors of that name."""
    geometry = dict(stride=(dH, dW), padding=(padH, padW), dilation=(dilationH, dilationW))
    write_gradients(
        lambda image, shift: torchvision.ops.deform_conv2d(image, shift, weight, **geometry), (input, offset),
        grad_output, (grad_input, grad_offset))


def deform_conv_backward_parameters(input: Tensor, offset: Tensor, grad_output: Tensor, grad_weight: Tensor,
                                    columns: Tensor, ones: Tensor, kW: int, kH: int, dW: int, dH: int, padW: int,
                                    padH: int, dilationW: int, dilationH: int, group: int, deformable_group: int,
                                    scale: float, im2col_step: int) -> None:
    """`scale` times the gradient of `deform_conv_forward` by its weight, written into `grad_weight`."""
    geometry = dict(stride=(dH, dW), padding=(padH, padW), dilation=(dilationH, dilationW))
    write_gradients(
        lambda weight: torchvision.ops.deform_conv2d(input, offset, weight, **geometry),
        (torch.zeros_like(grad_weight), ), grad_output * scale, (grad_weight, ))


def modulated_deform_conv_forward(input: Tensor, weight: Tensor, bias: Tensor, ones: Tensor, offset: Tensor,
                                  mask: Tensor, output: Tensor, columns: Tensor, kernel_h: int, kernel_w: int,
                                  stride_h: int, stride_w: int, pad_h: int, pad_w: int, dilation_h: int,
                                  dilation_w: int, group: int, deformable_group: int, with_bias: bool) -> None:
    """Deformable convolution with a factor for every sample, into `output`."""
    output.copy_(
        torchvision.ops.deform_conv2d(
            input, offset, weight, bias if with_bias else None, stride=(stride_h, stride_w), padding=(pad_h, pad_w),
            dilation=(dilation_h, dilation_w), mask=mask))


def modulated_deform_conv_backward(input: Tensor, weight: Tensor, bias: Tensor, ones: Tensor, offset: Tensor,
                                   mask: Tensor, columns: Tensor, grad_input: Tensor, grad_weight: Tensor,
                                   grad_bias: Tensor, grad_offset: Tensor, grad_mask: Tensor, grad_output: Tensor,
                                   kernel_h: int, kernel_w: int, stride_h: int, stride_w: int, pad_h: int,
                                   pad_w: int, dilation_h: int, dilation_w: int, group: int, deformable_group: int,
                                   with_bias: bool) -> None:
    """Gradients of `modulated_deform_conv_forward`, written into the tensors of that name."""

    def convolve(image: Tensor, shift: Tensor, factor: Tensor, kernel: Tensor, *constant: Tensor) -> Tensor:
        return torchvision.ops.deform_conv2d(
            image, shift, kernel, *constant, stride=(stride_h, stride_w), padding=(pad_h, pad_w),
            dilation=(dilation_h, dilation_w), mask=factor)

    arguments, targets = [input, offset, mask, weight], [grad_input, grad_offset, grad_mask, grad_weight]
    if with_bias:
        arguments.append(bias)
        targets.append(grad_bias)
    write_gradients(convolve, arguments, grad_output, targets)


def ms_deform_attn_forward(value: Tensor, value_spatial_shapes: Tensor, value_level_start_index: Tensor,
                           sampling_locations: Tensor, attention_weights: Tensor, im2col_step: int) -> Tensor:
    """Multi-scale deformable attention on the GPU (mmcv runs its own torch form on CPU).

    Args:
        value: (B, keys, heads, C).
        value_spatial_shapes: (levels, 2), h and w of each level.
        value_level_start_index: (levels,), follows from the shapes.
        sampling_locations: (B, queries, heads, levels, points, 2), x and y in [0, 1].
        attention_weights: (B, queries, heads, levels, points).
        im2col_step: without effect.

    Returns:
        (B, queries, heads * C).
    """
    b, _, heads, channels = value.shape
    queries, levels, points = sampling_locations.shape[1], *sampling_locations.shape[3:5]
    sizes = [(int(h), int(w)) for h, w in value_spatial_shapes]
    # (B, queries, heads, levels, points, 2) -> (B * heads, queries, levels, points, 2)
    grids = (2 * sampling_locations - 1).transpose(1, 2).flatten(0, 1)
    weights = attention_weights.transpose(1, 2).reshape(b * heads, 1, queries, levels, points)
    total = value.new_zeros(b * heads, channels, queries)
    for level, (part, (h, w)) in enumerate(zip(value.split([h * w for h, w in sizes], dim=1), sizes)):
        maps = part.permute(0, 2, 3, 1).reshape(b * heads, channels, h, w)
        sampled = F.grid_sample(maps, grids[:, :, level], align_corners=False)
        total = total + (sampled * weights[:, :, :, level]).sum(-1)
    # (B * heads, C, queries) -> (B, queries, heads * C)
    return total.view(b, heads * channels, queries).transpose(1, 2).contiguous()


def ms_deform_attn_backward(value: Tensor, value_spatial_shapes: Tensor, value_level_start_index: Tensor,
                            sampling_locations: Tensor, attention_weights: Tensor, grad_output: Tensor,
                            grad_value: Tensor, grad_sampling_loc: Tensor, grad_attn_weight: Tensor,
                            im2col_step: int) -> None:
    """Gradients of `ms_deform_attn_forward`, written into the tensors of that name."""

    def attend(values: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
        return ms_deform_attn_forward(values, value_spatial_shapes, value_level_start_index, locations, weights,
                                      im2col_step)

    write_gradients(attend, (value, sampling_locations, attention_weights), grad_output,
                    (grad_value, grad_sampling_loc, grad_attn_weight))


def sigmoid_focal_loss_forward(input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float,
                               alpha: float) -> None:
    """Focal loss of every logit (N, classes) into `output`; target: (N,), the number of classes means background."""
    output.copy_(focal_loss(input, target, weight, gamma, alpha))


def sigmoid_focal_loss_backward(input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float,
                                alpha: float) -> None:
    """Gradient of every focal loss by its logit, written into `grad_input`."""
    write_gradients(lambda logits: focal_loss(logits, target, weight, gamma, alpha), (input, ),
                    torch.ones_like(input), (grad_input, ))


def focal_loss(logits: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float) -> Tensor:
    """Focal loss (Lin et al., 2017) of every logit, times its class's weight where `weight` is not empty."""
    hot = F.one_hot(target, logits.shape[1] + 1)[:, :-1].to(logits.dtype)
    loss = torchvision.ops.sigmoid_focal_loss(logits, hot, alpha=alpha, gamma=gamma)
    return loss * weight if weight.numel() else loss


def write_gradients(function: Callable[..., Tensor], arguments: Sequence[Tensor], grad_output: Tensor,
                    targets: Sequence[Tensor]) -> None:
    """Copies the gradients of `function` by its arguments into `targets`."""
    with torch.enable_grad():
        leaves = [x.detach().requires_grad_() for x in arguments]
        gradients = torch.autograd.grad(function(*leaves), leaves, grad_output)
    for target, gradient in zip(targets, gradients):
        target.copy_(gradient)


def get_compiler_version() -> str:
    """What mmcv reports of its compiler."""
    return NOT_COMPILED


def get_compiling_cuda_version() -> str:
    """What mmcv reports of its CUDA."""
    return NOT_COMPILED


OPERATORS: dict[str, Callable] = {
    f.__name__: f
    for f in (nms, softnms, roi_align_forward, roi_align_backward, deform_conv_forward, deform_conv_backward_input,
              deform_conv_backward_parameters, modulated_deform_conv_forward, modulated_deform_conv_backward,
              ms_deform_attn_forward, ms_deform_attn_backward, sigmoid_focal_loss_forward,
              sigmoid_focal_loss_backward, get_compiler_version, get_compiling_cuda_version)
}
