"""Draws of the low-light synthesis: what night a picture is given, and which camera sees it (ours; paper silent).

Why a toe: under a power law a gain in linear light is a constant factor in sRGB, a slope of 1 between log low and log
reference. Measured on pairs of LOL the slope is 1.3 to 2.7 (median 1.9 on LOL-v1, 2.1 on LOL-v2-real) at mean ratios
of 0.06 to 0.27. A draw names the slope and the mean ratio that the pair shall have; the camera's curve and exposure are
solved for them.
"""
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from isalux_mm.functional.degradation import (
    EPS,
    bisect,
    degrade_with_light,
    luma_histogram,
    normalize_exposure,
    seen_by_camera,
    thinned,
)
from isalux_mm.functional.degradation_ranges import Degradation, DegradationRanges, Range
from isalux_mm.functional.development import (
    LUMA,
    NUM_CAMERAS,
    camera_matrix,
    develop,
    mean_luma,
    process,
    saturation_matrix,
    unprocess,
)

STOPS_LIMIT = (-12.0, 2.0)
TOE_LIMIT = (0.4, 4.0)
TARGET_LIMIT = (0.05, 0.95)
ANCHORS = (0.1, 0.9)  # quantiles of the reference's luma between which the slope is taken
ANCHOR_FLOOR, ANCHOR_CEILING = 0.03, 0.85  # grey values outside which no anchor lies: noise below, the shoulder above
CHECKED_PIXELS = 1000  # about as many are developed in full to set the exposure of a camera with a matrix
BLACK_JITTER = 0.2  # standard deviation of a channel's black level around the picture's, as a share of it; ours
CALM_NOISE = 0.25  # what the noise of a well-lit picture fades to; ours
MOST_NOISE = 0.5  # deviation of the noise as a share of the low image's mean luma; ours
NOISY_LIGHT = 0.8  # mean linear light above which a picture's noise is that of one of this; ours
GAIN_LIMIT = (0.1, 10.0)  # of a cast in one round; ours
CAST_ROUNDS = 3
TYPICAL_CONTRAST = 3.0  # of a reference, between its anchors; ours
SLOPES = (1.0, 3.5)  # that a trend leads to; ours
DARKEST = 24.0  # stops under, for a flat curve is dark at no fewer; ours
STEPS, ROUGH_STEPS = 12, 7  # of a bisection: to 1 / 300 stop; to a tenth where the exposure is set once more; ours


def synthesize_pair(image: np.ndarray,
                    ranges: DegradationRanges,
                    target_luma: tuple[float, float] | None,
                    rng: np.random.Generator,
                    *,
                    least_luma: float = 0.0) -> tuple[np.ndarray, np.ndarray, Degradation]:
    """A pair from one photograph: (low, reference, what was drawn).

    Args:
        image: (H, W, 3), float32, RGB in [0, 1].
        ranges: what to draw from.
        target_luma: mean and standard deviation of the reference's mean luma; `None` leaves the photograph as it is.
        rng: source of chance.
        least_luma: see `sample_degradation`.
    """
    if target_luma is not None:
        image = normalize_exposure(image, float(np.clip(rng.normal(*target_luma), *TARGET_LIMIT)))
    degradation = sample_degradation(image, ranges, rng, least_luma=least_luma)
    low, linear = degrade_with_light(image, degradation, rng)
    if degradation.own_target:
        image = develop(linear, degradation.toe, degradation.luma_share)
    return low, image, degradation


