"""Zero-DCE (Guo et al., CVPR 2020, arXiv 2001.06826) and SGZ (Zheng and Gupta, WACVW 2022, arXiv 2110.00970), which
goes on from it: a small network estimates a curve for every pixel, which is applied eight times.

Written after the papers; names of layers are those in the published weights.
"""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from peers.padding import pad_to_multiple

FEATURES = 32
ITERATIONS = 8


def brighten(image: Tensor, curves: Tensor) -> Tensor:
    """LE(x) = x + a x (1 - x) for every map in turn (Zero-DCE, Eq. 2; published maps have the opposite sign).

    Args:
        image: (B, 3, H, W), RGB in [0, 1].
        curves: (B, 3 n, H, W) in [-1, 1].
    """
    for curve in curves.split(3, dim=1):
        image = image + curve * (image.square() - image)
    return image


def separable(in_channels: int, out_channels: int) -> nn.Module:
    """A depthwise 3x3 and a 1x1 convolution."""
    layer = nn.Module()
    layer.depth_conv = nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels)
    layer.point_conv = nn.Conv2d(in_channels, out_channels, 1)
    return layer


class ZeroDCE(nn.Module):
    """The published network: seven 3x3 convolutions, the later three over skips, 24 maps; 79 thousand parameters."""
    maps = ITERATIONS

    def __init__(self) -> None:
        super().__init__()
        widths = [(3, FEATURES), *[(FEATURES, FEATURES)] * 3, *[(2 * FEATURES, FEATURES)] * 2,
                  (2 * FEATURES, 3 * self.maps)]
        for k, (c_in, c_out) in enumerate(widths, start=1):
            self.add_module(f'e_conv{k}', self.layer(c_in, c_out))

    def layer(self, in_channels: int, out_channels: int) -> nn.Module:
        return nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def apply_layer(self, number: int, x: Tensor) -> Tensor:
        return self.get_submodule(f'e_conv{number}')(x)

    def curves(self, image: Tensor) -> Tensor:
        """Maps (B, 3 `maps`, H, W) of an image (B, 3, H, W)."""
        x, skips = image, []
        for number in range(1, 5):
            x = F.relu(self.apply_layer(number, x))
            skips.append(x)
        for number, skip in zip((5, 6), (skips[2], skips[1])):
            x = F.relu(self.apply_layer(number, torch.cat([skip, x], dim=1)))
        return self.apply_layer(7, torch.cat([skips[0], x], dim=1)).tanh()

    def forward(self, image: Tensor) -> Tensor:
        return brighten(image, self.curves(image))


class SGZ(ZeroDCE):
    """The published network: separable convolutions on the image reduced by 12, one map for all eight iterations.

    The authors' script cuts sides down to multiples of 12; here they are padded by reflection and cut back.
    """
    maps = 1
    reduction = 12

    def layer(self, in_channels: int, out_channels: int) -> nn.Module:
        return separable(in_channels, out_channels)

    def apply_layer(self, number: int, x: Tensor) -> Tensor:
        layer = self.get_submodule(f'e_conv{number}')
        return layer.get_submodule('point_conv')(layer.get_submodule('depth_conv')(x))

    def forward(self, image: Tensor) -> Tensor:
        h, w = image.shape[-2:]
        padded = pad_to_multiple(image, self.reduction)
        small = F.interpolate(padded, scale_factor=1 / self.reduction, mode='bilinear', align_corners=False)
        curve = F.interpolate(self.curves(small), size=padded.shape[-2:], mode='bilinear', align_corners=True)
        return brighten(padded, curve.repeat(1, ITERATIONS, 1, 1))[..., :h, :w]
