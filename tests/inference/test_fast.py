"""Fast mode: maps of a small picture on a large one."""
import pytest
import torch
from torch import Tensor, nn

from isalux_mm.inference import fast
from isalux_mm.inference.fast import FastMaps, FastNetwork
from isalux_mm.models.isalux import ISALux
from tests.stand_ins import pyramid_network

SIZES = [(1, 1), (1, 700), (700, 1), (37, 53), (200, 130)]


class Gain(nn.Module):
    """Multiplies by a number."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, image: Tensor) -> Tensor:
        return image * self.factor


class Lift(nn.Module):
    """A steep tone curve of the luma, as a network brightens."""

    def forward(self, image: Tensor) -> Tensor:
        return image.clamp_min(1e-4)**0.4
