"""Colour grading: how the reference looks, contrast, cast and colours, apart from its exposure (ours; paper silent)."""
import numpy as np

from isalux_mm.functional.development import LUMA, look_up, mean_luma

LEAST_MEAN = 1e-3  # of a channel, below which its cast is not taken off any further


def grade(image: np.ndarray, contrast: float = 1.0, neutrality: float = 0.0, saturation: float = 1.0,
          brightness: float = 1.0) -> np.ndarray:
    """A picture in another look: its cast taken off, its tones drawn together, its colours made paler or stronger.

    The mean luma stays, times `brightness`, but for what is clipped.

    Args:
        image: (H, W, 3), float32, RGB in [0, 1].
        contrast: exponent of the channels, between distances of tones before and after, in logarithms; 1 changes
            nothing. Below 1 white becomes grey, for no factor follows but that of the mean luma.
        neutrality: share of the picture's mean cast, in logarithms, that is taken off each channel; 1 leaves the mean
            grey.
        saturation: factor of the colours' distance from the luma.
        brightness: factor of the mean luma.

    Returns:
        (H, W, 3), float32, in [0, 1].
    """
    luma = mean_luma(image)
    means = np.maximum(image.reshape(-1, 3).mean(0), LEAST_MEAN)
    gains = (max(luma, LEAST_MEAN) / means)**neutrality
    graded = np.minimum(image * gains.astype(np.float32), 1)
    if contrast != 1:
        graded = look_up(graded, lambda grid: grid**np.float32(contrast))
    graded *= np.float32(brightness * luma / max(mean_luma(graded), LEAST_MEAN))
    gray = (graded @ LUMA)[..., None]
    return np.clip(gray + np.float32(saturation) * (graded - gray), 0, 1)
