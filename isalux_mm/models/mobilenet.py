"""MobileNetV2's layers (Sandler et al., 2018), named as torchvision does.

They are here because torchvision takes as long to import as PyTorch itself.
"""
from collections.abc import Callable, Sequence

from torch import Tensor, nn

FIRST_CHANNELS = 32  # Sandler et al., Table 2
DIVISOR = 4  # of the number of channels, as TensorFlow's released models of other widths have it
LEAST_SHARE = 0.9  # of its channels that rounding leaves a layer
Norm = Callable[[int], nn.Module]


class InvertedResidual(nn.Module):
    """1x1 convolution to more channels, 3x3 of each channel, 1x1 to the output's; added to the input where that fits.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        stride: of the 3x3 convolution.
        expansion: channels between by those of the input; the first convolution is left out at 1.
        norm: makes the layer behind every convolution, by its channels.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int, expansion: int, norm: Norm):
        super().__init__()
        hidden = in_channels * expansion
        self.use_res_connect = stride == 1 and in_channels == out_channels
        first = [] if expansion == 1 else [convolution(in_channels, hidden, 1, norm=norm, activation=nn.ReLU6)]
        self.conv = nn.Sequential(
            *first, convolution(hidden, hidden, 3, stride=stride, groups=hidden, norm=norm, activation=nn.ReLU6),
            nn.Conv2d(hidden, out_channels, 1, bias=False), norm(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, H, W)."""
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


def convolution(in_channels: int, out_channels: int, size: int, *, stride: int = 1, groups: int = 1, norm: Norm,
                activation: type[nn.ReLU | nn.ReLU6] = nn.ReLU) -> nn.Sequential:
    """Convolution without bias, norm, activation."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, size, stride, size // 2, groups=groups, bias=False),
        norm(out_channels), activation(inplace=True))


def mobilenet_layers(width: float, stages: Sequence[Sequence[int]], *, norm: Norm) -> nn.Sequential:
    """The layers up to the last block, without the one that classifies.

    Args:
        width: multiplier of the channels.
        stages: expansion, channels, blocks and stride of the first block, of every stage.
        norm: makes the layer behind every convolution, by its channels.
    """
    channels = rounded(FIRST_CHANNELS * width)
    layers: list[nn.Module] = [convolution(3, channels, 3, stride=2, norm=norm, activation=nn.ReLU6)]
    for expansion, of_stage, blocks, stride in stages:
        for block in range(blocks):
            out_channels = rounded(of_stage * width)
            layers.append(InvertedResidual(channels, out_channels, stride=1 if block else stride, expansion=expansion,
                                           norm=norm))
            channels = out_channels
    features = nn.Sequential(*layers)
    for module in features.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode='fan_out')
    return features


def rounded(channels: float) -> int:
    """The nearest multiple of `DIVISOR`, at least one and not below nine tenths of it."""
    nearest = max(DIVISOR, int(channels + DIVISOR / 2) // DIVISOR * DIVISOR)
    return nearest + DIVISOR if nearest < LEAST_SHARE * channels else nearest
