"""RUAS (Liu et al., CVPR 2021, arXiv 2012.05609): Retinex unrolled, its cells found by architecture search.

Three steps estimate the illumination with a cell each (IEM), a network of three cells takes noise off (NRM). Written
after the paper; the chosen operators and names of layers are those of the published weights.
"""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DARKEST = 1e-3  # published: the least illumination
SLOPE = 0.05
STEP = 0.5  # published: of the residual's correction
PLACES = ('c1_d', 'c1_r', 'c2_d', 'c2_r', 'c3_d', 'c3_r', 'c4')
# operators of the published cells: kernel and dilation, and whether the input is added; None passes on
ENHANCING = (None, (1, 1, True), (3, 2, True), (3, 1, False), (3, 1, False), None, (3, 1, False))
DENOISING = ((1, 1, True), (1, 1, True), (3, 2, True), None, (1, 1, True), (1, 1, True), None)
Operator = tuple[int, int, bool] | None


class SearchedOperator(nn.Module):
    """A convolution, its input added or not; or what passes on.

    Args:
        channels: C in and out.
        operator: of `ENHANCING`.
    """

    def __init__(self, channels: int, operator: Operator):
        super().__init__()
        kernel, dilation, self.residual = operator or (1, 1, False)
        self.op = nn.Conv2d(channels, channels, kernel, padding=kernel // 2 * dilation,
                            dilation=dilation) if operator else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x) + x if self.residual else self.op(x)


class Cell(nn.Module):
    """Three times distil and refine, then all that was distilled through a 1x1 convolution.

    Args:
        channels: C in and out.
        operators: one for every place.
    """

    def __init__(self, channels: int, operators: Sequence[Operator]):
        super().__init__()
        for place, operator in zip(PLACES, operators):
            self.add_module(place, SearchedOperator(channels, operator))
        self.c5 = nn.Conv2d(4 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        distilled = []
        for number in (1, 2, 3):
            distilled.append(self.get_submodule(f'c{number}_d')(x))
            x = F.leaky_relu(self.get_submodule(f'c{number}_r')(x) + x, SLOPE)
        distilled.append(self.get_submodule('c4')(x))
        return self.c5(torch.cat([F.leaky_relu(d, SLOPE) for d in distilled], dim=1))


def brightest_of_four(image: Tensor) -> Tensor:
    """The maximum over a pixel and its neighbours at right, below, and between; outside is zero."""
    return F.max_pool2d(F.pad(image, (0, 1, 0, 1)), 2, stride=1)


class Enhancing(nn.Module):
    """IEM: image to image over an illumination that every step warms up from the last step's result."""

    def __init__(self) -> None:
        super().__init__()
        cells = [nn.ModuleDict(dict(cell=Cell(3, ENHANCING))) for _ in range(3)]
        self.iems = nn.ModuleList(cells)

    def forward(self, image: Tensor) -> Tensor:
        start = brightest_of_four(image)
        for step in self.iems:
            illumination = step.get_submodule('cell')(start).sigmoid().clamp(DARKEST, 1)
            result = (image / illumination).clamp(0, 1)
            start = brightest_of_four(result) - STEP * (result - image)
        return result


class Denoising(nn.Module):
    """NRM: takes the noise off that it estimates."""

    def __init__(self, channels: int = 6):
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, padding=1)
        self.nrms = nn.Sequential(*(Cell(channels, DENOISING) for _ in range(3)))
        self.activate = nn.Sequential(nn.Conv2d(channels, 3, 3, padding=1))

    def forward(self, image: Tensor) -> Tensor:
        return image - self.activate(self.nrms(self.stem(image)))


class RUAS(nn.Module):
    """The published network: 3.4 thousand parameters.

    Input (B, 3, H, W), RGB in [0, 1]; output of the same size, not clamped.

    Args:
        denoise: whether the noise is taken off, as published for LOL; the other two published weights go without.
    """

    def __init__(self, *, denoise: bool = True):
        super().__init__()
        self.enhance_net = Enhancing()
        self.denoise_net = Denoising() if denoise else nn.Identity()

    def forward(self, image: Tensor) -> Tensor:
        return self.denoise_net(self.enhance_net(image))
