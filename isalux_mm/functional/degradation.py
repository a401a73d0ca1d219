"""Physical synthesis of low light: unprocess, darken, shot and read noise, process (ours; paper silent).

All arrays are (H, W, 3), float32, RGB in [0, 1]. The order follows a camera: the photograph is taken back to linear
light (inverse tone curve, inverse sRGB), exposed in stops, its channels gained apart, noise is added to the linear
signal, and the result is developed again (sRGB, an S-shaped tone curve with a toe, 8 bits, JPEG on request).

Why a toe: under a power law a gain in linear light is a constant factor in sRGB, a slope of 1 between log low and log
reference. Measured on pairs of LOL the slope is 1.3 to 2.7 (median 1.9 on LOL-v1, 2.1 on LOL-v2-real) at mean ratios
of 0.06 to 0.27. The ranges of `DegradationRanges` come from there: one range for the set, no pixel of it. A draw names
the slope and the mean ratio that the pair shall have; the camera's curve and exposure are solved for them.
"""
import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from io import BytesIO

import cv2
import numpy as np
from PIL import Image

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601
SRGB_KNEE, SRGB_LINEAR_KNEE = 0.04045, 0.0031308  # IEC 61966-2-1
EPS = 1e-6
STOPS_LIMIT = (-12.0, 2.0)
TOE_LIMIT = (0.4, 4.0)
EXPONENT_LIMIT = (0.4, 2.5)  # of the exposure normalisation
TARGET_LIMIT = (0.05, 0.95)
ANCHORS = (0.1, 0.9)  # quantiles of the reference's luma between which the slope is taken
ANCHOR_FLOOR, ANCHOR_CEILING = 0.03, 0.85  # grey values outside which no anchor lies: noise below, the shoulder above
BINS = 64  # of the histogram on which means are solved for
PROBE_PIXELS = 20000  # about as many pixels fill that histogram
TABLE_LAST = 2**14 - 1  # curves are looked up in tables of 2^14 entries, which leaves 8-bit output exact to 1/4 level

Range = tuple[float, float]


@dataclass(frozen=True)
class Degradation:
    """One draw of the synthesis.

    Attributes:
        stops: exposure, in stops (negative is darker).
        toe: exponent of the camera's S-curve (see `tone_curve`); above 1 the dark tones are pressed together.
        reference_toe: exponent of the S-curve that the reference was developed with; undone first.
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
    toe: float = 1.0
    reference_toe: float = 1.0
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
        mean_ratio: mean luma of low over reference, drawn log-evenly; the stops are solved for it. Ours, after the 0.06
            to 0.27 measured on LOL, taken a little wider.
        slope: log-log slope between low and reference, sRGB; the toe is solved for it. Ours, after the 1.3 to 2.7
            measured on LOL (median 1.9 and 2.1), taken wider below. `None` draws no toe: plain sRGB.
        reference_toe: ours: photographs carry a mild S-curve (Brooks et al., 2019, undo 3x^2 - 2x^3).
        gain_jitter: standard deviation of each gain around 1. Ours.
        shot: drawn log-evenly; Brooks et al. (2019, Unprocessing Images for Learned Raw Denoising), Sec. 3.1.
        read_spread: standard deviation of log read variance around 2.18 log(shot) + 1.20; ibidem.
        noise_left: share of that noise's deviation which the camera's averaging and denoising leave, drawn log-evenly.
            Ours: gives dark 8-bit photographs a noise of 0.5 to 5 levels.
        correlated_share: probability of correlated noise. Ours.
        blurred_share: of blur. Ours.
        jpeg_share: of JPEG. Ours.
        noise_sigma: drawn with `correlated_share`, pixels. Ours: demosaicing spreads noise over neighbours.
        blur_sigma: drawn with `blurred_share`, pixels. Ours.
        jpeg_quality: drawn with `jpeg_share`. Ours.
        bits: quantisation, 1 to 12.
        poisson: see `Degradation`.

    Raises:
        ValueError: if a range is empty or out of its bounds.
    """
    stops: Range = (-5.0, -1.0)
    mean_ratio: Range | None = (0.05, 0.3)
    slope: Range | None = (1.1, 2.6)
    reference_toe: Range = (1.0, 1.2)
    gain_jitter: float = 0.06
    shot: Range = (1e-4, 1.2e-2)
    read_spread: float = 0.26
    noise_left: Range = (0.1, 0.4)
    correlated_share: float = 0.5
    noise_sigma: Range = (0.4, 0.8)
    blurred_share: float = 0.5
    blur_sigma: Range = (0.3, 0.9)
    jpeg_share: float = 0.0
    jpeg_quality: Range = (70, 95)
    bits: int = 8
    poisson: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (tuple, list)) and (len(value) != 2 or value[0] > value[1]):
                raise ValueError(f'{field.name} must be (lowest, highest), got {value}')
            if field.name.endswith('_share') and not 0 <= value <= 1:
                raise ValueError(f'{field.name} must be in [0, 1], got {value}')
        for name in ('mean_ratio', 'shot', 'slope', 'reference_toe', 'noise_left', 'noise_sigma', 'blur_sigma'):
            value = getattr(self, name)
            if value is not None and value[0] <= 0:
                raise ValueError(f'{name} must be positive, got {value}')
        if not 1 <= self.bits <= 12:
            raise ValueError(f'bits must be in [1, 12], got {self.bits}')


