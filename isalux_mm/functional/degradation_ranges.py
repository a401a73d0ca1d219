"""What one draw of the low-light synthesis holds, and what it is drawn from (ours; paper silent)."""
from dataclasses import dataclass, fields, replace
from math import inf

from isalux_mm.functional.checks import check_range, is_list, is_number, is_whole, shown

Range = tuple[float, float]
Matrix = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
POSITIVE = ('mean_ratio', 'slope', 'reference_toe', 'shot', 'noise_left', 'noise_sigma', 'blur_sigma', 'red_cast',
            'blue_cast', 'tinted_red_cast', 'tinted_blue_cast', 'tinted_slope', 'saturation', 'chroma_noise',
            'extreme_ratio', 'lit_ratio', 'calm_ratio', 'noise_levels', 'red_noise', 'blue_noise')
LEAST_ZERO = ('gain_jitter', 'read_spread', 'highlights')
BOUNDED: dict[str, Range] = dict(
    black=(-1, 1), tinted_black=(-1, 1), red_black=(-1, 1), blue_black=(-1, 1), jpeg_quality=(1, 100), bits=(1, 12))


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
        bits: bits per channel of the quantization.
        poisson: shot noise drawn from a Poisson law instead of a Gaussian of the same variance.
        luma_share: how much of the tone curve works on the luma instead of each channel (see `develop`).
        matrix: (3, 3), applied to linear light, rows sum to 1; `None` is the identity.
        black: subtracted from R, G, B in linear light, in units of the reference's linear light, before exposure:
            positive values clip dark tones to zero, negative ones leave a pedestal.
        highlights: stops by which clipped tones of the reference are brighter than its white.
        mosaic: noise as demosaicing leaves it, in the place of `noise_sigma`.
        chroma_noise: factor of the noise's distance from its luma (see `unit_noise`).
        channel_noise: what the deviations of the noise of R, G and B are to each other (see `unit_noise`); like
            `chroma_noise` of read noise alone where shot noise is drawn from a Poisson law.
        own_target: the pair's target is the low image without noise, for it is well lit.
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
    luma_share: float = 0.0
    matrix: Matrix | None = None
    black: tuple[float, float, float] = (0.0, 0.0, 0.0)
    highlights: float = 0.0
    mosaic: bool = False
    chroma_noise: float = 1.0
    channel_noise: tuple[float, float, float] = (1.0, 1.0, 1.0)
    own_target: bool = False


