"""Noise of variance one as a camera's files carry it: white, smoothed, or demosaiced, more or less of it in colour."""
import cv2
import numpy as np

from isalux_mm.functional.development import LUMA

# bilinear demosaicing: what a sample of the mosaic gives to its neighbours
GREEN_KERNEL = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]], np.float32) / 4
RED_BLUE_KERNEL = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32) / 4
# mean variance that bilinear interpolation leaves of one: 1 at a sample, 1/2 between two of them, 1/4 between four
GREEN_VARIANCE = (1 + 1 / 4) / 2
RED_BLUE_VARIANCE = (1 + 1 / 2 + 1 / 2 + 1 / 4) / 4


def unit_noise(shape: tuple[int, int, int],
               rng: np.random.Generator,
               *,
               sigma: float = 0.0,
               mosaic: bool = False,
               chroma: float = 1.0,
               channels: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> np.ndarray:
    """Gaussian noise of mean variance one.

    Args:
        shape: (H, W, 3).
        rng: source of chance.
        sigma: standard deviation of the Gaussian that smooths it, pixels; 0 is none.
        mosaic: drawn on a Bayer mosaic (RGGB) and interpolated bilinearly: neighbours correlate, red and blue wider
            than green.
        chroma: factor of the noise's distance from its luma, before it is scaled to variance one; 1 leaves the channels
            independent, 0 makes it grey.
        channels: what the deviations of R, G and B are to each other; scaled so that the mean variance stays.

    Raises:
        ValueError: if it were to be both demosaiced and smoothed.
    """
    if mosaic and sigma > 0:
        raise ValueError(f'noise is demosaiced or smoothed, not both, got mosaic=True and sigma={sigma}')
    noise: np.ndarray = rng.standard_normal(shape, dtype=np.float32)
    if mosaic:
        noise = _demosaiced(noise)
    elif sigma > 0:
        kernel = cv2.getGaussianKernel(2 * int(np.ceil(4 * sigma)) + 1, sigma, cv2.CV_32F)
        smoothed = cv2.sepFilter2D(noise, -1, kernel, kernel, borderType=cv2.BORDER_REFLECT)
        noise = np.divide(smoothed, np.float32((kernel**2).sum()), out=smoothed)
    matrix = _channel_matrix(channels) @ _chroma_matrix(chroma)
    return noise if np.array_equal(matrix, np.eye(3)) else cv2.transform(noise, matrix)


def _demosaiced(samples: np.ndarray) -> np.ndarray:
    """White noise kept at the samples of an RGGB mosaic and interpolated, mean variance one per channel."""
    mosaic = np.zeros_like(samples)
    mosaic[::2, ::2, 0] = samples[::2, ::2, 0]
    mosaic[::2, 1::2, 1], mosaic[1::2, ::2, 1] = samples[::2, 1::2, 1], samples[1::2, ::2, 1]
    mosaic[1::2, 1::2, 2] = samples[1::2, 1::2, 2]
    parts = [(RED_BLUE_KERNEL, RED_BLUE_VARIANCE), (GREEN_KERNEL, GREEN_VARIANCE), (RED_BLUE_KERNEL, RED_BLUE_VARIANCE)]
    return np.stack([cv2.filter2D(np.ascontiguousarray(mosaic[..., c]), -1, kernel / np.float32(np.sqrt(variance)),
                                  borderType=cv2.BORDER_REFLECT_101) for c, (kernel, variance) in enumerate(parts)], -1)


def _chroma_matrix(chroma: float) -> np.ndarray:
    """(3, 3): the distance from the luma times `chroma`, scaled so that independent noise keeps its mean variance."""
    matrix = chroma * np.eye(3) + (1 - chroma) * np.tile(LUMA.astype(np.float64), (3, 1))
    return (matrix / np.sqrt((matrix**2).sum() / 3)).astype(np.float32)


def _channel_matrix(channels: tuple[float, float, float]) -> np.ndarray:
    """(3, 3): a factor for each channel, of mean square one."""
    factors = np.array(channels) / np.sqrt(np.mean(np.square(channels)))
    return np.diag(factors).astype(np.float32)
