"""DeepLabv3 on MobileNetV2, and the semantic prior that travels with the package (Eq. 3; the paper has LRASPP)."""
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from isalux_mm.functional.checks import check_choice, check_positive, check_range
from isalux_mm.functional.exposure import expose, missing_stops
from isalux_mm.functional.resizing import reduced_size
from isalux_mm.models.mobilenet import InvertedResidual, convolution, mobilenet_layers
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
LEAST_LUMA = 0.3  # ours: of few well-lit photographs is the mean below it
DARK_STOPS = 8  # ours; from which the network takes a picture as wholly dark
FURTHER_STOPS = 1  # ours; by which a dark picture is brought beyond the least luma, for most pictures are brighter
PACKAGED = Path(__file__).resolve().parents[1] / 'weights' / 'semantic_prior.safetensors'


class DarkAffine(nn.Module):
    """x (1 + d scale) + d shift of every channel, d the picture's darkness: nothing in the light (ours).

    Stands where the backbone had its norms. Zeros at first.

    Args:
        channels: of its input.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.scale, self.shift = (nn.Parameter(torch.zeros(channels, 1, 1)) for _ in range(2))

    def forward(self, x: Tensor, darkness: Tensor | None = None) -> Tensor:
        """x: (B, C, H, W); darkness: (B, 1, 1, 1), `None` for none."""
        if darkness is None:
            return x
        return torch.addcmul(darkness * self.shift, x, 1 + darkness * self.scale)


class DeepLabMobileNetV2(nn.Module):
    """DeepLabv3 on MobileNetV2 at stride 16 (Chen et al., 2017; Sandler et al., 2018), its batch norms folded.

    The form of TensorFlow's released mobile models: MobileNetV2 with the last stage dilated instead of
    strided, biases in the place of norms, and a head of a 1x1 convolution and the pooled image, without atrous
    branches. Output (i, j) belongs to input pixel (16 i, 16 j). A side of 16 k + 1 pixels is covered from its first
    pixel to its last, and there symmetric padding is the same as TensorFlow's 'SAME'. Ours are the `DarkAffine`s.

    Args:
        width: multiplier of MobileNetV2's channels, 0.5 or 1.
        num_classes: channels of the output.

    Raises:
        ValueError: if there is no such width.
    """

    def __init__(self, width: float = 1.0, num_classes: int = len(VOC_CLASSES)):
        super().__init__()
        check_choice(width, LAST_CHANNELS, 'width')
        self.features = mobilenet_layers(width, STAGES, norm=DarkAffine)
        for layer in convolutions(self.features[DILATED]):
            if layer.kernel_size == (3, 3):
                layer.dilation = layer.padding = (DILATION, DILATION)
        self.local = _branch(LAST_CHANNELS[width])
        self.pooled = _branch(LAST_CHANNELS[width])
        self.projection = _branch(2 * HEAD_CHANNELS)
        self.classifier = nn.Conv2d(HEAD_CHANNELS, num_classes, 1)
        for layer in convolutions(self):
            layer.bias = nn.Parameter(torch.zeros(layer.out_channels))

    def forward(self, image: Tensor, darkness: Tensor | None = None) -> Tensor:
        """Logits (B, classes, h, w), h and w a sixteenth of the image's, rounded up.

        Args:
            image: (B, 3, H, W), normalized.
            darkness: (B, 1, 1, 1) in [0, 1]; `None` for none.
        """
        x = run_layers(self.features, image.contiguous(memory_format=torch.channels_last), darkness)
        pooled = run_layers(self.pooled, x.mean(dim=(2, 3), keepdim=True), darkness).expand(-1, -1, *x.shape[-2:])
        x = torch.cat([pooled, run_layers(self.local, x, darkness)], dim=1)
        return self.classifier(run_layers(self.projection, x, darkness))


def run_layers(layers: nn.Sequential, x: Tensor, darkness: Tensor | None) -> Tensor:
    """Runs MobileNetV2's layers as they run themselves, and tells every `DarkAffine` among them the darkness."""
    for layer in layers:
        if isinstance(layer, DarkAffine):
            x = layer(x, darkness)
        elif isinstance(layer, InvertedResidual):
            y = run_layers(layer.conv, x, darkness)
            x = x + y if layer.use_res_connect else y
        elif isinstance(layer, nn.Sequential):
            x = run_layers(layer, x, darkness)
        else:
            x = layer(x)
    return x