@dataclass(frozen=True)
class DegradationRanges:
    """What a `Degradation` is drawn from; a pair is (lowest, highest), drawn evenly unless said otherwise.

    The defaults are a plain camera: one exposure, tone curve and noise. `CAMERAS` below spans real cameras.

    Attributes:
        stops: exposure; used where `mean_ratio` is `None`. Ours: one to five stops under.
        mean_ratio: mean luma of low over reference, drawn log-evenly; the stops are solved for it. Ours, after the 0.06
            to 0.27 measured on LOL, taken a little wider.
        slope: log-log slope between low and reference, sRGB; the toe is solved for it. Ours, after the 1.3 to 2.7
            measured on LOL (median 1.9 and 2.1), taken wider below. `None` draws no toe: plain sRGB.
        slope_by_ratio: added to the drawn slope per e-fold of the mean ratio above the middle of `mean_ratio`, as far
            as that goes; 1 to 3.5 remain. In real pairs less light means a steeper slope.
        slope_by_contrast: likewise per e-fold of the reference's contrast, between the 10th and 90th percentile of its
            luma, above a typical one of 3.
        reference_toe: ours: photographs carry a mild S-curve (Brooks et al., 2019, undo 3x^2 - 2x^3).
        gain_jitter: standard deviation of each gain around 1. Ours.
        shot: drawn log-evenly; Brooks et al. (2019, Unprocessing Images for Learned Raw Denoising), Sec. 3.1.
        read_spread: standard deviation of log read variance around 2.18 log(shot) + 1.20; ibidem.
        noise_left: share of that noise's deviation which the camera's averaging and denoising leave, drawn log-evenly.
            Ours: gives dark 8-bit photographs a noise of 0.5 to 5 levels.
        noise_levels: standard deviation of the noise in 8-bit levels where the low image has its mean luma, drawn
            log-evenly; shot and read noise are scaled to it, in the place of `noise_left`. At most half of that
            luma. `None` scales nothing.
        correlated_share, blurred_share, jpeg_share: probabilities of correlated noise, blur, JPEG. Ours.
        noise_sigma: drawn with `correlated_share`, pixels. Ours: demosaicing spreads noise over neighbours.
        blur_sigma: drawn with `blurred_share`, pixels. Ours.
        jpeg_quality: drawn with `jpeg_share`. Ours.
        bits: quantization, 1 to 12.
        poisson: see `Degradation`.
        luma_share: see `Degradation`.
        red_cast, blue_cast: mean of red (blue) over green, low against reference, as developed; drawn log-evenly, the
            gains are set so that about these come out.
        tinted_share: probability of a camera with a strong tint and a raised black level, whose casts, black level and
            slope come from the ranges `tinted_red_cast`, `tinted_blue_cast`, `tinted_black` and `tinted_slope`.
        camera_share: probability of a matrix between two cameras, each a random blend of the four of
            `XYZ_TO_CAMERAS`.
        saturation: factor of the colours' distance from the luma, linear light, drawn log-evenly.
        saturation_by_ratio: power of the mean ratio, over the middle of `mean_ratio`, that it is multiplied by, as far
            as `mean_ratio` goes.
        black: subtracted black level, as a share of the reference's mean linear luma times the channel's gain.
        red_black, blue_black: added to the black level of red (blue), drawn evenly: above zero shadows lose red (blue)
            first, as LOL-v1's do.
        mosaic_share: probability of demosaiced noise, in the place of correlated noise.
        chroma_noise: drawn log-evenly; see `unit_noise`.
        red_noise, blue_noise: deviation of the noise of red (blue) over that of green, drawn log-evenly; a camera's
            white balance amplifies red and blue. Measured: 1.6 and 1.2 on LOL-v1, 1.9 and 1.2 on another camera.
        highlight_share: probability that the reference's clipped tones are brighter than its white.
        highlights: by how many stops.
        extreme_share: probability that the exposure comes from `extreme_ratio` instead of `mean_ratio`.
        lit_share: probability that it comes from `lit_ratio`.
        exposed_share: probability of a camera that exposes less and does nothing else: slope 1, no cast, matrix,
            saturation, black level or blur; noise as ever.
        calm_ratio: two mean ratios between which slope, casts, saturation, black level and blur fade to none and
            the noise to a quarter: bright pictures are no night shots. From the second on, the pair's target is the low
            image itself without noise. `None` fades nothing.

    Raises:
        ValueError: if a range is empty or out of its bounds, or a value is no finite number.
    """
    stops: Range = (-5.0, -1.0)
    mean_ratio: Range | None = (0.05, 0.3)
    slope: Range | None = (1.1, 2.6)
    slope_by_ratio: float = 0.0
    slope_by_contrast: float = 0.0
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
    luma_share: Range = (0.0, 0.0)
    red_cast: Range = (1.0, 1.0)
    blue_cast: Range = (1.0, 1.0)
    tinted_share: float = 0.0
    tinted_red_cast: Range = (1.0, 1.0)
    tinted_blue_cast: Range = (1.0, 1.0)
    tinted_black: Range = (0.0, 0.0)
    tinted_slope: Range = (1.0, 1.0)
    camera_share: float = 0.0
    saturation: Range = (1.0, 1.0)
    saturation_by_ratio: float = 0.0
    black: Range = (0.0, 0.0)
    red_black: Range = (0.0, 0.0)
    blue_black: Range = (0.0, 0.0)
    mosaic_share: float = 0.0
    chroma_noise: Range = (1.0, 1.0)
    red_noise: Range = (1.0, 1.0)
    blue_noise: Range = (1.0, 1.0)
    noise_levels: Range | None = None
    highlight_share: float = 0.0
    highlights: Range = (1.0, 6.0)
    extreme_share: float = 0.0
    extreme_ratio: Range = (0.005, 1.2)
    lit_share: float = 0.0
    lit_ratio: Range = (0.7, 1.2)
    exposed_share: float = 0.0
    calm_ratio: Range | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type in (Range, Range | None):
                if not (value is None and field.type == Range | None):
                    self._check_range(field.name, value)
            elif field.type is bool:
                if not isinstance(value, bool):
                    raise ValueError(f'{field.name} must be True or False, got {shown(value)}')
            else:
                self._check_number(field.name, value)
        if not is_whole(self.bits):
            raise ValueError(f'bits must be a whole number, got {self.bits}')
        if self.extreme_share + self.lit_share > 1:
            raise ValueError(f'extreme_share and lit_share must be at most 1 together, got {self.extreme_share} and '
                             f'{self.lit_share}')

    def _check_range(self, name: str, value: Range) -> None:
        """Raises a `ValueError` if a range is empty, no pair of numbers, or out of its field's bounds."""
        fits = is_list(value) and len(value) == 2 and all(map(is_number, value))
        if not (fits and value[0] <= value[1]):
            raise ValueError(f'{name} must be (lowest, highest), got {shown(value)}')
        if name in POSITIVE and value[0] <= 0:
            raise ValueError(f'{name} must be positive, got {shown(value)}')
        low, high = bounds(name)
        if not low <= value[0] <= value[1] <= high:
            raise ValueError(f'{name} must be in [{low}, {high}], got {shown(value)}')

    def _check_number(self, name: str, value: float) -> None:
        """Raises a `ValueError` if a value is no finite number or out of its field's bounds."""
        if not is_number(value):
            raise ValueError(f'{name} must be a finite number, got {shown(value)}')
        check_range(value, *bounds(name), name)