def sample_degradation(reference: np.ndarray,
                       ranges: DegradationRanges,
                       rng: np.random.Generator,
                       *,
                       least_luma: float = 0.0) -> Degradation:
    """Draws one degradation; the number of draws from `rng` does not depend on the image.

    Args:
        reference: the bright image, (H, W, 3), RGB in [0, 1], for which exposure and toe are solved.
        ranges: what to draw from.
        rng: source of chance; the camera's colours, whether it only exposes less, and how its channels differ in
            noise and black level come from children of it.
        least_luma: mean luma below which no exposure goes, unless the reference itself is darker.
    """
    left, shot = _log_uniform(rng, ranges.noise_left), _log_uniform(rng, ranges.shot)
    read_variance = np.exp(rng.normal(2.18 * np.log(shot) + 1.20, ranges.read_spread))  # Brooks et al., 2019, Sec. 3.1
    draw = Degradation(
        stops=float(rng.uniform(*ranges.stops)),
        reference_toe=float(rng.uniform(*ranges.reference_toe)),
        gains=_three(np.clip(rng.normal(1, ranges.gain_jitter, 3), 0.5, 2)),
        shot=left**2 * shot,
        read=left * float(np.sqrt(read_variance)),
        noise_sigma=_with_share(rng, ranges.correlated_share, ranges.noise_sigma),
        blur_sigma=_with_share(rng, ranges.blurred_share, ranges.blur_sigma),
        jpeg_quality=round(_with_share(rng, ranges.jpeg_share, ranges.jpeg_quality)),
        bits=ranges.bits,
        poisson=ranges.poisson)
    slope = float(rng.uniform(*ranges.slope)) if ranges.slope else None
    mean_ratio = _log_uniform(rng, ranges.mean_ratio) if ranges.mean_ratio else None
    camera, exposing, channels = rng.spawn(3)
    noise = (_log_uniform(channels, ranges.red_noise), 1.0, _log_uniform(channels, ranges.blue_noise))
    draw = replace(draw, channel_noise=noise)
    black = np.array([channels.uniform(*ranges.red_black), 0.0, channels.uniform(*ranges.blue_black)])
    if mean_ratio is not None:
        mean_ratio = _mixed_ratio(mean_ratio, ranges, camera)
        mean_ratio = max(mean_ratio, min(1.0, least_luma / max(mean_luma(reference), EPS)))
    calm = _calmness(mean_ratio, ranges.calm_ratio)
    plain = 1.0 if exposing.uniform() < ranges.exposed_share else calm
    levels = _log_uniform(camera, ranges.noise_levels) if ranges.noise_levels else None
    tinted, tinted_slope = camera.uniform() < ranges.tinted_share, float(camera.uniform(*ranges.tinted_slope))
    light = 0.0 if mean_ratio is None or ranges.mean_ratio is None else _over_middle(mean_ratio, ranges.mean_ratio)
    if slope is not None:
        slope = tinted_slope if tinted else _with_trend(slope, reference, ranges, light)
    draw, casts = _draw_camera(reference, draw, ranges, camera, tinted=tinted, calm=calm, plain=plain, light=light,
                               black=black)
    slope = None if plain == 1 else slope and slope + plain * (1 - slope)
    draw = _developed(reference, draw, casts, slope, mean_ratio)
    return draw if levels is None else _with_noise(reference, draw, levels * (1 - (1 - CALM_NOISE) * calm))


def _developed(reference: np.ndarray, draw: Degradation, casts: tuple[float, float], slope: float | None,
               mean_ratio: float | None) -> Degradation:
    """Toe, gains and exposure of a draw."""
    if draw.own_target:
        return solve_development(reference, draw, None, mean_ratio)
    if casts == (1.0, 1.0) and draw.matrix is None and not (draw.luma_share or draw.highlights or any(draw.black)):
        return solve_development(reference, draw, slope, mean_ratio)
    draw = solve_development(reference, draw, slope, mean_ratio, steps=STEPS if mean_ratio is None else ROUGH_STEPS)
    draw = _with_casts(reference, draw, casts) if casts != (1.0, 1.0) else draw
    return draw if mean_ratio is None else _exposed_to(reference, draw, mean_ratio)


def _mixed_ratio(mean_ratio: float, ranges: DegradationRanges, rng: np.random.Generator) -> float:
    """The mean ratio, or one of the extreme or well-lit ranges; always three draws."""
    kind, extreme, lit = rng.uniform(), _log_uniform(rng, ranges.extreme_ratio), _log_uniform(rng, ranges.lit_ratio)
    if kind < ranges.lit_share:
        return lit
    return extreme if kind < ranges.lit_share + ranges.extreme_share else mean_ratio


def _over_middle(mean_ratio: float, middle_of: Range) -> float:
    """Logarithm of a mean ratio over the middle of a range, as far as the range goes."""
    low, high = np.log(middle_of)
    return float(np.clip(np.log(max(mean_ratio, EPS)), low, high) - (low + high) / 2)


def _with_trend(slope: float, reference: np.ndarray, ranges: DegradationRanges, light: float) -> float:
    """A drawn slope and what light and contrast add to it."""
    if not (ranges.slope_by_ratio or ranges.slope_by_contrast):
        return slope
    low, high = _anchors(reference)
    contrast = float(np.log(high / low / TYPICAL_CONTRAST))
    slope += ranges.slope_by_ratio * light + ranges.slope_by_contrast * contrast
    return float(np.clip(slope, *SLOPES))


def _calmness(mean_ratio: float | None, calm_ratio: Range | None) -> float:
    """How much of a night's marks has faded at a mean ratio: 0 for none, 1 for all; even in the logarithm."""
    if mean_ratio is None or calm_ratio is None:
        return 0.0
    if mean_ratio >= calm_ratio[1]:
        return 1.0
    return float(np.clip(np.log(mean_ratio / calm_ratio[0]) / np.log(calm_ratio[1] / calm_ratio[0]), 0, 1))