def srgb_to_linear(image: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] to linear light in [0, 1] (IEC 61966-2-1)."""
    return np.where(image <= SRGB_KNEE, image / 12.92, ((image + 0.055) / 1.055)**np.float32(2.4))


def linear_to_srgb(image: np.ndarray) -> np.ndarray:
    """Linear light in [0, 1] to sRGB in [0, 1] (IEC 61966-2-1)."""
    curved = 1.055 * np.maximum(image, SRGB_LINEAR_KNEE)**np.float32(1 / 2.4) - 0.055
    return np.where(image <= SRGB_LINEAR_KNEE, image * 12.92, curved)


def tone_curve(image: np.ndarray, toe: float) -> np.ndarray:
    """S-curve x^p / (x^p + (1 - x)^p): on log-log axes its toe has the slope p; 0, 1/2 and 1 stay.

    The inverse is the curve of toe 1 / p. Values in [0, 1].
    """
    if toe == 1:
        return image
    power = np.float32(toe)
    dark, light = image**power, (1 - image)**power
    return dark / (dark + light)


def mean_luma(image: np.ndarray) -> float:
    """Mean BT.601 luma of an RGB image."""
    return float((image.reshape(-1, 3) @ LUMA).mean())


def normalize_exposure(image: np.ndarray, target_luma: float) -> np.ndarray:
    """Brings the mean luma to a target by a power law, which clips no highlight.

    A target normalised in exposure is learnable, an arbitrary one is not. The exponent stays in [0.4, 2.5]; a picture
    that is nearly black or white comes near the target only.

    Args:
        image: (H, W, 3), float32, RGB in [0, 1].
        target_luma: in (0, 1); LOL's references lie around 0.45.
    """
    if not 0 < target_luma < 1:
        raise ValueError(f'target_luma must be in (0, 1), got {target_luma}')
    values, weights = _histogram(image)
    exponent = _bisect(lambda power: float((values**power * weights).sum()) > target_luma, *EXPONENT_LIMIT)
    return _look_up(image, lambda grid: grid**np.float32(exponent))


def sample_degradation(reference: np.ndarray, ranges: DegradationRanges, rng: np.random.Generator) -> Degradation:
    """Draws one degradation; the number of draws from `rng` does not depend on the image.

    Args:
        reference: the bright image, (H, W, 3), RGB in [0, 1], for which exposure and toe are solved.
        ranges: what to draw from.
        rng: source of chance.
    """
    left, shot = _log_uniform(rng, ranges.noise_left), _log_uniform(rng, ranges.shot)
    read_variance = np.exp(rng.normal(2.18 * np.log(shot) + 1.20, ranges.read_spread))  # Brooks et al., 2019, Sec. 3.1
    draw = Degradation(
        stops=float(rng.uniform(*ranges.stops)),
        reference_toe=float(rng.uniform(*ranges.reference_toe)),
        gains=_gains(rng, ranges.gain_jitter),
        shot=left**2 * shot,
        read=left * float(np.sqrt(read_variance)),
        noise_sigma=_with_share(rng, ranges.correlated_share, ranges.noise_sigma),
        blur_sigma=_with_share(rng, ranges.blurred_share, ranges.blur_sigma),
        jpeg_quality=round(_with_share(rng, ranges.jpeg_share, ranges.jpeg_quality)),
        bits=ranges.bits,
        poisson=ranges.poisson)
    slope = float(rng.uniform(*ranges.slope)) if ranges.slope else None
    mean_ratio = _log_uniform(rng, ranges.mean_ratio) if ranges.mean_ratio else None
    return solve_development(reference, draw, slope, mean_ratio)


def solve_development(reference: np.ndarray,
                      degradation: Degradation,
                      slope: float | None = None,
                      mean_ratio: float | None = None) -> Degradation:
    """Exposure and toe at which the noise-free low image has a slope and a mean ratio.

    Args:
        reference: (H, W, 3), RGB in [0, 1].
        degradation: the rest of the draw; its `stops` and `toe` are replaced where they are solved for.
        slope: log-log slope between low and reference, taken on the grey axis between the 10th and the 90th percentile
            of the reference's luma; `None` keeps the toe. The toe stays in [0.4, 4].
        mean_ratio: mean luma of low over reference; `None` keeps the stops. They stay in [-12, 2].
    """
    values, weights = _histogram(reference)
    low, high = _anchors(reference)
    goal = None if mean_ratio is None else mean_ratio * float((values * weights).sum())
    scene = unprocess(values, degradation.reference_toe) * np.asarray(degradation.gains, np.float32)

    def exposed(toe: float) -> Degradation:
        if goal is None:
            return replace(degradation, toe=toe)
        darkness = _bisect(lambda d: float((process(scene * 2.0**-d, toe) * weights).sum()) > goal,
                           -STOPS_LIMIT[1], -STOPS_LIMIT[0])
        return replace(degradation, toe=toe, stops=-darkness)

    if slope is None:
        return exposed(degradation.toe)
    toe = _bisect(lambda log_toe: log_slope(exposed(float(np.exp(log_toe))), low, high) < slope, *np.log(TOE_LIMIT))
    return exposed(float(np.exp(toe)))


def log_slope(degradation: Degradation, low: float, high: float) -> float:
    """Slope of log low over log reference between two grey values of the reference, without noise and gains."""
    grey = np.array([low, high], np.float32)
    developed = process(unprocess(grey, degradation.reference_toe) * 2.0**degradation.stops, degradation.toe)
    return float(np.diff(np.log(np.maximum(developed, 1e-12)))[0] / np.log(high / low))


def unprocess(image: np.ndarray, reference_toe: float = 1.0) -> np.ndarray:
    """sRGB photograph to linear light: inverse tone curve, inverse sRGB."""
    return srgb_to_linear(tone_curve(np.clip(image, 0, 1), 1 / reference_toe))


def process(linear: np.ndarray, toe: float = 1.0) -> np.ndarray:
    """Linear light to a developed photograph: sRGB, then the tone curve with a toe."""
    return tone_curve(np.clip(linear_to_srgb(np.clip(linear, 0, 1)), 0, 1), toe)


def expose(linear: np.ndarray, stops: float, gains: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> np.ndarray:
    """Exposure in stops and white-balance gains, in linear light."""
    exposed = np.empty_like(linear)
    for channel, gain in enumerate(gains):  # by channel: numpy is slow on a last axis of three
        np.multiply(linear[..., channel], np.float32(gain * 2.0**stops), out=exposed[..., channel])
    return exposed


def add_noise(linear: np.ndarray, degradation: Degradation, rng: np.random.Generator) -> np.ndarray:
    """Shot and read noise: variance shot * signal + read^2 at every value (Foi et al., 2008).

    Correlated noise keeps that variance. Linear light in and out; the result may leave [0, 1].
    """
    shot, read = degradation.shot, degradation.read
    if degradation.poisson and shot > 0:
        noisy = rng.poisson(np.maximum(linear, 0) / shot).astype(np.float32) * np.float32(shot)
        return noisy + np.float32(read) * _unit_noise(linear.shape, degradation.noise_sigma, rng)
    noise = np.maximum(linear, 0)
    noise *= np.float32(shot)
    noise += np.float32(read**2)
    np.sqrt(noise, out=noise)
    noise *= _unit_noise(linear.shape, degradation.noise_sigma, rng)
    noise += linear
    return noise


def degrade(reference: np.ndarray, degradation: Degradation, rng: np.random.Generator) -> np.ndarray:
    """The low-light image of a bright one.

    Args:
        reference: (H, W, 3), float32, RGB in [0, 1].
        degradation: the draw.
        rng: source of the noise.

    Returns:
        (H, W, 3), float32, RGB in [0, 1], quantised to `degradation.bits`.
    """
    linear = _look_up(reference, lambda grid: unprocess(grid, degradation.reference_toe))
    linear = expose(linear, degradation.stops, degradation.gains)
    if degradation.blur_sigma > 0:
        linear = cv2.GaussianBlur(linear, (0, 0), degradation.blur_sigma)
    linear = add_noise(linear, degradation, rng)
    levels = np.float32(2**degradation.bits - 1)
    root = np.sqrt(np.maximum(linear, 0))  # even steps of the root give the dark tones entries enough
    low = _look_up(root, lambda grid: np.round(process(grid * grid, degradation.toe) * levels) / levels)
    return _jpeg(low, degradation.jpeg_quality) if degradation.jpeg_quality > 0 else low


def synthesize_pair(image: np.ndarray, ranges: DegradationRanges, target_luma: tuple[float, float] | None,
                    rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, Degradation]:
    """A pair from one photograph: (low, reference, what was drawn).

    Args:
        image: (H, W, 3), float32, RGB in [0, 1].
        ranges: what to draw from.
        target_luma: mean and standard deviation of the reference's mean luma; `None` leaves the photograph as it is.
        rng: source of chance.
    """
    if target_luma is not None:
        image = normalize_exposure(image, float(np.clip(rng.normal(*target_luma), *TARGET_LIMIT)))
    degradation = sample_degradation(image, ranges, rng)
    return degrade(image, degradation, rng), image, degradation


def seeded_generator(seed: int, name: str) -> np.random.Generator:
    """The source of chance for the image of a name: the same on every machine, in every order."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _look_up(image: np.ndarray, curve: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A curve on [0, 1] applied through a table: many times faster than powers of every pixel."""
    table = curve(np.linspace(0, 1, TABLE_LAST + 1, dtype=np.float32)).astype(np.float32)
    index = np.clip(image, 0, 1)
    index *= np.float32(TABLE_LAST)
    index += np.float32(0.5)
    return table.take(index.astype(np.uint16), mode='clip')


