"""Agreement of two label maps: shares of pixels, and intersection over union by class."""
import torch
from torch import Tensor


def confusion(found: Tensor, expected: Tensor, num_classes: int) -> Tensor:
    """Counts of pixels by expected (row) and found label (column), (classes, classes), int64.

    Args:
        found: labels, any shape.
        expected: labels of the same shape.
        num_classes: labels are below it.

    Raises:
        ValueError: if the shapes differ.
    """
    if found.shape != expected.shape:
        raise ValueError(f'label maps must have one shape, got {tuple(found.shape)} and {tuple(expected.shape)}')
    pairs = expected.long().flatten() * num_classes + found.long().flatten()
    return torch.bincount(pairs, minlength=num_classes**2).view(num_classes, num_classes)


def pixel_agreement(counts: Tensor) -> float:
    """Share of the pixels with the same label, of `confusion`."""
    return (counts.diagonal().sum() / counts.sum()).item()


def mean_iou(counts: Tensor) -> float:
    """Intersection over union of `confusion`, averaged over the classes that are expected anywhere."""
    same, expected, found = counts.diagonal().double(), counts.sum(1), counts.sum(0)
    return (same / (expected + found - same))[expected > 0].mean().item()
