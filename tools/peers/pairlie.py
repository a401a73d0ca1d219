"""PairLIE (Fu et al., CVPR 2023): the image without noise is taken apart into illumination and reflectance.

Written after the paper's Section 3; names of layers are those in the published weights.
"""
from torch import Tensor, nn

FEATURES = 64
EXPONENT = 0.2  # published: of the illumination
EXPONENT_LOL = 0.14  # published: the one for LOL


def convolutions(out_channels: int) -> nn.Sequential:
    """Five 3x3 convolutions over reflected borders, ReLUs between, a sigmoid at the end."""
    widths = (3, *[FEATURES] * 4, out_channels)
    layers: list[nn.Module] = []
    for c_in, c_out in zip(widths[:-1], widths[1:]):
        layers += [nn.ReflectionPad2d(1), nn.Conv2d(c_in, c_out, 3), nn.ReLU()]
    return nn.Sequential(*layers[:-1], nn.Sigmoid())


class PairLIE(nn.Module):
    """The published network: 342 thousand parameters.

    Input (B, 3, H, W), RGB in [0, 1]; output of the same size in [0, 1].

    Args:
        exponent: of the illumination; less is brighter.
    """

    def __init__(self, exponent: float = EXPONENT):
        super().__init__()
        self.exponent = exponent
        self.L_net, self.R_net, self.N_net = (convolutions(channels) for channels in (1, 3, 3))

    def forward(self, image: Tensor) -> Tensor:
        clean = self.N_net(image)
        return self.L_net(clean)**self.exponent * self.R_net(clean)


def published_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of `PairLIE` in a published file, which names every network twice."""
    parts = {key: key.split('.', 2) for key in state}
    return {f'{network}.{layer}': state[key] for key, (network, _, layer) in parts.items()}