def _draw_camera(reference: np.ndarray, draw: Degradation, ranges: DegradationRanges, rng: np.random.Generator, *,
                 tinted: bool, calm: float, plain: float, light: float,
                 black: np.ndarray) -> tuple[Degradation, tuple[float, float]]:
    """Colours, black level, highlights and kind of noise of a camera, and its casts of red and blue.

    Noise has faded by `calm`, the rest by `plain`; `light` is the logarithm of the mean ratio over a middle one,
    `black` what the channels' black levels are above the picture's. The number of draws is always the same.
    """
    left = 1 - plain
    cast_ranges, black_range = (ranges.red_cast, ranges.blue_cast), ranges.black
    if tinted:
        cast_ranges, black_range = (ranges.tinted_red_cast, ranges.tinted_blue_cast), ranges.tinted_black
    luma_share, casts = rng.uniform(*ranges.luma_share), [_log_uniform(rng, values) for values in cast_ranges]
    has_camera, seen, assumed = rng.uniform() < ranges.camera_share, *rng.exponential(size=(2, NUM_CAMERAS))
    saturation = (_log_uniform(rng, ranges.saturation) * np.exp(ranges.saturation_by_ratio * light))**left
    black = (rng.uniform(*black_range) * (1 + BLACK_JITTER * rng.standard_normal(3)) + black) * left
    mosaic, chroma = rng.uniform() < ranges.mosaic_share, _log_uniform(rng, ranges.chroma_noise)
    highlights = _with_share(rng, ranges.highlight_share, ranges.highlights)
    matrix = None
    if has_camera or saturation != 1:
        colors = camera_matrix(seen, assumed) if has_camera else np.eye(3)
        colors = saturation_matrix(saturation) @ (left * colors + plain * np.eye(3))
        red, green, blue = (_three(row) for row in colors)
        matrix = (red, green, blue)
    level = _mean_light(reference, draw) if black.any() else 0.0
    noise_left = 1 - (1 - CALM_NOISE) * calm
    return replace(
        draw,
        toe=draw.reference_toe if plain == 1 else draw.toe,
        own_target=calm == 1,
        gains=_three(g**left for g in draw.gains),
        shot=draw.shot * noise_left**2,
        read=draw.read * noise_left,
        blur_sigma=draw.blur_sigma * left,
        luma_share=luma_share * left,
        matrix=None if plain == 1 else matrix,
        black=_three(level * b * g for b, g in zip(black, draw.gains)),
        highlights=highlights,
        mosaic=mosaic,
        noise_sigma=0.0 if mosaic else draw.noise_sigma,
        chroma_noise=chroma), (casts[0]**left, casts[1]**left)


def _with_casts(reference: np.ndarray, draw: Degradation, casts: tuple[float, float]) -> Degradation:
    """Gains and black level under which red and blue come out over green as `casts` says, by some of the pixels.

    Near the low image's mean the development is a power law; its exponent turns a ratio of developed values into one of
    linear light. A few rounds take in matrix, black level and clipping.
    """
    thin = thinned(reference, CHECKED_PIXELS).reshape(-1, 3)
    light, target = unprocess(thin, draw.reference_toe), _over_green(thin)
    level = mean_luma(light) * 2.0**draw.stops
    power = draw.luma_share * _exponent(level, 1.0) + (1 - draw.luma_share) * _exponent(level, draw.toe)
    for _ in range(CAST_ROUNDS):
        found = _over_green(develop(seen_by_camera(light, draw), draw.toe, draw.luma_share)) / target
        factors = np.clip((np.array([casts[0], 1.0, casts[1]]) / found)**(1 / max(power, 0.1)), *GAIN_LIMIT)
        draw = replace(
            draw,
            gains=_three(g * f for g, f in zip(draw.gains, factors)),
            black=_three(b * f for b, f in zip(draw.black, factors)))
    return draw


def _over_green(pixels: np.ndarray) -> np.ndarray:
    """Means of the channels of (N, 3) over that of green."""
    means = np.maximum(pixels.mean(0), EPS)
    return means / means[1]


