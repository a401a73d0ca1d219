"""Physical synthesis of low light: unprocess, darken, shot and read noise, process (ours; paper silent).

All arrays are (H, W, 3), float32, RGB in [0, 1]. The order follows a camera: the photograph is taken back to linear
light (inverse tone curve, inverse gamma), exposed in stops, its channels gained apart, noise is added to the linear
signal, and the result is developed again (gamma, an S-shaped tone curve with a toe, 8 bits, JPEG on request).

Why a toe: under a power law a gain in linear light is a constant factor in sRGB, a slope of 1 between log low and log
reference. Measured on pairs of LOL the slope is 1.3 to 2.7 (median 1.9 on LOL-v1, 2.1 on LOL-v2-real) at mean ratios
of 0.06 to 0.27. The ranges of `DegradationRanges` come from there: one range for the set, no pixel of it.
"""
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from io import BytesIO

import cv2
import numpy as np
from PIL import Image

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601
GAMMA = 2.2
EPS = 1e-6
STOPS_LIMIT = (-12.0, 2.0)
EXPONENT_LIMIT = (0.3, 3.0)  # of the exposure normalisation
PROBE_SIDE = 64  # means are solved for on a picture of about this size

Range = tuple[float, float]


@dataclass(frozen=True)
class Degradation:
    """One draw of the synthesis.

    Attributes:
        stops: exposure, in stops (negative is darker).
        slope: slope of the tone curve's toe on log-log axes, of the low image over the reference.
        reference_slope: slope of the reference's own tone curve, undone first.
        gains: white-balance gains of R, G, B.
        shot: variance of the noise per unit of linear signal.
        read: standard deviation of the signal-independent noise, in linear units.
        noise_sigma: standard deviation of the Gaussian that correlates neighbouring noise, pixels; 0 is white.
        blur_sigma: standard deviation of the blur before the noise, pixels; 0 is none.
        jpeg_quality: 1 to 100, or 0 for no JPEG.
        bits: bits per channel of the quantisation.
        poisson: shot noise drawn from a Poisson law instead of a Gaussian of the same variance.
    """
    stops: float
    slope: float = 1.0
    reference_slope: float = 1.0
    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    shot: float = 0.0
    read: float = 0.0
    noise_sigma: float = 0.0
    blur_sigma: float = 0.0
    jpeg_quality: int = 0
    bits: int = 8
    poisson: bool = False


@dataclass(frozen=True)
class DegradationRanges:
    """What a `Degradation` is drawn from; a pair is (lowest, highest), drawn evenly unless said otherwise.

    Attributes:
        stops: exposure; used where `mean_ratio` is `None`. Ours: one to five stops under.
        mean_ratio: mean luma of low over reference, drawn log-evenly; the stops are solved for it. LOL: 0.06 to 0.27.
        slope: LOL: 1.3 to 2.7; the curve over a whole picture comes out up to 0.3 steeper than its toe.
        reference_slope: ours: photographs carry a mild S-curve (Brooks et al., 2019, undo 3x^2 - 2x^3).
        gain_jitter: standard deviation of each gain around 1. Ours.
        shot: drawn log-evenly. Brooks et al. (2019) draw 1e-4 to 1.2e-2 for raw photographs; ours is lower, for the
            low images here are 8-bit photographs whose camera averaged and denoised.
        read_spread: standard deviation of log read variance around Brooks et al.'s 2.18 log(shot) + 1.20.
        noise_sigma: drawn with `correlated_share`. Ours: demosaicing spreads noise over neighbours.
        correlated_share, blurred_share, jpeg_share: probabilities of correlated noise, blur, JPEG. Ours.
        blur_sigma: pixels. Ours.
        jpeg_quality: drawn with `jpeg_share`.
        bits: quantisation.
        poisson: see `Degradation`.
    """
    stops: Range = (-5.0, -1.0)
    mean_ratio: Range | None = (0.05, 0.3)
    slope: Range = (1.1, 2.4)
    reference_slope: Range = (1.0, 1.2)
    gain_jitter: float = 0.06
    shot: Range = (1e-5, 2e-3)
    read_spread: float = 0.26
    correlated_share: float = 0.5
    noise_sigma: Range = (0.4, 0.8)
    blurred_share: float = 0.5
    blur_sigma: Range = (0.3, 0.9)
    jpeg_share: float = 0.0
    jpeg_quality: Range = (70, 95)
    bits: int = 8
    poisson: bool = False

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (tuple, list)) and (len(value) != 2 or value[0] > value[1]):
                raise ValueError(f'{field.name} must be (lowest, highest), got {value}')
            if field.name.endswith('_share') and not 0 <= value <= 1:
                raise ValueError(f'{field.name} must be in [0, 1], got {value}')
        for name in ('mean_ratio', 'shot', 'slope', 'reference_slope'):
            value = getattr(self, name)
            if value is not None and value[0] <= 0:
                raise ValueError(f'{name} must be positive, got {value}')


