"""Losses (ISALux, Eq. 13): pixel, perceptual, structural; each a thin class, computed in float32 under autocast.

Every loss takes `pred` and `gt`, (B, 3, H, W), RGB in [0, 1] (`pred` unclamped), and returns a scalar times
`loss_weight`; a zero-reference loss takes the low-light input in the place of `gt`. The hybrid of Eq. 13 is a dict of
them in `LowLightEnhancer(losses=...)`.
"""
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights, list_models
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.models.vgg import cfgs, make_layers

from isalux_mm.functional.checks import check_choice
from isalux_mm.functional.illumination import luma
from isalux_mm.functional.image_quality import ms_ssim, ssim
from isalux_mm.models.deeplab import MIDDLE, PACKAGED, DeepLabMobileNetV2
from isalux_mm.models.pretrained import fetch_torchvision_weights, load_weights
from isalux_mm.models.priors import IMAGENET_MEAN, IMAGENET_STD, FrozenModule
from isalux_mm.registry import MODELS

CHARBONNIER_EPS = 1e-3  # Lai et al., 2017
# torchvision's VGG-19: the last layer of `features` that each name stands for
VGG19_LAYERS = {
    'relu1_1': 1, 'relu1_2': 3, 'relu2_1': 6, 'relu2_2': 8, 'relu3_1': 11, 'relu3_2': 13, 'relu3_3': 15,
    'relu3_4': 17, 'relu4_1': 20, 'relu4_2': 22, 'relu4_3': 24, 'relu4_4': 26, 'relu5_1': 29, 'relu5_2': 31,
    'relu5_3': 33, 'relu5_4': 35,
}
DISTANCES = {'l1': F.l1_loss, 'mse': F.mse_loss}


class WeightedLoss(nn.Module):
    """A loss times its weight, in float32 whatever autocast says.

    Args:
        loss_weight: factor.

    Attributes:
        against: what the second argument is: 'gt', or 'low' for losses that need no reference.
    """
    against = 'gt'

    def __init__(self, loss_weight: float = 1.0):
        super().__init__()
        self.loss_weight = loss_weight

    def init_weights(self) -> None:
        """Fetches weights, where the loss has any to fetch."""

    def compute(self, pred: Tensor, gt: Tensor) -> Tensor:
        """The unweighted loss of two float32 batches."""
        raise NotImplementedError

    def forward(self, pred: Tensor, gt: Tensor) -> Tensor:
        with torch.autocast(pred.device.type, enabled=False):
            pred, gt = (x.to(torch.promote_types(x.dtype, torch.float32)) for x in (pred, gt))
            return self.loss_weight * self.compute(pred, gt)


@MODELS.register_module()
class MSELoss(WeightedLoss):
    """Mean squared error (first term of Eq. 13)."""

    def compute(self, pred: Tensor, gt: Tensor) -> Tensor:
        return F.mse_loss(pred, gt)


@MODELS.register_module()
class L1Loss(WeightedLoss):
    """Mean absolute error (ours; paper silent)."""

    def compute(self, pred: Tensor, gt: Tensor) -> Tensor:
        return F.l1_loss(pred, gt)


def charbonnier(pred: Tensor, gt: Tensor, eps: float) -> Tensor:
    """sqrt(d^2 + eps^2) of every value of two batches of one shape."""
    return torch.sqrt((pred - gt)**2 + eps**2)


@MODELS.register_module()
class CharbonnierLoss(WeightedLoss):
    """Mean of sqrt(d^2 + eps^2), a smooth absolute error (ours; paper silent).

    Args:
        loss_weight: factor.
        eps: where it turns from square to linear.
    """

    def __init__(self, loss_weight: float = 1.0, *, eps: float = CHARBONNIER_EPS):
        super().__init__(loss_weight)
        self.eps = eps

    def compute(self, pred: Tensor, gt: Tensor) -> Tensor:
        return charbonnier(pred, gt, self.eps).mean()


@MODELS.register_module()
class GTMeanLoss(WeightedLoss):
    """The Charbonnier loss after GT-mean, mixed with the plain one (Liao et al., 2025, arXiv 2504.20148).

    Each image is scaled to its reference's mean grey value and compared; the further its own mean is from that, the
    more the plain loss counts instead, so that the exposure is learned too. The plain loss's share is the Bhattacharyya
    distance of two Gaussians around the means, clipped to [0, 1]; it has no gradient.

    Args:
        loss_weight: factor.
        sigma: standard deviation of the Gaussians as a share of the means.
        eps: as of `CharbonnierLoss`.

    Raises:
        ValueError: if `sigma` is not positive.
    """

    def __init__(self, loss_weight: float = 1.0, *, sigma: float = 0.1, eps: float = CHARBONNIER_EPS):
        super().__init__(loss_weight)
        if sigma <= 0:
            raise ValueError(f'sigma must be positive, got {sigma}')
        self.sigma, self.eps = sigma, eps

    def compute(self, pred: Tensor, gt: Tensor) -> Tensor:
        own, target = (luma(x).mean(dim=(1, 2, 3), keepdim=True).clamp_min(self.eps) for x in (pred, gt))
        plain, scaled = (charbonnier(x, gt, self.eps).mean(dim=(1, 2, 3)) for x in (pred, pred * target / own))
        share = self.plain_share(own.detach(), target).flatten()
        return (share * plain + (1 - share) * scaled).mean()

    def plain_share(self, own: Tensor, target: Tensor) -> Tensor:
        """The Bhattacharyya distance of N(own, (sigma own)^2) and N(target, (sigma target)^2), clipped to [0, 1]."""
        variances = (self.sigma * own)**2 + (self.sigma * target)**2
        apart = (own - target)**2 / (4 * variances)
        return (apart + 0.5 * torch.log(variances / (2 * self.sigma**2 * own * target))).clamp(0, 1)