def _unit_noise(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of variance one, smoothed by `sigma` and scaled back to variance one."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    if sigma <= 0:
        return noise
    kernel = cv2.getGaussianKernel(2 * int(np.ceil(4 * sigma)) + 1, sigma, cv2.CV_32F)
    return cv2.sepFilter2D(noise, -1, kernel, kernel, borderType=cv2.BORDER_REFLECT) / np.float32((kernel**2).sum())


def _log_uniform(rng: np.random.Generator, values: Range) -> float:
    return float(np.exp(rng.uniform(*np.log(values))))


def _gains(rng: np.random.Generator, jitter: float) -> tuple[float, float, float]:
    red, green, blue = (float(gain) for gain in np.clip(rng.normal(1, jitter, 3), 0.5, 2))
    return red, green, blue


def _with_share(rng: np.random.Generator, share: float, values: Range) -> float:
    """A value of the range with the probability `share`, else 0; always two draws."""
    chosen, value = rng.uniform() < share, rng.uniform(*values)
    return float(value) if chosen else 0.0


def _jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = BytesIO()
    Image.fromarray(np.round(image * 255).astype(np.uint8)).save(buffer, 'JPEG', quality=quality)
    return np.asarray(Image.open(buffer), np.float32) / np.float32(255)


def _thinned(image: np.ndarray) -> np.ndarray:
    """Every n-th pixel of every n-th row: enough for statistics."""
    step = max(int(np.sqrt(image.shape[0] * image.shape[1] / PROBE_PIXELS)), 1)
    return np.clip(image[::step, ::step], 0, 1)


def _histogram(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean values (BINS, 3) of the bins of each channel, and their shares times the luma weights.

    The sum over curve(values) * weights is the mean luma of the image under a curve.
    """
    thin = _thinned(image).reshape(-1, 3)
    index = np.minimum((np.sqrt(thin) * BINS).astype(np.int64), BINS - 1)  # finer in the dark
    counts = np.stack([np.bincount(index[:, c], minlength=BINS) for c in range(3)], 1)
    sums = np.stack([np.bincount(index[:, c], thin[:, c], minlength=BINS) for c in range(3)], 1)
    values = (sums / np.maximum(counts, 1)).astype(np.float32)
    return values, (counts / len(thin)).astype(np.float32) * LUMA


def _anchors(reference: np.ndarray) -> tuple[float, float]:
    """Two grey values between which the slope is taken; kept apart by half an octave at least."""
    low, high = np.quantile(_thinned(reference) @ LUMA, ANCHORS)
    low = float(np.clip(low, ANCHOR_FLOOR, ANCHOR_CEILING / 2))
    return low, float(np.clip(high, 1.5 * low, ANCHOR_CEILING))


def _bisect(goes_on: Callable[[float], bool], low: float, high: float, steps: int = 12) -> float:
    """Where a monotone predicate turns from true (towards `low`) to false."""
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if goes_on(middle) else (low, middle)
    return (low + high) / 2