def gamma_expand(image: np.ndarray) -> np.ndarray:
    """Gamma-coded values in [0, 1] to linear light.

    A power of 2.2 without sRGB's linear part: that part would steepen the toe of dark images beyond what pairs show.
    """
    return np.maximum(image, 0)**np.float32(GAMMA)


def gamma_compress(linear: np.ndarray) -> np.ndarray:
    """Linear light to gamma-coded values in [0, 1]; the inverse of `gamma_expand`."""
    return np.maximum(linear, 0)**np.float32(1 / GAMMA)


def tone_curve(image: np.ndarray, slope: float) -> np.ndarray:
    """S-curve x^p / (x^p + (1 - x)^p): on log-log axes its toe has the slope p; 0, 1/2 and 1 stay.

    The inverse is the curve of slope 1 / p. Values in [0, 1].
    """
    if slope == 1:
        return image
    image, power = np.clip(image, 0, 1), np.float32(slope)  # rounding may have left [0, 1], where powers are NaN
    dark, light = image**power, (1 - image)**power
    return dark / np.maximum(dark + light, EPS)


def mean_luma(image: np.ndarray) -> float:
    """Mean BT.601 luma of an RGB image."""
    return float((image.reshape(-1, 3) @ LUMA).mean())


def normalize_exposure(image: np.ndarray, target_luma: float) -> np.ndarray:
    """Brings the mean luma to a target by a power law, which clips no highlight.

    A target normalised in exposure is learnable, an arbitrary one is not. The exponent stays in [0.3, 3]; a picture
    that is nearly black or white comes near the target only.

    Args:
        image: (H, W, 3), float32, RGB in [0, 1].
        target_luma: in (0, 1); LOL's references lie around 0.45.
    """
    if not 0 < target_luma < 1:
        raise ValueError(f'target_luma must be in (0, 1), got {target_luma}')
    probe = np.maximum(_probe(image), EPS)
    exponent = _bisect(lambda g: mean_luma(probe**np.float32(g)) > target_luma, *EXPONENT_LIMIT)
    return np.maximum(image, 0)**np.float32(exponent)


def sample_degradation(reference: np.ndarray, ranges: DegradationRanges, rng: np.random.Generator) -> Degradation:
    """Draws one degradation; the number of draws from `rng` does not depend on the image.

    Args:
        reference: the bright image; where `ranges.mean_ratio` is set, the stops are solved for it.
        ranges: what to draw from.
        rng: source of chance.
    """
    shot = float(np.exp(rng.uniform(*np.log(ranges.shot))))
    read_log_variance = rng.normal(2.18 * np.log(shot) + 1.20, ranges.read_spread)  # Brooks et al., 2019, Sec. 3.1
    stops = rng.uniform(*ranges.stops)
    draw = Degradation(
        stops=float(stops),
        slope=float(rng.uniform(*ranges.slope)),
        reference_slope=float(rng.uniform(*ranges.reference_slope)),
        gains=tuple(float(g) for g in np.clip(rng.normal(1, ranges.gain_jitter, 3), 0.5, 2)),
        shot=shot,
        read=float(np.exp(read_log_variance / 2)),
        noise_sigma=float(_with_share(rng, ranges.correlated_share, ranges.noise_sigma)),
        blur_sigma=float(_with_share(rng, ranges.blurred_share, ranges.blur_sigma)),
        jpeg_quality=int(round(_with_share(rng, ranges.jpeg_share, ranges.jpeg_quality))),
        bits=ranges.bits,
        poisson=ranges.poisson)
    ratio = rng.uniform()
    if ranges.mean_ratio is None:
        return draw
    low, high = np.log(ranges.mean_ratio)
    return replace(draw, stops=solve_stops(reference, draw, float(np.exp(low + ratio * (high - low)))))