@MODELS.register_module()
class CheckerboardLoss(WeightedLoss):
    """What of the error repeats with the period of the upsampling (ours; paper silent).

    The 2x2 transposed convolutions have weights of their own for each place in a cell, and can leave a grid in smooth
    areas that no other loss weighs. The error is averaged over windows of cells, separately at each place in the cell,
    so that noise and detail average out; the mean deviation of these averages from their mean is the grid's strength.

    Args:
        loss_weight: factor.
        periods: sides of a cell, pixels: 2 and 4 of a network with three scales.
        cells: of a window, in each direction.

    Raises:
        ValueError: if there is no period or one is below 2, and in forward, if the image is smaller than a window.
    """

    def __init__(self, loss_weight: float = 1.0, *, periods: Sequence[int] = (2, 4), cells: int = 7):
        super().__init__(loss_weight)
        if not periods or min(periods) < 2 or cells < 1:
            raise ValueError(f'periods must be 2 or more and cells at least 1, got {periods} and {cells}')
        self.periods, self.cells = tuple(periods), cells

    def compute(self, pred: Tensor, gt: Tensor) -> Tensor:
        return torch.stack([self._grid(pred - gt, period) for period in self.periods]).mean()

    def _grid(self, error: Tensor, period: int) -> Tensor:
        window = period * self.cells
        rows, columns = (side // window for side in error.shape[-2:])
        if min(rows, columns) < 1:
            raise ValueError(f'images must be at least {window} pixels wide and high, got {tuple(error.shape[-2:])}')
        error = error[..., :rows * window, :columns * window]
        # rows of windows, cells, places; columns likewise
        places = error.unflatten(-1, (columns, self.cells, period)).unflatten(-4, (rows, self.cells, period))
        means = places.mean(dim=(-5, -2))
        return (means - means.mean(dim=(-3, -1), keepdim=True)).abs().mean()


@MODELS.register_module()
class SSIMLoss(WeightedLoss):
    """1 - SSIM (ours; Eq. 13 has MS-SSIM).

    Raises:
        ValueError: in forward, if the image is smaller than the window of 11 pixels.
    """

    def compute(self, pred: Tensor, gt: Tensor) -> Tensor:
        return 1 - ssim(pred, gt).mean()


@MODELS.register_module()
class MSSSIMLoss(WeightedLoss):
    """1 - MS-SSIM (third term of Eq. 13).

    Args:
        loss_weight: factor.
        auto_scales: shorten the pyramid for images too small for five scales instead of raising.

    Raises:
        ValueError: in forward, if the image is too small; names the minimum.
    """

    def __init__(self, loss_weight: float = 1.0, *, auto_scales: bool = False):
        super().__init__(loss_weight)
        self.auto_scales = auto_scales

    def compute(self, pred: Tensor, gt: Tensor) -> Tensor:
        return 1 - ms_ssim(pred, gt, auto_scales=self.auto_scales).mean()


class LayerFeatures(FrozenModule):
    """Feature maps of layers inside a network, frozen.

    Args:
        network: as built; what the layers do not need is dropped.
        layers: names of modules inside it.
        mean: RGB, taken off an image in [0, 1].
        std: RGB, by which it is divided then.

    Raises:
        ValueError: if the network has no such layer.
    """

    def __init__(self, network: nn.Module, layers: Sequence[str], *, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        for layer in layers:
            check_choice(layer, dict(network.named_modules()), 'layers')
        self.layers = tuple(layers)
        self.network = create_feature_extractor(network.eval(), {layer: layer for layer in layers})
        self.register_buffer('mean', torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        self.freeze()

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features of (B, 3, H, W), RGB in [0, 1], in the order of `layers`."""
        found = self.network((image - self.mean) / self.std)
        return [found[layer] for layer in self.layers]


@MODELS.register_module()
class TorchvisionFeatures(LayerFeatures):
    """Feature maps of any of torchvision's ImageNet classifiers, ImageNet-normalized, frozen.

    Args:
        model: torchvision's name of the network, 'efficientnet_b0' say.
        layers: names of modules inside it, 'features.3' say.
        checkpoint: local copy of the weights; by default torchvision's are fetched in `init_weights`.

    Raises:
        ValueError: if torchvision has no such network, or the network no such layer.
    """

    def __init__(self, model: str, layers: Sequence[str], *, checkpoint: str | None = None):
        check_choice(model, list_models(), 'model')
        super().__init__(self.built(model), layers, mean=IMAGENET_MEAN, std=IMAGENET_STD)
        self.model, self.checkpoint = model, checkpoint

    @staticmethod
    def built(model: str) -> nn.Module:
        """The network of a name, with random weights."""
        return get_model(model, weights=None)

    def init_weights(self) -> None:
        """Loads `checkpoint`, or torchvision's weights.

        Raises:
            RuntimeError: if they can neither be found nor downloaded; says where to place the file.
        """
        if self.checkpoint:
            return load_weights(self.network, self.checkpoint, name=self.model)
        entry = get_model_weights(self.model).DEFAULT
        state = fetch_torchvision_weights(
            str(entry), option='loss_perceptual.features.checkpoint', alternative='take loss_perceptual out of losses')
        self.network.load_state_dict({key: state[key] for key in self.network.state_dict()})


@MODELS.register_module()
class VGG19Features(TorchvisionFeatures):
    """Feature maps of torchvision's VGG-19, ImageNet-normalized, frozen.

    Args:
        layers: names such as 'relu3_4'.
        checkpoint: local copy of torchvision's weights; by default they are fetched in `init_weights`.
    """

    def __init__(self, layers: Sequence[str] = ('relu5_4', ), *, checkpoint: str | None = None):
        for layer in layers:
            check_choice(layer, VGG19_LAYERS, 'layers')
        super().__init__('vgg19', [f'features.{VGG19_LAYERS[layer]}' for layer in layers], checkpoint=checkpoint)

    @staticmethod
    def built(model: str) -> nn.Module:
        """VGG-19 without its classifier, which has most of the parameters."""
        return nn.Sequential(OrderedDict(features=make_layers(cfgs['E'])))


@MODELS.register_module()
class PackagedFeatures(LayerFeatures):
    """Feature maps of the packaged semantic prior's MobileNetV2, frozen; needs no download (ours; paper has VGG-19).

    Args:
        layers: numbers of its blocks, 0 to 17: 1 is the last at half the size, 3 at a quarter, 6 at an eighth, 17 at
            a sixteenth.
        checkpoint: weights of a `DeepLabMobileNetV2`; by default the package's, loaded by `init_weights`.

    Raises:
        ValueError: if there is no such block.
    """

    def __init__(self, layers: Sequence[int] = (3, 6, 13), *, checkpoint: str | None = None):
        blocks = DeepLabMobileNetV2().features
        for layer in layers:
            check_choice(layer, range(len(blocks)), 'layers')
        super().__init__(nn.Sequential(OrderedDict(features=blocks)), [f'features.{layer}' for layer in layers],
                         mean=(MIDDLE, ) * 3, std=(MIDDLE, ) * 3)
        self.checkpoint = checkpoint or str(PACKAGED)

    def init_weights(self) -> None:
        """Loads the package's weights, or `checkpoint`."""
        load_weights(self.network, self.checkpoint, name='packaged features')


@MODELS.register_module()
class PerceptualLoss(WeightedLoss):
    """Distance of feature maps of a frozen network (second term of Eq. 13).

    The network is hidden from the module tree: it is fetched where training starts, and no optimizer, average of
    weights, DDP or checkpoint ever meets it.

    Args:
        loss_weight: factor.
        features: config of a registered module that gives a list of feature maps of an image in [0, 1].
        layer_weights: factor of each feature map; all ones by default.
        distance: 'l1' or 'mse'.

    Raises:
        ValueError: in forward, if `layer_weights` and the feature maps differ in number.
    """

    def __init__(self,
                 loss_weight: float = 1.0,
                 *,
                 features: Mapping = dict(type='VGG19Features', layers=('relu5_4', )),
                 layer_weights: Sequence[float] | None = None,
                 distance: str = 'l1'):
        super().__init__(loss_weight)
        check_choice(distance, DISTANCES, 'distance')
        self._hidden = (MODELS.build(dict(features)).requires_grad_(False).eval(), )
        self.layer_weights, self.distance = layer_weights, distance

    @property
    def features(self) -> nn.Module:
        """The frozen feature network."""
        return self._hidden[0]

    def init_weights(self) -> None:
        """Fetches the weights of the feature network, where it has any to fetch."""
        fetch = getattr(self.features, 'init_weights', None)
        if callable(fetch):
            fetch()

    def compute(self, pred: Tensor, gt: Tensor) -> Tensor:
        with torch.no_grad():
            expected = self.features(gt)
        got = self.features(pred)
        weights = self.layer_weights or [1.0] * len(got)
        if len(weights) != len(got):
            raise ValueError(f'layer_weights must have one entry per feature map, {len(got)}, got {len(weights)}')
        return reduce(torch.add, (w * DISTANCES[self.distance](a, b) for w, a, b in zip(weights, got, expected)))

    def _apply(self, fn: Callable, recurse: bool = True) -> 'PerceptualLoss':
        """Takes the hidden network along to another device."""
        self.features._apply(fn)
        return super()._apply(fn, recurse)
