"""Illumination and semantic priors (ISALux, Eqs. 1 and 3): image in, prior map out, by registry."""
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

import torch
import torch.nn.functional as F
from mmengine.logging import MMLogger
from torch import Tensor, nn

from isalux_mm.functional import illumination
from isalux_mm.functional.checks import check_count
from isalux_mm.functional.resizing import reduced_size
from isalux_mm.models.base import InitializedModule
from isalux_mm.models.pretrained import fetch_torchvision_weights, load_weights
from isalux_mm.registry import MODELS

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
TORCHVISION_PRIOR = 'LRASPP_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1'
VOC_CLASSES = (  # of PASCAL VOC, in their order
    'background', 'aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair', 'cow', 'diningtable',
    'dog', 'horse', 'motorbike', 'person', 'pottedplant', 'sheep', 'sofa', 'train', 'tvmonitor')


@MODELS.register_module()
class NoPrior(nn.Module):
    """No prior: the stream that would be enriched by it meets a map of ones."""
    out_channels = 0

    def forward(self, image: Tensor) -> None:
        """image: (B, 3, H, W); returns `None`."""


class IlluminationPrior(nn.Module):
    """A parameter-free map of darkness, (B, 3, H, W) RGB in [0, 1] to (B, 1, H, W) in [0, 1]."""
    out_channels = 1
    compute: Callable[[Tensor], Tensor]

    def forward(self, image: Tensor) -> Tensor:
        return self.compute(image)


@MODELS.register_module()
class MaxChannelPrior(IlluminationPrior):
    """1 - max_c(I) (Eq. 1)."""
    compute = staticmethod(illumination.max_channel_prior)


@MODELS.register_module()
class MeanChannelPrior(IlluminationPrior):
    """1 - mean_c(I) (ours; paper silent)."""
    compute = staticmethod(illumination.mean_channel_prior)


@MODELS.register_module()
class LumaPrior(IlluminationPrior):
    """1 - Y(I), Y the BT.601 luma (ours; paper silent)."""
    compute = staticmethod(illumination.luma_prior)


class FrozenModule(InitializedModule):
    """A pretrained network that serves as a fixed function: no gradient, always in eval mode."""
    mean: Tensor  # where it normalizes its input
    std: Tensor

    def freeze(self) -> None:
        """Stops gradients; to be called at the end of the constructor."""
        self.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> 'FrozenModule':
        """Stays in eval mode whatever is asked."""
        return super().train(False)


@MODELS.register_module()
class SegmentationPrior(FrozenModule):
    """Class probabilities of any segmentation network, frozen (Eq. 3).

    The image is resized to `short_side` (never enlarged), normalized, segmented; the softmax is taken over the
    classes. The map stays at the network's own resolution; ISALux resizes it to its scales.

    Args:
        module: dotted path of a class or function that builds the network, say 'package.module.build'.
        module_args: keyword arguments of `module`.
        num_classes: channels of the network's output.
        checkpoint: local file (safetensors, or a pickle that holds tensors only) loaded by `init_weights`.
        output_key: key of the logits where the network returns a mapping.
        short_side: short side of the picture that is segmented, in pixels (ours; paper silent).
        mean: RGB, taken off an image in [0, 1].
        std: RGB, by which it is divided then.

    Raises:
        ValueError: if `module` cannot be imported or `short_side` is no whole number from 1 up.
    """

    def __init__(self,
                 module: str,
                 num_classes: int,
                 *,
                 module_args: Mapping | None = None,
                 checkpoint: str | None = None,
                 output_key: str | None = None,
                 short_side: int = 256,
                 mean: Sequence[float] = IMAGENET_MEAN,
                 std: Sequence[float] = IMAGENET_STD):
        super().__init__()
        check_count(short_side, 'short_side')
        self.network = _resolve(module)(**(module_args or {}))
        self.out_channels = num_classes
        self.checkpoint, self.output_key, self.short_side = checkpoint, output_key, short_side
        self.register_buffer('mean', torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        self.freeze()

    def init_weights(self) -> None:
        """Loads `checkpoint`; without one the network keeps the weights it was built with."""
        if self.checkpoint:
            load_weights(self.network, self.checkpoint, name='semantic prior')

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width at which a picture of this size is segmented."""
        return reduced_size(height, width, self.short_side)

    def logits(self, image: Tensor) -> Tensor:
        """Logits (B, classes, h, w) of an image (B, 3, H, W) of a working size, RGB in [0, 1]."""
        out = self.network((image - self.mean) / self.std)
        return out[self.output_key] if self.output_key is not None else out

    def scores(self, image: Tensor) -> Tensor:
        """Logits (B, classes, h, w) of an image (B, 3, H, W), RGB in [0, 1], whose gradient passes.

        Raises:
            ValueError: if the network's output has another number of channels than `num_classes`.
        """
        size = self.working_size(*image.shape[-2:])
        # in a traced graph always: at the same size it changes nothing
        if torch.compiler.is_compiling() or size != tuple(image.shape[-2:]):
            # CPUs reduce in single precision alone
            reduced = F.interpolate(image.float(), size=size, mode='bilinear', antialias=True)
            image = reduced.to(image.dtype)
        logits = self.logits(image)
        if logits.shape[1] != self.out_channels:
            raise ValueError(f'num_classes must be the channels of the network\'s output, {logits.shape[1]}, '
                             f'got {self.out_channels}')
        return logits.float()

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """image: (B, 3, H, W), RGB in [0, 1]; returns probabilities (B, classes, h, w)."""
        return self.scores(image).softmax(dim=1).to(image.dtype)


@MODELS.register_module()
class TorchvisionSemanticPrior(SegmentationPrior):
    """LRASPP-MobileNetV3-Large, COCO with the 21 VOC labels, as the paper's semantic prior (Eq. 3).

    Args:
        checkpoint: local copy of the weights; by default torchvision's file is looked for in the hub's cache and
            then downloaded, in `init_weights` alone.
        short_side: as in `SegmentationPrior`.
    """
    classes = VOC_CLASSES

    def __init__(self, *, checkpoint: str | None = None, short_side: int = 256):
        super().__init__(
            'torchvision.models.segmentation.lraspp_mobilenet_v3_large', len(self.classes),
            module_args=dict(weights=None, weights_backbone=None, num_classes=len(self.classes)),
            checkpoint=checkpoint, output_key='out', short_side=short_side)

    def init_weights(self) -> None:
        """Loads `checkpoint`, or torchvision's weights.

        Raises:
            RuntimeError: if they can neither be found nor downloaded; says where to place the file.
        """
        if self.checkpoint:
            return super().init_weights()
        state = fetch_torchvision_weights(
            TORCHVISION_PRIOR, option='semantic_prior.checkpoint',
            alternative="semantic_prior=dict(type='NoPrior')")
        self.network.load_state_dict(state)
        MMLogger.get_current_instance().info(f'semantic prior: {len(state)} tensors of torchvision\'s LRASPP loaded')

    def logits(self, image: Tensor) -> Tensor:
        """Logits at stride 8: torchvision's forward without its last upsampling, which the scales do not need."""
        return self.network.classifier(self.network.backbone((image - self.mean) / self.std))


def _resolve(dotted: str) -> Callable:
    """The object behind a dotted path."""
    module, _, name = dotted.rpartition('.')
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f'module must be an importable dotted path, got {dotted!r} ({error})') from error
