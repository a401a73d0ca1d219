"""The GT-means of the field: a result is scaled to its reference's mean brightness before it is measured.

Four definitions are in use, each published with its code, and figures of one cannot be held against figures of another.
All take (H, W, 3), float64, RGB in [0, 1]. `functional.image_quality.gt_mean` is 'gray', on tensors.
"""
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from isalux_mm.functional.checks import check_choice

GRAY = np.array((0.299, 0.587, 0.114))  # BT.601, R, G, B; OpenCV's COLOR_RGB2GRAY
EPS = 1e-8  # ours: a black result stays black


@dataclass(frozen=True)
class GTMean:
    """One definition.

    Attributes:
        text: what is averaged.
        source: whose it is.
        brightness: mean brightness of a picture (H, W, 3).
        rounds: whether the result is rounded to 8 bits first.
    """
    text: str
    source: str
    brightness: Callable[[np.ndarray], float]
    rounds: bool = False


def round_to_8_bit(image: np.ndarray) -> np.ndarray:
    """The nearest of 256 levels, as 0 to 255, uint8."""
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _gray_8_bit(image: np.ndarray) -> float:
    return float(cv2.cvtColor(round_to_8_bit(image), cv2.COLOR_RGB2GRAY).mean())


GT_MEANS = {
    'gray': GTMean(
        'grey .299 R + .587 G + .114 B, in float', 'ours, as in training logs and `isalux test`',
        lambda image: float((image @ GRAY).mean())),
    'bgr': GTMean(
        'grey .114 R + .587 G + .299 B: OpenCV\'s COLOR_BGR2GRAY applied to RGB, in float',
        'Retinexformer (Cai et al., ICCV 2023), Enhancement/test_from_dataset.py; GLARE (Zhou et al., ECCV 2024), '
        'code/test_stage3.py', lambda image: float((image @ GRAY[::-1]).mean())),
    '8bit': GTMean(
        'grey .299 R + .587 G + .114 B, rounded to 8 bits pixel by pixel; the result is rounded to 8 bits first',
        'HVI-CIDNet (Yan et al., CVPR 2025), measure.py', _gray_8_bit, rounds=True),
    'channels': GTMean(
        'mean over R, G and B', 'LYT-Net (Brateanu et al., 2024), PyTorch/test.py',
        lambda image: float(image.mean())),
}


def scale_to_mean(pred: np.ndarray, gt: np.ndarray, definition: str = 'gray', *, clip: bool = True) -> np.ndarray:
    """The result, as bright in the mean as its reference.

    Args:
        pred: result, (H, W, 3), RGB in [0, 1].
        gt: reference, of the same shape.
        definition: one of `GT_MEANS`.
        clip: cut what exceeds 1, as all four publications do; without, the scaled result is compared as it is.

    Returns:
        (H, W, 3), float64; a black `pred` stays black.

    Raises:
        ValueError: if the definition is unknown.
    """
    check_choice(definition, GT_MEANS, 'definition')
    chosen = GT_MEANS[definition]
    own = round_to_8_bit(pred) / 255 if chosen.rounds else np.asarray(pred, dtype=np.float64)
    scaled = own * (chosen.brightness(gt) / max(chosen.brightness(pred), EPS))
    return np.clip(scaled, 0, 1) if clip else scaled
