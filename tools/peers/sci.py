"""SCI (Ma et al., CVPR 2022, arXiv 2204.10137): one block estimates the illumination, by which the image is divided.

Written after the paper; names of layers are those in the published weights, of which training alone needs `calibrate`.
"""
from torch import Tensor, nn

DARKEST = 1e-4  # published: the least illumination


class SCI(nn.Module):
    """The published network at inference: 258 parameters, batch norm included.

    Input (B, 3, H, W), RGB in [0, 1]; output of the same size in [0, 1].

    Args:
        channels: features (published: 3).
    """

    def __init__(self, channels: int = 3):
        super().__init__()
        self.in_conv = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1), nn.ReLU())
        self.conv = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU())
        self.out_conv = nn.Sequential(nn.Conv2d(channels, 3, 3, padding=1), nn.Sigmoid())

    def illumination(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [1e-4, 1]."""
        features = self.in_conv(image)
        features = features + self.conv(features)
        return (self.out_conv(features) + image).clamp(DARKEST, 1)

    def forward(self, image: Tensor) -> Tensor:
        return (image / self.illumination(image)).clamp(0, 1)


def published_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of `SCI` in a published file, where the one block stands twice."""
    inside = {key.removeprefix('enhance.'): value for key, value in state.items() if key.startswith('enhance.')}
    return {key: value for key, value in inside.items() if not key.startswith('blocks.')}
