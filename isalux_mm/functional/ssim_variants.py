"""SSIM as papers measure it: one formula (Wang et al., 2004), four habits of window, channels and rounding.

All take (H, W, 3), RGB in [0, 1], compute in float64 and return one number. `functional.image_quality.ssim` is
`ssim_float` on tensors, in batches and with gradients; it agrees to 1e-5, as its window is rounded to float32.
"""
import cv2
import numpy as np

from isalux_mm.functional.gt_means import round_to_8_bit

GAUSSIAN = cv2.getGaussianKernel(11, 1.5)  # Wang et al., 2004
UNIFORM = np.full((7, 1), 1 / 7)  # scikit-image's default
C1, C2 = 0.01**2, 0.03**2  # Wang et al., 2004, for values in [0, 1]


def ssim_float(pred: np.ndarray, gt: np.ndarray) -> float:
    """Gaussian window of 11 pixels, sigma 1.5, valid part, mean over R, G and B; nothing is rounded."""
    return _ssim(pred, gt, GAUSSIAN)


def ssim_8_bit(pred: np.ndarray, gt: np.ndarray) -> float:
    """`ssim_float` of pictures rounded to 8 bits: BasicSR's `calculate_ssim`, "the same outputs as MATLAB's"."""
    return _ssim(round_to_8_bit(pred) / 255, round_to_8_bit(gt) / 255, GAUSSIAN)


def ssim_gray(pred: np.ndarray, gt: np.ndarray) -> float:
    """`ssim_float` of grey pictures, .299 R + .587 G + .114 B, colours and greys rounded to 8 bits."""
    first, second = (cv2.cvtColor(round_to_8_bit(x), cv2.COLOR_RGB2GRAY) / 255 for x in (pred, gt))
    return _ssim(first, second, GAUSSIAN)


def ssim_uniform(pred: np.ndarray, gt: np.ndarray) -> float:
    """Uniform window of 7x7 and the sample covariance, mean over R, G and B: scikit-image's defaults."""
    pixels = UNIFORM.size**2
    return _ssim(pred, gt, UNIFORM, pixels / (pixels - 1))


def _ssim(pred: np.ndarray, gt: np.ndarray, window: np.ndarray, correction: float = 1.0) -> float:
    """Mean over the valid part of all channels, (H, W) or (H, W, C) in [0, 1].

    Args:
        pred: result.
        gt: reference.
        window: separable weights, (N, 1).
        correction: factor of variances and covariance.

    Raises:
        ValueError: if the picture is smaller than the window.
    """
    size, (height, width) = len(window), pred.shape[:2]
    if min(height, width) < size:
        raise ValueError(f'SSIM needs pictures of at least {size}x{size} pixels, got {width}x{height}')
    pred, gt = (np.ascontiguousarray(x, dtype=np.float64) for x in (pred, gt))
    mean_pred, mean_gt = _blur(pred, window), _blur(gt, window)
    squares, product = mean_pred**2 + mean_gt**2, mean_pred * mean_gt
    variances = correction * (_blur(pred * pred + gt * gt, window) - squares)
    covariance = correction * (_blur(pred * gt, window) - product)
    ratio = (2 * product + C1) * (2 * covariance + C2) / ((squares + C1) * (variances + C2))
    return float(ratio.mean())


def _blur(x: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Weighted means under a window, valid part alone."""
    edge, (height, width) = len(window) // 2, x.shape[:2]
    return cv2.sepFilter2D(x, cv2.CV_64F, window, window)[edge:height - edge, edge:width - edge]