@MODELS.register_module()
class PackagedSemanticPrior(SegmentationPrior):
    """DeepLabv3-MobileNetV2 for VOC's 21 classes, adapted to darkness, with weights in the package (ours).

    The picture is reduced to sides of 16 k + 1, as the network was trained; the map has cells of eight of its pixels.

    A picture whose mean luma is below `least_luma` is exposed up to it, in linear light, and by as many stops again,
    though by one at most. The network's `DarkAffine`s gain force with the stops that it lacks, up to eight. A brighter
    picture stays as it is, and the network sees it as it did before its adaptation.

    Args:
        width: as in `DeepLabMobileNetV2`; the package has weights for 1.
        checkpoint: file to load in the place of the package's, by `init_weights`.
        short_side: as in `SegmentationPrior`; rounded to 16 k + 1.
        least_luma: mean luma that darker pictures are brought to; 0 takes every picture as a bright one.
        force: exponent of the stops. The package's weights were trained at 1 and serve better at 1.5: what they learned
            is needed in deep darkness, and little of it in mild.

    Raises:
        ValueError: if an option is out of its range.
    """
    classes = VOC_CLASSES

    def __init__(self,
                 *,
                 width: float = 1.0,
                 checkpoint: str | None = None,
                 short_side: int = 257,
                 least_luma: float = LEAST_LUMA,
                 force: float = 1.5):
        super().__init__(
            f'{__name__}.DeepLabMobileNetV2', len(self.classes), module_args=dict(width=width),
            checkpoint=checkpoint or str(PACKAGED), short_side=short_side, mean=(MIDDLE, ) * 3, std=(MIDDLE, ) * 3)
        check_range(least_luma, 0, 1, 'least_luma')
        check_positive(force, 'force')
        self.least_luma, self.force = least_luma, force

    def init_weights(self) -> None:
        """Loads the package's weights, or `checkpoint`."""
        load_weights(self.network, self.checkpoint or PACKAGED, name='semantic prior')

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        """Sides of 16 k + 1, k at least 1, nearest to the reduced picture's."""
        # whole numbers, or in a traced graph what stands for them
        sides: Any = reduced_size(height, width, self.short_side)
        rows, columns = (STRIDE * torch.sym_max((side - 1 + STRIDE // 2) // STRIDE, 1) + 1 for side in sides)
        return rows, columns

    def logits(self, image: Tensor) -> Tensor:
        """Logits in the centres of cells of eight pixels, (B, classes, 2 k, 2 l), of an image in [0, 1]."""
        darkness = None
        if self.least_luma:
            stops = missing_stops(image, self.least_luma)
            darkness = (stops / DARK_STOPS).clamp_max(1)**self.force
            image = torch.where(stops > 0, expose(image, stops + stops.clamp_max(FURTHER_STOPS)), image)
        logits = self.network((image - self.mean) / self.std, darkness)
        rows, columns = (_to_cells(side, logits) for side in logits.shape[-2:])
        return rows @ logits @ columns.T


def convolutions(module: nn.Module) -> list[nn.Conv2d]:
    """The convolutions of a network, in order; of `DeepLabMobileNetV2` that is the order in which they run."""
    return [m for m in module.modules() if isinstance(m, nn.Conv2d)]


def _branch(channels: int) -> nn.Sequential:
    return convolution(channels, HEAD_CHANNELS, 1, norm=DarkAffine)


def _to_cells(known: int, like: Tensor) -> Tensor:
    """Linear interpolation from samples at pixels 0, 16, ... to the centres of cells of 8 pixels, (2 k, k + 1).

    The cells share the 16 k + 1 pixels evenly, so that the map lies on its picture as any resized picture does.
    """
    strides = known - 1
    cell = torch.arange(2 * strides, device=like.device, dtype=torch.float32) + 0.5
    place = (cell * (STRIDE * strides + 1) / (2 * strides) - 0.5) / STRIDE
    sample = torch.arange(known, device=like.device, dtype=torch.float32)
    return (1 - (place[:, None] - sample).abs()).clamp_min(0).to(like.dtype)
