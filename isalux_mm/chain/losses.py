"""Losses of the enhancer in joint training, beside the task's."""
from collections.abc import Mapping, Sequence

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from isalux_mm.chain.preprocessor import WHITE, shapes_of
from isalux_mm.models.enhancer import groups_of_size
from isalux_mm.models.gates import Routing
from isalux_mm.models.losses import WeightedLoss
from isalux_mm.registry import MODELS, SCOPE

LEAST_FEATURE = 1e-6  # ours: mean of a level's features that is taken for zero


class ChainLosses(nn.Module):
    """The enhancer's losses in joint training, beside the task's.

    Args:
        reference: configs of losses of (enhanced, reference) by name, logged as 'loss_enh_NAME'; on the images that
            have a `reference_img` (3, h, w), RGB, uint8 or float in [0, 1].
        zero_reference: configs of losses of (enhanced, input) by name, logged as 'loss_zero_NAME'.
        balance: config of the loss on every mixture layer's routing, logged as 'loss_balance'.
        consistency: config of the loss of (the task model's features of the enhanced images, those of the references),
            logged as 'loss_consistency'; on the images that have a `reference_img`.
    """

    def __init__(self,
                 reference: Mapping[str, dict] | None = None,
                 zero_reference: Mapping[str, dict] | None = None,
                 balance: dict | None = None,
                 consistency: dict | None = None):
        super().__init__()
        self.reference = nn.ModuleDict(build_losses(reference, 'loss_enh_'))
        self.zero_reference = nn.ModuleDict(build_losses(zero_reference, 'loss_zero_'))
        self.balance = None if balance is None else MODELS.build({'_scope_': SCOPE, **balance})
        self.consistency = None if consistency is None else MODELS.build({'_scope_': SCOPE, **consistency})
        self.warned = False

    @property
    def names(self) -> list[str]:
        """Names under which the losses are logged; empty if there is none."""
        others = dict(loss_balance=self.balance, loss_consistency=self.consistency)
        return [*self.reference, *self.zero_reference, *(name for name, loss in others.items() if loss is not None)]

    def init_weights(self) -> None:
        """Fetches the weights of feature networks."""
        for loss in self.reference.values():
            if isinstance(loss, WeightedLoss | BaseModule):  # ours, or of another package
                loss.init_weights()

    def forward(self, inputs: Tensor, enhanced: Tensor, samples: Sequence,
                routings: Sequence[Routing] = ()) -> dict[str, Tensor]:
        """Losses by name, averaged over the images (those with a reference, where one is needed).

        Args:
            inputs: (B, 3, H, W), RGB in [0, 1], padded.
            enhanced: the enhancer's result, same shape.
            samples: data samples with the preprocessor's notes.
            routings: of the enhancer's mixture layers.
        """
        sizes = shapes_of(samples, 'picture_shape', inputs)
        lit = [index for index, sample in enumerate(samples) if 'reference_img' in sample]
        if len(self.reference) and not lit and not self.warned:
            print_log('losses against a reference are configured, but no image of the batch has a reference_img',
                      logger='current')
            self.warned = True
        references = [reference_of(sample, inputs) if index in lit else enhanced[index]
                      for index, sample in enumerate(samples)] if len(self.reference) else []
        losses = mean_losses(dict(self.zero_reference.items()), enhanced, inputs, sizes, range(len(inputs)))
        losses.update(mean_losses(dict(self.reference.items()), enhanced, references, sizes, lit))
        if self.balance is not None and routings:
            losses['loss_balance'] = torch.stack([self.balance(routing) for routing in routings]).mean()
        return losses


@MODELS.register_module()
class FeatureConsistencyLoss(nn.Module):
    """How far features are from those of the bright image: mean of |a - b| over the mean of |b|, averaged over levels
    (ours; paper silent).

    It needs no labels, so that any photograph serves: what a task model makes of the picture in the light is what it is
    to make of it in the dark. The features of the bright image get no gradient.

    Args:
        loss_weight: factor.
    """

    def __init__(self, loss_weight: float = 1.0):
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, features: Sequence[Tensor], expected: Sequence[Tensor]) -> Tensor:
        """Loss of maps (B, C, H, W) of several levels, `expected` those of the bright images."""
        levels = []
        with torch.autocast(features[0].device.type, enabled=False):
            for got, bright in zip(features, expected, strict=True):
                got, bright = (x.to(torch.promote_types(x.dtype, torch.float32)) for x in (got, bright.detach()))
                levels.append((got - bright).abs().mean() / bright.abs().mean().clamp_min(LEAST_FEATURE))
        return self.loss_weight * torch.stack(levels).mean()


def build_losses(configs: Mapping[str, dict] | None, prefix: str) -> dict[str, nn.Module]:
    """Losses by the name under which they are logged."""
    return {prefix + name.removeprefix('loss_'): MODELS.build({'_scope_': SCOPE, **config})
            for name, config in (configs or {}).items()}


def mean_losses(losses: Mapping[str, nn.Module], enhanced: Tensor, targets: Tensor | Sequence[Tensor],
                sizes: Sequence[tuple[int, int]], chosen: Sequence[int]) -> dict[str, Tensor]:
    """Mean of every loss over the chosen images without their padding, those of one size together."""
    totals = {name: enhanced.sum() * 0 for name in losses}
    for indices, images in groups_of_size(enhanced, sizes) if losses else ():
        places = [place for place, index in enumerate(indices) if index in chosen]
        if not places:
            continue
        h, w = images.shape[-2:]
        expected = torch.stack([targets[indices[place]][:, :h, :w] for place in places])
        for name, loss in losses.items():
            totals[name] = totals[name] + loss(images[places], expected) * (len(places) / len(chosen))
    return totals


def reference_of(sample: BaseDataElement, like: Tensor) -> Tensor:
    """The sample's reference as float RGB in [0, 1] on the device of `like`.

    Raises:
        ValueError: if it has not the size of the sample's image.
    """
    image = sample.reference_img
    shape = tuple(sample.metainfo.get('raw_shape', like.shape[-2:]))
    if image.dim() != 3 or image.shape[0] != 3 or tuple(image.shape[1:]) != shape:
        raise ValueError(f'reference_img must be (3, {shape[0]}, {shape[1]}), as the image it belongs to, got '
                         f'{tuple(image.shape)}; geometric transforms must move both')
    scale = 1.0 if image.is_floating_point() else WHITE
    return image.to(like.device).float() / scale