def _with_noise(reference: np.ndarray, draw: Degradation, levels: float) -> Degradation:
    """Shot and read noise scaled to a deviation in 8-bit levels where the low image has its mean luma.

    Of a picture that is nearly white it is the deviation somewhat below: white is clipped, and shows no noise.
    """
    light = float(np.clip(_mean_light(reference, draw) * 2.0**draw.stops, EPS**2, NOISY_LIGHT))
    luma = float(process(np.array(light, np.float32), draw.toe))
    deviation = np.sqrt(draw.shot * light + draw.read**2) / light * _exponent(light, draw.toe) * luma
    factor = min(levels / 255, MOST_NOISE * luma) / max(deviation, EPS**2)
    return replace(draw, shot=draw.shot * factor**2, read=draw.read * factor)


def _three(values: Iterable[float]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _mean_light(reference: np.ndarray, draw: Degradation) -> float:
    """Mean luma of the reference in linear light, over some of its pixels."""
    return mean_luma(unprocess(thinned(reference, CHECKED_PIXELS), draw.reference_toe))


def _exponent(light: float, toe: float) -> float:
    """The power law that the development is near a value of linear light."""
    near = process(np.array([light, 1.1 * light], np.float32), toe)
    return float(np.diff(np.log(np.maximum(near, EPS**2)))[0] / np.log(1.1))


def _exposed_to(reference: np.ndarray, draw: Degradation, mean_ratio: float) -> Degradation:
    """The exposure at which the fully developed low image has a mean ratio."""
    thin = thinned(reference, CHECKED_PIXELS).reshape(-1, 3)
    goal = mean_ratio * float((thin @ LUMA).mean())
    scene = seen_by_camera(unprocess(thin, draw.reference_toe), replace(draw, stops=0.0))
    darkness = bisect(lambda d: mean_luma(develop(scene * np.float32(2.0**-d), draw.toe, draw.luma_share)) > goal,
                      -STOPS_LIMIT[1], DARKEST, STEPS)
    return replace(draw, stops=-darkness)


def solve_development(reference: np.ndarray,
                      degradation: Degradation,
                      slope: float | None = None,
                      mean_ratio: float | None = None,
                      *,
                      steps: int = STEPS) -> Degradation:
    """Exposure and toe at which the noise-free low image has a slope and a mean ratio, but for matrix and black level.

    Args:
        reference: (H, W, 3), RGB in [0, 1].
        degradation: the rest of the draw; its `stops` and `toe` are replaced where they are solved for.
        slope: log-log slope between low and reference, taken on the grey axis between the 10th and the 90th percentile
            of the reference's luma; `None` keeps the toe. The toe stays in [0.4, 4].
        mean_ratio: mean luma of low over reference; `None` keeps the stops. They stay in [-12, 2].
        steps: of each bisection.
    """
    values, weights = luma_histogram(reference)
    low, high = _anchors(reference)
    goal = None if mean_ratio is None else mean_ratio * float((values * weights).sum())
    scene = unprocess(values, degradation.reference_toe) * np.asarray(degradation.gains, np.float32)

    def exposed(toe: float) -> Degradation:
        if goal is None:
            return replace(degradation, toe=toe)
        darkness = bisect(lambda d: float((process(scene * 2.0**-d, toe) * weights).sum()) > goal,
                          -STOPS_LIMIT[1], -STOPS_LIMIT[0], steps)
        return replace(degradation, toe=toe, stops=-darkness)

    if slope is None:
        return exposed(degradation.toe)
    least, most = (float(np.log(toe)) for toe in TOE_LIMIT)
    toe = bisect(lambda log_toe: log_slope(exposed(float(np.exp(log_toe))), low, high) < slope, least, most, steps)
    return exposed(float(np.exp(toe)))


def log_slope(degradation: Degradation, low: float, high: float) -> float:
    """Slope of log low over log reference between two grey values of the reference; no noise, gains or black level."""
    gray = np.array([low, high], np.float32)
    developed = process(unprocess(gray, degradation.reference_toe) * 2.0**degradation.stops, degradation.toe)
    return float(np.diff(np.log(np.maximum(developed, 1e-12)))[0] / np.log(high / low))


def _anchors(reference: np.ndarray) -> tuple[float, float]:
    """Two grey values between which the slope is taken; kept apart by half an octave at least."""
    low, high = np.quantile(thinned(reference) @ LUMA, ANCHORS)
    low = float(np.clip(low, ANCHOR_FLOOR, ANCHOR_CEILING / 2))
    return low, float(np.clip(high, 1.5 * low, ANCHOR_CEILING))


def _log_uniform(rng: np.random.Generator, values: Range) -> float:
    return float(np.exp(rng.uniform(*np.log(values))))


def _with_share(rng: np.random.Generator, share: float, values: Range) -> float:
    """A value of the range with the probability `share`, else 0; always two draws."""
    chosen, value = rng.uniform() < share, rng.uniform(*values)
    return float(value) if chosen else 0.0