def bounds(name: str) -> Range:
    """The bounds of a field of `DegradationRanges`, those that must be positive aside."""
    if name.endswith('_share'):
        return 0, 1
    if name in BOUNDED:
        return BOUNDED[name]
    return (0 if name in LEAST_ZERO else -inf), inf


PLAIN = DegradationRanges()
# ours: spans the cameras of LOL-v1 and of a set with a strong red cast; docs/synthesis.md has the table
CAMERAS = DegradationRanges(
    mean_ratio=(0.03, 0.35),
    slope=(1.0, 3.2),
    gain_jitter=0.0,
    shot=(5e-4, 1.2e-2),
    noise_levels=(0.9, 3.3),
    luma_share=(0.0, 1.0),
    red_cast=(0.7, 1.3),
    blue_cast=(0.5, 1.12),
    black=(-0.08, 0.08),
    tinted_share=0.3,
    tinted_red_cast=(1.2, 6.0),
    tinted_blue_cast=(0.5, 5.0),
    tinted_black=(-0.4, 0.0),
    tinted_slope=(0.1, 0.85),
    camera_share=0.5,
    saturation=(0.8, 4.6),
    correlated_share=0.26,
    noise_sigma=(0.5, 1.5),
    mosaic_share=0.2,
    chroma_noise=(0.4, 2.0),
    red_noise=(1.2, 3.2),
    blue_noise=(0.8, 1.9),
    blurred_share=0.3,
    highlight_share=0.15,
    highlights=(1.0, 4.0),
    extreme_share=0.15,
    lit_share=0.25,
    lit_ratio=(0.35, 1.2),
    exposed_share=0.12,
    calm_ratio=(0.35, 0.85))
# ours: cameras nearer to that of LOL-v1, fewer with a strong tint, steeper tones; docs/synthesis.md has the table
LOL = replace(
    CAMERAS,
    mean_ratio=(0.04, 0.35),
    slope=(1.2, 3.2),
    saturation=(0.9, 5.0),
    blue_cast=(0.6, 1.15),
    tinted_share=0.1,
    red_noise=(1.2, 2.4),
    blue_noise=(1.0, 1.6),
    extreme_share=0.1)
BASES = dict(plain=PLAIN, cameras=CAMERAS, lol=LOL)
