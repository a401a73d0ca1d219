"""Zero-reference losses (Guo et al., Zero-DCE, CVPR 2020): what a good exposure looks like, without a reference.

Every loss takes `pred` and the input `low`, (B, 3, H, W), RGB in [0, 1]; those that need no input ignore it.
"""
import torch
import torch.nn.functional as F
from torch import Tensor

from isalux_mm.models.losses import WeightedLoss
from isalux_mm.registry import MODELS

WELL_EXPOSED = 0.6  # Zero-DCE, Sec. 3.3
EXPOSURE_PATCH, CONTRAST_PATCH = 16, 4  # Zero-DCE, Sec. 3.3, in pixels


def mean_patches(image: Tensor, patch: int) -> Tensor:
    """Mean grey value of every patch, (B, 3, H, W) to (B, 1, ceil(H / patch), ceil(W / patch))."""
    return F.avg_pool2d(image.mean(dim=1, keepdim=True), patch, ceil_mode=True, count_include_pad=False)


class ZeroReferenceLoss(WeightedLoss):
    """A loss that compares the prediction with the low-light input, or with nothing.

    Args:
        loss_weight: factor.
    """
    against = 'low'


@MODELS.register_module()
class ExposureLoss(ZeroReferenceLoss):
    """Squared distance of the patches' mean from a well-exposed level.

    Args:
        loss_weight: factor.
        level: the well-exposed mean.
        patch: side of the patches, pixels.
    """

    def __init__(self, loss_weight: float = 1.0, *, level: float = WELL_EXPOSED, patch: int = EXPOSURE_PATCH):
        super().__init__(loss_weight)
        self.level, self.patch = level, patch

    def compute(self, pred: Tensor, low: Tensor) -> Tensor:
        return (mean_patches(pred, self.patch) - self.level).pow(2).mean()


@MODELS.register_module()
class ColorConstancyLoss(ZeroReferenceLoss):
    """Squared differences of the channels' means: a picture is grey on average."""

    def compute(self, pred: Tensor, low: Tensor) -> Tensor:
        red, green, blue = pred.mean(dim=(2, 3)).unbind(dim=1)
        return ((red - green)**2 + (red - blue)**2 + (green - blue)**2).mean()


@MODELS.register_module()
class SpatialConsistencyLoss(ZeroReferenceLoss):
    """Differences between neighbouring patches stay those of the input.

    Args:
        loss_weight: factor.
        patch: side of the patches, pixels.
    """

    def __init__(self, loss_weight: float = 1.0, *, patch: int = CONTRAST_PATCH):
        super().__init__(loss_weight)
        self.patch = patch

    def compute(self, pred: Tensor, low: Tensor) -> Tensor:
        bright, dark = mean_patches(pred, self.patch), mean_patches(low, self.patch)
        down, across = (
            (torch.diff(bright, dim=d).abs() - torch.diff(dark, dim=d).abs()).pow(2).sum() for d in (2, 3))
        return 2 * (down + across) / bright.numel()  # each pair counts for both of its patches


@MODELS.register_module()
class TotalVariationLoss(ZeroReferenceLoss):
    """Squared gradient of the gain pred / low, which is to be smooth like an illumination.

    Args:
        loss_weight: factor.
        eps: added to both before the ratio, whose logarithm is taken.
    """

    def __init__(self, loss_weight: float = 1.0, *, eps: float = 0.02):
        super().__init__(loss_weight)
        self.eps = eps

    def compute(self, pred: Tensor, low: Tensor) -> Tensor:
        gain = torch.log((pred.clamp_min(0) + self.eps) / (low + self.eps))
        down, across = (torch.diff(gain, dim=d).pow(2).sum() for d in (2, 3))
        return (down + across) / gain.numel()
