"""Luminance-order error (Wang, Zheng, Hu, Li, "Naturalness preserved enhancement algorithm", 2013); lower is better."""
import numpy as np
from scipy.ndimage import maximum_filter

from isalux_mm.functional.gt_means import round_to_8_bit

SAMPLES = 50  # along the shorter side: the paper's r = 50 / min(h, w)
REACH = 7  # of the local maximum, in pixels to each side: the authors' MATLAB code; the paper has none
ROWS = 256  # compared at once: bounds the memory


def luminance_order_error(pred: np.ndarray, other: np.ndarray) -> float:
    """How many pixels have another order of lightness, on the mean over the pixels of a coarse grid.

    Lightness is the brightest channel, rounded to 8 bits. Both pictures are sampled about 50 times along the shorter
    side, each sample the local maximum over 15x15 pixels, as the authors' MATLAB code does it. The value is a count: it
    grows with the number of samples, and pictures of other proportions are not comparable.

    Args:
        pred: result, (H, W, 3), RGB in [0, 1].
        other: what it is held against: the dark input, as in the paper, or a reference, as others do.

    Returns:
        from 0, the same order everywhere, to the number of samples.
    """
    first, second = (_samples(x) for x in (pred, other))
    differing = 0
    for start in range(0, first.size, ROWS):
        rows = slice(start, start + ROWS)
        orders = (x[rows, None] >= x[None, :] for x in (first, second))
        differing += int(np.count_nonzero(np.logical_xor(*orders)))
    return differing / first.size


def _samples(image: np.ndarray) -> np.ndarray:
    """Local maxima of lightness at the grid's points, in one row."""
    lightness = round_to_8_bit(image).max(axis=2)
    step = max(min(lightness.shape) // SAMPLES, 1)
    return maximum_filter(lightness, size=2 * REACH + 1)[::step, ::step].ravel()
