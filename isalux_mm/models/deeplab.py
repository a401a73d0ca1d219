"""DeepLabv3 on MobileNetV2, and the semantic prior that travels with the package (Eq. 3; the paper has LRASPP)."""
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import MobileNetV2
from torchvision.ops.misc import Conv2dNormActivation

from isalux_mm.functional.checks import check_choice, check_range
from isalux_mm.functional.illumination import luma
from isalux_mm.functional.resizing import reduced_size
from isalux_mm.models.pretrained import load_weights
from isalux_mm.models.priors import VOC_CLASSES, SegmentationPrior
from isalux_mm.registry import MODELS

STRIDE = 16  # of the network
HEAD_CHANNELS = 256  # of every branch of the head
# expansion, channels, blocks, stride (Sandler et al., 2018, Table 2); stride 1 for 2 in the stage of 160 channels
STAGES = [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 1], [6, 320, 1, 1]]
DILATED, DILATION = slice(-3, None), 2  # the blocks behind the stride that was taken away
LAST_CHANNELS = {0.5: 160, 1.0: 320}  # of the last block, by width
MIDDLE = 128 / 255  # of the released models: a byte is taken as (byte - 128) / 128
LEAST_LUMA = 0.35  # ours: below it the labels begin to suffer, above it photographs stay as they are
DARKEST = 1 / 255  # a mean luma that is multiplied no further
PACKAGED = Path(__file__).resolve().parents[1] / 'weights' / 'semantic_prior.safetensors'


class DeepLabMobileNetV2(nn.Module):
    """DeepLabv3 on MobileNetV2 at stride 16 (Chen et al., 2017; Sandler et al., 2018), its batch norms folded.

    The form of TensorFlow's released mobile models: torchvision's MobileNetV2 with the last stage dilated instead of
    strided, biases in the place of norms, and a head of a 1x1 convolution and the pooled image, without atrous
    branches. Output (i, j) belongs to input pixel (16 i, 16 j). A side of 16 k + 1 pixels is covered from its first
    pixel to its last, and there symmetric padding is the same as TensorFlow's 'SAME'.

    Args:
        width: multiplier of MobileNetV2's channels, 0.5 or 1.
        num_classes: channels of the output.

    Raises:
        ValueError: if there is no such width.
    """

    def __init__(self, width: float = 1.0, num_classes: int = len(VOC_CLASSES)):
        super().__init__()
        check_choice(width, LAST_CHANNELS, 'width')
        backbone = MobileNetV2(
            width_mult=width, inverted_residual_setting=STAGES, round_nearest=4, norm_layer=nn.Identity)
        self.features = backbone.features[:-1]  # without the layer that classifies
        for convolution in convolutions(self.features[DILATED]):
            if convolution.kernel_size == (3, 3):
                convolution.dilation = convolution.padding = (DILATION, DILATION)
        for convolution in convolutions(self.features):
            convolution.bias = nn.Parameter(torch.zeros(convolution.out_channels))
        self.local = _branch(LAST_CHANNELS[width])
        self.pooled = _branch(LAST_CHANNELS[width])
        self.projection = _branch(2 * HEAD_CHANNELS)
        self.classifier = nn.Conv2d(HEAD_CHANNELS, num_classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """image: (B, 3, H, W), normalized; returns logits (B, classes, h, w), H and W over 16, rounded up."""
        x = self.features(image.contiguous(memory_format=torch.channels_last))
        pooled = self.pooled(x.mean(dim=(2, 3), keepdim=True)).expand(-1, -1, *x.shape[-2:])
        return self.classifier(self.projection(torch.cat([pooled, self.local(x)], dim=1)))


@MODELS.register_module()
class PackagedSemanticPrior(SegmentationPrior):
    """DeepLabv3-MobileNetV2 for VOC's 21 classes, with weights in the package (ours): the published ones, converted.

    The picture is reduced to sides of 16 k + 1, as the network was trained; the map has cells of eight of its pixels. A
    dark picture is multiplied by a factor, which in sRGB is about what a shorter exposure took; a brighter one stays.

    Args:
        width: as in `DeepLabMobileNetV2`; the package has weights for 1.
        checkpoint: file to load in the place of the package's, by `init_weights`.
        short_side: as in `SegmentationPrior`; rounded to 16 k + 1.
        least_luma: mean luma that darker pictures are brought to; 0 leaves every picture as it is, as the network
            was trained.
    """
    classes = VOC_CLASSES

    def __init__(self,
                 *,
                 width: float = 1.0,
                 checkpoint: str | None = None,
                 short_side: int = 257,
                 least_luma: float = LEAST_LUMA):
        super().__init__(
            f'{__name__}.DeepLabMobileNetV2', len(self.classes), module_args=dict(width=width),
            checkpoint=checkpoint or str(PACKAGED), short_side=short_side, mean=(MIDDLE, ) * 3, std=(MIDDLE, ) * 3)
        check_range(least_luma, 0, 1, 'least_luma')
        self.least_luma = least_luma

    def init_weights(self) -> None:
        """Loads the package's weights, or `checkpoint`."""
        load_weights(self.network, self.checkpoint or PACKAGED, name='semantic prior')

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        """Sides of 16 k + 1, k at least 1, nearest to the reduced picture's."""
        # whole numbers, or in a traced graph what stands for them
        sides: Any = reduced_size(height, width, self.short_side)
        rows, columns = (STRIDE * torch.sym_max((side - 1 + STRIDE // 2) // STRIDE, 1) + 1 for side in sides)
        return rows, columns

    def prepared(self, image: Tensor) -> Tensor:
        """The image, multiplied up to the least mean luma and cut off at white."""
        mean = luma(image.mean(dim=(2, 3), keepdim=True)).clamp_min(DARKEST)
        return (image * (self.least_luma / mean).clamp_min(1)).clamp_max(1)

    def logits(self, image: Tensor) -> Tensor:
        """Logits in the centres of cells of eight pixels, (B, classes, 2 k, 2 l)."""
        logits = self.network(image)
        rows, columns = (_to_cells(side, logits) for side in logits.shape[-2:])
        return rows @ logits @ columns.T


def convolutions(module: nn.Module) -> list[nn.Conv2d]:
    """The convolutions of a network, in order; of `DeepLabMobileNetV2` that is the order in which they run."""
    return [m for m in module.modules() if isinstance(m, nn.Conv2d)]


def _branch(channels: int) -> Conv2dNormActivation:
    return Conv2dNormActivation(channels, HEAD_CHANNELS, 1, norm_layer=None)


def _to_cells(known: int, like: Tensor) -> Tensor:
    """Linear interpolation from samples at pixels 0, 16, ... to the centres of cells of 8 pixels, (2 k, k + 1).

    The cells share the 16 k + 1 pixels evenly, so that the map lies on its picture as any resized picture does.
    """
    strides = known - 1
    cell = torch.arange(2 * strides, device=like.device, dtype=torch.float32) + 0.5
    place = (cell * (STRIDE * strides + 1) / (2 * strides) - 0.5) / STRIDE
    sample = torch.arange(known, device=like.device, dtype=torch.float32)
    return (1 - (place[:, None] - sample).abs()).clamp_min(0).to(like.dtype)