def solve_stops(reference: np.ndarray, degradation: Degradation, mean_ratio: float) -> float:
    """The exposure at which the noise-free low image has `mean_ratio` times the reference's mean luma."""
    probe = _probe(reference)
    scene, goal = unprocess(probe, degradation.reference_slope), mean_ratio * mean_luma(probe)

    def too_bright(stops: float) -> bool:
        return mean_luma(process(expose(scene, stops, degradation.gains), net_slope(degradation))) > goal

    return -_bisect(lambda darkness: too_bright(-darkness), -STOPS_LIMIT[1], -STOPS_LIMIT[0])


def net_slope(degradation: Degradation) -> float:
    """Slope of the camera's curve that gives `slope` over the reference's own."""
    return degradation.slope * degradation.reference_slope


def unprocess(image: np.ndarray, reference_slope: float = 1.0) -> np.ndarray:
    """Photograph to linear light: inverse tone curve, inverse gamma."""
    return gamma_expand(tone_curve(image, 1 / reference_slope))


def process(linear: np.ndarray, slope: float = 1.0) -> np.ndarray:
    """Linear light to a developed photograph: gamma, then the tone curve with a toe."""
    return tone_curve(gamma_compress(np.clip(linear, 0, 1)), slope)


def expose(linear: np.ndarray, stops: float, gains: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> np.ndarray:
    """Exposure in stops and white-balance gains, in linear light."""
    return linear * np.asarray(gains, np.float32) * np.float32(2.0**stops)


def add_noise(linear: np.ndarray, degradation: Degradation, rng: np.random.Generator) -> np.ndarray:
    """Shot and read noise: variance shot * signal + read^2 at every value (Foi et al., 2008).

    Correlated noise keeps that variance. Linear light in and out; the result may leave [0, 1].
    """
    shot, read = degradation.shot, degradation.read
    if degradation.poisson and shot > 0:
        noisy = rng.poisson(np.maximum(linear, 0) / shot).astype(np.float32) * np.float32(shot)
        return noisy + np.float32(read) * _unit_noise(linear.shape, degradation.noise_sigma, rng)
    deviation = np.sqrt(np.float32(shot) * np.maximum(linear, 0) + np.float32(read**2))
    return linear + deviation * _unit_noise(linear.shape, degradation.noise_sigma, rng)


def degrade(reference: np.ndarray, degradation: Degradation, rng: np.random.Generator) -> np.ndarray:
    """The low-light image of a bright one.

    Args:
        reference: (H, W, 3), float32, RGB in [0, 1].
        degradation: the draw.
        rng: source of the noise.

    Returns:
        (H, W, 3), float32, RGB in [0, 1], quantised to `degradation.bits`.
    """
    linear = expose(unprocess(reference, degradation.reference_slope), degradation.stops, degradation.gains)
    if degradation.blur_sigma > 0:
        linear = cv2.GaussianBlur(linear, (0, 0), degradation.blur_sigma)
    low = process(add_noise(linear, degradation, rng), net_slope(degradation))
    if degradation.jpeg_quality > 0:
        low = _jpeg(low, degradation.jpeg_quality)
    levels = np.float32(2**degradation.bits - 1)
    return (np.round(low * levels) / levels).astype(np.float32)


def _unit_noise(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of variance one, smoothed by `sigma` and scaled back to variance one."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    if sigma <= 0:
        return noise
    kernel = cv2.getGaussianKernel(2 * int(np.ceil(4 * sigma)) + 1, sigma, cv2.CV_32F)
    return cv2.sepFilter2D(noise, -1, kernel, kernel, borderType=cv2.BORDER_REFLECT) / np.float32((kernel**2).sum())


def _with_share(rng: np.random.Generator, share: float, values: Range) -> float:
    """A value of the range with the probability `share`, else 0; always two draws."""
    chosen, value = rng.uniform() < share, rng.uniform(*values)
    return value if chosen else 0.0


def _jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = BytesIO()
    Image.fromarray(np.round(image * 255).astype(np.uint8)).save(buffer, 'JPEG', quality=quality)
    return np.asarray(Image.open(buffer), np.float32) / 255


def _probe(image: np.ndarray) -> np.ndarray:
    """A small copy of about the same mean, for solving."""
    h, w = image.shape[:2]
    scale = PROBE_SIDE / max(h, w)
    if scale >= 1:
        return image
    return cv2.resize(image, (max(round(w * scale), 1), max(round(h * scale), 1)), interpolation=cv2.INTER_AREA)


def _bisect(goes_on: Callable[[float], bool], low: float, high: float, steps: int = 16) -> float:
    """Where a monotone predicate turns from true (towards `low`) to false."""
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if goes_on(middle) else (low, middle)
    return (low + high) / 2
