"""What tells a low-light camera from another on pairs of pictures: exposure, contrast, colour, noise (ours).

All of it is a number of a pair; no pixel is kept. Colour and contrast are taken on both pictures averaged over boxes of
9x9 pixels, so that noise does not count as colour; noise on the low picture itself.
"""
from dataclasses import dataclass, fields
from typing import NamedTuple

import cv2
import numpy as np

from isalux_mm.functional.development import LUMA, mean_luma

BOX = 9  # pixels, side of the averages
ANCHORS, CEILING = (0.1, 0.9), 0.85  # quantiles of the reference's luma between which the slope is taken, and its top
LEAST_LUMA = 0.5 / 255  # below which a logarithm is not taken
COLORED = 0.1  # brightest channel of the reference from which a pixel has a saturation
EPS = 1e-4
IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)  # Immerkaer, 1996
SMOOTH = 3.0  # pixels: what noise is a deviation from
FLAT = 0.4  # share of the picture, where the reference is smoothest, on which the noise's colour is taken


@dataclass(frozen=True)
class PairStatistics:
    """Numbers of one pair.

    Attributes:
        reference_luma: mean BT.601 luma of the reference.
        reference_contrast: standard deviation of its luma over the mean.
        reference_saturation: its mean of (max - min) / max.
        reference_red: its mean red over mean green.
        reference_blue: likewise of blue.
        mean_ratio: mean luma of low over reference.
        slope: regression of log low on log reference, luma between the reference's 10th and 90th percentile.
        saturation: mean of (max - min) / max, low over reference.
        red_cast: mean red over mean green, low against reference.
        blue_cast: likewise of blue.
        red_shadows: red over green, low against reference, where the reference is in its darkest quarter over where it
            is in its third.
        blue_shadows: likewise of blue.
        noise: standard deviation in 8-bit levels by Immerkaer's estimate, mean of the channels.
        correlation: of the noise of horizontal neighbours, mean of the channels.
        chroma_noise: deviation of the noise from its luma over that of its luma; 1.32 for independent channels.
        red_noise: deviation of the noise of red over that of green, 1 in independent channels alike.
        blue_noise: likewise of blue.
        clipped: share of values that are zero.
    """
    reference_luma: float
    reference_contrast: float
    reference_saturation: float
    reference_red: float
    reference_blue: float
    mean_ratio: float
    slope: float
    saturation: float
    red_cast: float
    blue_cast: float
    red_shadows: float
    blue_shadows: float
    noise: float
    correlation: float
    chroma_noise: float
    red_noise: float
    blue_noise: float
    clipped: float


class NoiseCharacter(NamedTuple):
    """What kind of noise it is; see `PairStatistics`."""
    correlation: float
    chroma_noise: float
    red_noise: float
    blue_noise: float


def pair_statistics(low: np.ndarray, reference: np.ndarray) -> PairStatistics:
    """Numbers of a pair.

    Args:
        low: (H, W, 3), float32, RGB in [0, 1].
        reference: the same size.

    Raises:
        ValueError: if the sizes differ or a side is below 16 pixels.
    """
    if low.shape != reference.shape or min(low.shape[:2]) < 16:
        raise ValueError(f'low and reference must have one size of 16 pixels or more, got {low.shape} and '
                         f'{reference.shape}')
    smooth_low, smooth_reference = cv2.blur(low, (BOX, BOX)), cv2.blur(reference, (BOX, BOX))
    red_cast, blue_cast = casts(low, reference)
    colored = smooth_reference.max(-1) > COLORED
    saturations = [saturation(image[colored]) if colored.any() else EPS for image in (smooth_low, smooth_reference)]
    reference_red, reference_blue = over_green(reference)
    red_shadows, blue_shadows = shadow_casts(smooth_low, smooth_reference)
    return PairStatistics(
        reference_luma=mean_luma(reference),
        reference_contrast=float((smooth_reference @ LUMA).std()) / max(mean_luma(reference), EPS),
        reference_saturation=saturations[1],
        reference_red=reference_red,
        reference_blue=reference_blue,
        mean_ratio=mean_luma(low) / max(mean_luma(reference), EPS),
        slope=log_slope(smooth_low @ LUMA, smooth_reference @ LUMA),
        saturation=saturations[0] / max(saturations[1], EPS),
        red_cast=red_cast,
        blue_cast=blue_cast,
        red_shadows=red_shadows,
        blue_shadows=blue_shadows,
        noise=255 * noise_deviation(low),
        clipped=float((low <= 0).mean()),
        **noise_character(low, reference)._asdict())


