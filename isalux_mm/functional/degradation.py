"""Physical synthesis of low light: unprocess, darken, shot and read noise, process (ours; paper silent).

All arrays are (H, W, 3), float32, RGB in [0, 1]. The order follows a camera: the photograph is taken back to linear
light (inverse tone curve, inverse sRGB), its highlights regain what white cut off, another camera's colours, gains and
black level are applied, it is exposed in stops, noise is added to the linear signal, and the result is developed again
(sRGB, an S-shaped tone curve with a toe on channels or luma, 8 bits, JPEG on request).
What is drawn is decided in `degradation_draw`.
"""
import zlib
from collections.abc import Callable
from functools import partial
from io import BytesIO

import cv2
import numpy as np
from PIL import Image

from isalux_mm.functional.degradation_ranges import Degradation
from isalux_mm.functional.development import (
    LUMA,
    develop,
    look_up,
    unprocess,
)
from isalux_mm.functional.sensor_noise import unit_noise

EPS = 1e-6
EXPONENT_LIMIT = (0.4, 2.5)  # of the exposure normalization
BINS = 64  # of the histogram on which means are solved for
PROBE_PIXELS = 20000  # about as many pixels fill that histogram
HIGHLIGHT_KNEE = 0.9  # linear light from which the highlights regain brightness; ours


def normalize_exposure(image: np.ndarray, target_luma: float) -> np.ndarray:
    """Brings the mean luma to a target by a power law, which clips no highlight.

    A target normalized in exposure is learnable, an arbitrary one is not. The exponent stays in [0.4, 2.5]; a picture
    that is nearly black or white comes near the target only.

    Args:
        image: (H, W, 3), float32, RGB in [0, 1].
        target_luma: in (0, 1); LOL's references lie around 0.45.
    """
    if not 0 < target_luma < 1:
        raise ValueError(f'target_luma must be in (0, 1), got {target_luma}')
    values, weights = luma_histogram(image)
    exponent = bisect(lambda power: float((values**power * weights).sum()) > target_luma, *EXPONENT_LIMIT)
    return look_up(image, lambda grid: grid**np.float32(exponent))


def expose(linear: np.ndarray, stops: float, gains: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> np.ndarray:
    """Exposure in stops and white-balance gains, in linear light."""
    exposed = np.empty_like(linear)
    for channel, gain in enumerate(gains):  # by channel: numpy is slow on a last axis of three
        np.multiply(linear[..., channel], np.float32(gain * 2.0**stops), out=exposed[..., channel])
    return exposed


def seen_by_camera(linear: np.ndarray, degradation: Degradation) -> np.ndarray:
    """The exposed picture in linear light: highlights, colour matrix, gains, exposure and black level, in this order.

    Args:
        linear: (..., 3), linear light of the reference, [0, 1].
        degradation: the draw.

    Returns:
        (..., 3); may leave [0, 1].
    """
    if degradation.highlights > 0:
        brightest = linear.max(-1, keepdims=True)
        above = np.clip((brightest - HIGHLIGHT_KNEE) / (1 - HIGHLIGHT_KNEE), 0, 1)
        linear = linear * np.exp2(np.float32(degradation.highlights) * above)
    if degradation.matrix is not None:
        linear = np.maximum(linear @ np.asarray(degradation.matrix, np.float32).T, 0)
    exposed = expose(linear, degradation.stops, degradation.gains)
    if any(degradation.black):
        exposed -= np.float32(2.0**degradation.stops) * np.array(degradation.black, np.float32)
    return exposed


def add_noise(linear: np.ndarray, degradation: Degradation, rng: np.random.Generator) -> np.ndarray:
    """Shot and read noise: variance shot * signal + read^2 at every value (Foi et al., 2008).

    Correlated noise keeps that variance. Linear light in and out; the result may leave [0, 1].
    """
    shot, read = degradation.shot, degradation.read
    unit = partial(unit_noise, linear.shape, rng, sigma=degradation.noise_sigma, mosaic=degradation.mosaic,
                   chroma=degradation.chroma_noise, channels=degradation.channel_noise)
    if degradation.poisson and shot > 0:
        noisy = rng.poisson(np.maximum(linear, 0) / shot).astype(np.float32) * np.float32(shot)
        return noisy + np.float32(read) * unit()
    noise = np.maximum(linear, 0)
    noise *= np.float32(shot)
    noise += np.float32(read**2)
    np.sqrt(noise, out=noise)
    noise *= unit()
    noise += linear
    return noise


def degrade(reference: np.ndarray, degradation: Degradation, rng: np.random.Generator) -> np.ndarray:
    """The low-light image of a bright one.

    Args:
        reference: (H, W, 3), float32, RGB in [0, 1].
        degradation: the draw.
        rng: source of the noise.

    Returns:
        (H, W, 3), float32, RGB in [0, 1], quantized to `degradation.bits`.
    """
    return degrade_with_light(reference, degradation, rng)[0]


def degrade_with_light(reference: np.ndarray, degradation: Degradation,
              rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The low image, and the linear light that it would have without noise."""
    linear = look_up(reference, lambda grid: unprocess(grid, degradation.reference_toe))
    linear = seen_by_camera(linear, degradation)
    if degradation.blur_sigma > 0:
        linear = cv2.GaussianBlur(linear, (0, 0), degradation.blur_sigma)
    levels = np.float32(2**degradation.bits - 1)
    low = develop(add_noise(linear, degradation, rng), degradation.toe, degradation.luma_share)
    low = np.round(low * levels) / levels
    return _jpeg(low, degradation.jpeg_quality) if degradation.jpeg_quality > 0 else low, linear


def seeded_generator(seed: int, name: str) -> np.random.Generator:
    """The source of chance for the image of a name: the same on every machine, in every order."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = BytesIO()
    Image.fromarray(np.round(image * 255).astype(np.uint8)).save(buffer, 'JPEG', quality=quality)
    return np.asarray(Image.open(buffer), np.float32) / np.float32(255)


def thinned(image: np.ndarray, pixels: int = PROBE_PIXELS) -> np.ndarray:
    """Every n-th pixel of every n-th row, about `pixels` of them: enough for statistics."""
    step = max(int(np.sqrt(image.shape[0] * image.shape[1] / pixels)), 1)
    return np.clip(image[::step, ::step], 0, 1)


def luma_histogram(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean values (BINS, 3) of the bins of each channel, and their shares times the luma weights.

    The sum over curve(values) * weights is the mean luma of the image under a curve.
    """
    thin = thinned(image).reshape(-1, 3)
    index = np.minimum((np.sqrt(thin) * BINS).astype(np.int64), BINS - 1)  # finer in the dark
    counts = np.stack([np.bincount(index[:, c], minlength=BINS) for c in range(3)], 1)
    sums = np.stack([np.bincount(index[:, c], thin[:, c], minlength=BINS) for c in range(3)], 1)
    values = (sums / np.maximum(counts, 1)).astype(np.float32)
    return values, (counts / len(thin)).astype(np.float32) * LUMA


def bisect(goes_on: Callable[[float], bool], low: float, high: float, steps: int = 12) -> float:
    """Where a monotone predicate turns from true (towards `low`) to false."""
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if goes_on(middle) else (low, middle)
    return (low + high) / 2
