"""Adapts a semantic prior to darkness: it learns to see in the dark what it saw in the light (ours).

The prior as it is, the teacher, segments the bright picture; the student starts from the same weights and gets the dark
one. No label is needed.
"""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from torch import Tensor

from isalux_mm.functional.checks import check_range
from isalux_mm.functional.label_agreement import confusion
from isalux_mm.functional.resizing import size_of
from isalux_mm.models.enhancer import reference_images, valid_sizes
from isalux_mm.registry import MODELS
from isalux_mm.structures import EnhanceDataSample

RARENESS = -0.25  # exponent of a class's share in its weight; ours: enough that the background does not swamp it
RARE = 0.01  # share of the pixels below which a class is given no more weight


@MODELS.register_module()
class PriorAdaptation(BaseModel):
    """Trains a prior's network; modes 'loss' and 'predict'. All images of a batch have one size.

    Args:
        teacher: config of a `SegmentationPrior`.
        student: config of another, with the weights to start from.
        bright_share: share of the training images that the student sees bright, so that it stays right in the light.
        data_preprocessor: config of a data preprocessor.

    Raises:
        ValueError: if `bright_share` is not in [0, 1].
    """

    def __init__(self,
                 teacher: dict,
                 student: dict,
                 *,
                 bright_share: float = 0.25,
                 data_preprocessor: dict | None = dict(type='LowLightDataPreprocessor')):
        super().__init__(None if data_preprocessor is None else MODELS.build(data_preprocessor))
        check_range(bright_share, 0, 1, 'bright_share')
        self.teacher, self.student = MODELS.build(teacher), MODELS.build(student)
        self.student.network.requires_grad_(True)
        self.bright_share = bright_share

    def forward(self,
                inputs: Tensor,
                data_samples: Sequence[EnhanceDataSample],
                mode: str = 'loss') -> dict[str, Tensor] | list[EnhanceDataSample]:
        """Runs the student.

        Args:
            inputs: dark images, (B, 3, H, W), RGB in [0, 1].
            data_samples: one per image, with the bright one as `gt_img`.
            mode: 'loss' or 'predict'.

        Returns:
            Named losses; or the data samples with `confusion`, (classes, classes): pixels by the label that the teacher
            gives to the bright image (row) and the student to the dark one (column).
        """
        sizes = valid_sizes(inputs, data_samples)
        bright = torch.stack(reference_images(inputs, data_samples, sizes))
        if mode == 'loss':
            return self.loss(inputs, bright)
        if mode == 'predict':
            found, expected = (labels(prior(image), size_of(inputs))
                               for prior, image in ((self.student, inputs), (self.teacher, bright)))
            for sample, one, other in zip(data_samples, found, expected):
                sample.confusion = confusion(one, other, self.student.out_channels)
            return list(data_samples)
        raise ValueError(f"mode must be 'loss' or 'predict', got {mode!r}")

    def loss(self, dark: Tensor, bright: Tensor) -> dict[str, Tensor]:
        """Divergence of the student's probabilities on the dark images from the teacher's on the bright ones."""
        shown_bright = torch.rand(len(dark), device=dark.device) < self.bright_share
        shown = torch.where(shown_bright.view(-1, 1, 1, 1), bright, dark)
        with torch.autocast(dark.device.type, enabled=False):
            expected = self.teacher(bright)
        return dict(loss_divergence=balanced_divergence(self.student.scores(shown), expected))


def balanced_divergence(logits: Tensor, expected: Tensor) -> Tensor:
    """Kullback-Leibler divergence from expected probabilities, rare classes weighted by share^(-1/4).

    Args:
        logits: (B, classes, h, w).
        expected: probabilities of the same shape.

    Returns:
        A scalar: the mean over the pixels, whose weights have the mean 1.
    """
    divergence = F.kl_div(logits.float().log_softmax(1), expected, reduction='none').sum(1)
    shares = expected.mean(dim=(0, 2, 3), keepdim=True).clamp_min(RARE)
    weights = (expected * shares**RARENESS).sum(1)
    return (divergence * weights).mean() / weights.mean()


def labels(probabilities: Tensor, size: tuple[int, int]) -> Tensor:
    """Labels (B, H, W) of probabilities (B, classes, h, w) that lie on pictures of a size."""
    return F.interpolate(probabilities, size=size, mode='bilinear').argmax(1)
