"""Losses on colour alone (ours; paper silent)."""
import torch
import torch.nn.functional as F
from torch import Tensor

from isalux_mm.functional.illumination import luma
from isalux_mm.models.losses import WeightedLoss
from isalux_mm.registry import MODELS

PATCH = 8  # pixels, ours: the mean of a patch keeps a cast and loses the noise
NEUTRAL = 0.05  # distance of a grey patch's channels at which its weight has fallen to 1/e, ours


@MODELS.register_module()
class NeutralLoss(WeightedLoss):
    """What colour a grey place of the reference takes on: walls, roads, night skies (ours; paper silent).

    A pixel loss hardly weighs a slight cast, since noise and detail outweigh it; here each patch is averaged first.

    Args:
        loss_weight: factor.
        patch: side of the patches, pixels.
        neutral: distance of the channels in a patch of the reference at which its weight has fallen to 1/e.

    Raises:
        ValueError: if `patch` is below 1 or `neutral` not positive.
    """

    def __init__(self, loss_weight: float = 1.0, *, patch: int = PATCH, neutral: float = NEUTRAL):
        super().__init__(loss_weight)
        if patch < 1 or neutral <= 0:
            raise ValueError(f'patch must be at least 1 and neutral positive, got {patch} and {neutral}')
        self.patch, self.neutral = patch, neutral

    def compute(self, pred: Tensor, gt: Tensor) -> Tensor:
        pred, gt = (F.avg_pool2d(x, self.patch, ceil_mode=True, count_include_pad=False) for x in (pred, gt))
        spread = gt.amax(dim=1, keepdim=True) - gt.amin(dim=1, keepdim=True)
        weight = torch.exp(-(spread / self.neutral)**2)
        return (weight * ((pred - luma(pred)) - (gt - luma(gt))).abs()).mean()