def over_green(image: np.ndarray) -> tuple[float, float]:
    """Mean red and mean blue over mean green of (..., 3)."""
    red, green, blue = np.maximum(image.reshape(-1, 3).mean(0), EPS)
    return float(red / green), float(blue / green)


def casts(low: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Red and blue over green, low against reference, both (..., 3)."""
    (red, blue), (reference_red, reference_blue) = over_green(low), over_green(reference)
    return red / reference_red, blue / reference_blue


def shadow_casts(low: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Casts of red and blue in the darkest quarter of the reference's luma over those in its third quarter.

    Args:
        low: (H, W, 3).
        reference: the same size.
    """
    luma = reference @ LUMA
    bottom, middle, top = np.quantile(luma, (0.25, 0.5, 0.75))
    dark, lit = (casts(low[where], reference[where]) for where in (luma <= bottom, (luma >= middle) & (luma <= top)))
    return dark[0] / lit[0], dark[1] / lit[1]


def log_slope(low: np.ndarray, reference: np.ndarray) -> float:
    """Regression of log low on log reference between the reference's 10th and 90th percentile, at most 0.85.

    Args:
        low: luma in [0, 1], any shape; counts as half an 8-bit level where it is darker.
        reference: luma of that shape.

    Returns:
        The slope; 0 where the reference is flat.
    """
    bottom, top = np.quantile(reference, ANCHORS)
    middle = (reference >= max(bottom, LEAST_LUMA)) & (reference <= min(top, CEILING))
    x, y = (np.log(np.maximum(image[middle], LEAST_LUMA)) for image in (reference, low))
    if x.size < 2 or np.ptp(x) < 1e-3:
        return 0.0
    x = x - x.mean()
    return float((x * (y - y.mean())).sum() / (x * x).sum())


def saturation(image: np.ndarray) -> float:
    """Mean of (max - min) / max over the channels of (..., 3)."""
    brightest = image.max(-1)
    return float(((brightest - image.min(-1)) / np.maximum(brightest, EPS)).mean())


def noise_deviation(image: np.ndarray) -> float:
    """Standard deviation of the noise by Immerkaer (1996, Fast Noise Variance Estimation), mean of the channels.

    Takes the noise for white: neighbours that correlate make it smaller, fine texture makes it larger.

    Args:
        image: (H, W, 3), float32.
    """
    response = cv2.filter2D(image, -1, IMMERKAER)[1:-1, 1:-1]
    return float(np.sqrt(np.pi / 2) / 6 * np.abs(response).mean())


def noise_character(low: np.ndarray, reference: np.ndarray) -> NoiseCharacter:
    """Correlation of horizontal neighbours, and deviations of chroma, red and blue, of the noise in flat places.

    Noise is what a Gaussian of 3 pixels takes away, where the reference is smoothest. White noise of independent
    channels gives about -0.02 (the Gaussian's own share) and 1.32.

    Args:
        low: (H, W, 3), float32.
        reference: the same size.
    """
    noise = low - cv2.GaussianBlur(low, (0, 0), SMOOTH)
    edges = np.abs(cv2.Laplacian(cv2.GaussianBlur(reference @ LUMA, (0, 0), 2), -1))
    flat = edges <= np.quantile(edges, FLAT)
    pairs = flat[:, 1:] & flat[:, :-1]
    left, right = noise[:, :-1][pairs], noise[:, 1:][pairs]
    spread = np.sqrt((left**2).mean(0) * (right**2).mean(0))
    luma = noise[flat] @ LUMA
    chroma = noise[flat] - luma[:, None]
    red, green, blue = np.maximum(noise[flat].std(0), EPS)
    return NoiseCharacter(
        correlation=float(((left * right).mean(0) / np.maximum(spread, EPS**2)).mean()),
        chroma_noise=float(np.sqrt((chroma**2).mean()) / max(np.sqrt((luma**2).mean()), EPS)),
        red_noise=float(red / green),
        blue_noise=float(blue / green))


def span(values: np.ndarray) -> tuple[float, float, float]:
    """Median, 10th and 90th percentile."""
    median, low, high = (float(v) for v in np.quantile(values, (0.5, 0.1, 0.9)))
    return median, low, high


def spans(found: list[PairStatistics]) -> dict[str, tuple[float, float, float]]:
    """Median, 10th and 90th percentile of every statistic over pairs."""
    return {field.name: span(np.array([getattr(one, field.name) for one in found])) for field in fields(PairStatistics)}
