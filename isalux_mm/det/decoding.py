"""Boxes and scores of dense heads as tensors alone: what a graph can follow (ours; paper silent).

A decoder takes a head's outputs, maps per level, and gives every box with its scores, before non-maximum suppression.
`DECODERS` holds one by kind of head; a head of your own is a line more.
"""
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmdet.models.dense_heads import RTMDetHead, YOLOXHead
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.models.detectors import SingleStageDetector
from mmdet.structures.bbox import get_box_tensor
from torch import Tensor, nn

Outputs = tuple[Sequence[Tensor], ...]  # of a head: maps (B, C, H, W) of all levels
Boxes = tuple[Tensor, Tensor]  # (B, N, 4), left, top, right, bottom in pixels; (B, N, classes) in [0, 1]

RULE = ('predict_by_feat', '_predict_by_feat_single', '_bbox_post_process')  # mmdet's: the parts of predicting
ADVICE = ('export the enhancer alone (isalux export MODEL enhancer.onnx), run the detector with what exports it '
          '(mmdeploy, say), and hand the enhanced picture over')


@dataclass(frozen=True)
class Decoder:
    """How a kind of head is decoded.

    Attributes:
        decode: (head, outputs, (height, width) of the input that boxes are cut to) to boxes and scores.
        rule: the class whose way of predicting it writes down; a head that overrides that is another one.
        whole_strides: the neck ahead of it takes sides that are multiples of the largest stride alone; its pipelines
            pad for that.
    """
    decode: Callable[[Any, Outputs, tuple[int, int]], Boxes]
    rule: type[nn.Module]
    whole_strides: bool = False


def flat(levels: Sequence[Tensor], channels: int) -> Tensor:
    """Maps (B, priors x C, H, W) of all levels as (B, N, C), in the order of the priors."""
    return torch.cat([level.permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, channels)) for level in levels], dim=1)


def priors_of(head: Any, maps: Sequence[Tensor], *, with_stride: bool = False) -> Tensor:
    """The priors of all levels: points (N, 2), with their stride (N, 4), or anchors (N, 4)."""
    options = dict(with_stride=True) if with_stride else {}
    return torch.cat(head.prior_generator.grid_priors(
        [level.shape[-2:] for level in maps], dtype=maps[0].dtype, device=maps[0].device, **options))


def decode_yolox(head: Any, outputs: Outputs, size: tuple[int, int]) -> Boxes:
    """As `YOLOXHead.predict_by_feat`, which does not cut boxes."""
    scores, boxes, objectness = outputs
    decoded = head._bbox_decode(priors_of(head, scores, with_stride=True), flat(boxes, 4))
    return decoded, flat(scores, head.cls_out_channels).sigmoid() * flat(objectness, 1).sigmoid()


def decode_dense(head: Any, outputs: Outputs, size: tuple[int, int]) -> Boxes:
    """As `BaseDenseHead.predict_by_feat`: priors, a box coder, scores by sigmoid or softmax, and a factor to them
    (centerness, say) where there is one. mmdet compares scores with its threshold ahead of that factor."""
    maps, deltas = outputs[:2]
    batch, channels = maps[0].shape[0], head.bbox_coder.encode_size
    boxes = head.bbox_coder.decode(priors_of(head, maps).repeat(batch, 1), flat(deltas, channels).flatten(0, 1),
                                   max_shape=size)
    logits = flat(maps, head.cls_out_channels)
    scores = logits.sigmoid() if head.use_sigmoid_cls else logits.softmax(-1)[..., :-1]
    if len(outputs) > 2:
        scores = scores * flat(outputs[2], 1).sigmoid()
    return get_box_tensor(boxes).unflatten(0, (batch, -1)), scores


DECODERS: dict[type[nn.Module], Decoder] = {  # the first that a head is an instance of
    YOLOXHead: Decoder(decode_yolox, YOLOXHead, whole_strides=True),
    RTMDetHead: Decoder(decode_dense, BaseDenseHead, whole_strides=True),
    BaseDenseHead: Decoder(decode_dense, BaseDenseHead),
}


def decoder_of(detector: nn.Module) -> Decoder:
    """The decoder of a detector's head.

    Raises:
        ValueError: if there is none: the detector has two stages or a transformer, or its head builds its boxes in a
            way of its own; says what to do instead.
    """
    head: Any = getattr(detector, 'bbox_head', None)
    if isinstance(detector, SingleStageDetector) and isinstance(head, BaseDenseHead):
        for kind, decoder in DECODERS.items():
            if isinstance(head, kind) and predicts_as(head, decoder.rule):
                return decoder
    raise ValueError("a detector exports if it has one stage and YOLOX's head, or one that predicts by mmdet's "
                     'common rule (RetinaNet, FCOS, ATSS, RTMDet and their like), got '
                     f'{type(detector).__name__} with the head {type(head).__name__}: {ADVICE}')


def predicts_as(head: BaseDenseHead, rule: type[nn.Module]) -> bool:
    """Whether a head predicts by the rule of a class, overriding none of its parts."""
    followed = all(getattr(type(head), name) is getattr(rule, name) for name in RULE)
    return followed and not getattr(getattr(head, 'loss_cls', None), 'custom_cls_channels', False)
