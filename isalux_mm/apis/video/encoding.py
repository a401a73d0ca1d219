"""The encoder of the picture: which one, its quality, its clock, and the pixel format that it takes."""
import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import ModuleType

CODECS = {'.webm': 'libvpx-vp9'}  # of a container that takes no H.264
DEFAULT_CODEC = 'libx264'
RATE_FACTORS = {'libx264': 18, 'libx265': 20, 'libvpx-vp9': 24, 'libsvtav1': 24}  # ours: hardly visible losses
# ours: a third of the time of the encoders' own choice, or less
QUICK_OPTIONS = {'libx264': {'preset': 'veryfast'}, 'libx265': {'preset': 'superfast'}, 'libsvtav1': {'preset': '10'},
                 'libvpx-vp9': {'deadline': 'realtime', 'cpu-used': '7', 'row-mt': '1'}}
SUBSAMPLED = ('420', '411', '410', '422', '440', 'nv12', 'nv16', 'nv21', 'p010')  # in names of formats of even sides
DEPTHS = ('8', '10', 'source')
PLAYABLE = ('yuv420p', 'yuv444p')  # the first plays everywhere, the second takes odd sides
PLAYABLE_DEEP = ('yuv420p10le', 'yuv444p10le')
HEVC_CODECS = ('libx265', 'hevc')  # beginnings of names of encoders
HEVC_TAG = 'hvc1'  # what Apple's players want in place of hev1
APPLE_SUFFIXES = ('.mp4', '.mov', '.m4v')
MPEG4_DENOMINATOR = 65535  # most of MPEG-4's clock
QUIET_OPTIONS = {'libx265': {'x265-params': 'log-level=none'}}
QUIET_VARIABLE, QUIET_LEVEL = 'SVT_LOG', '0'  # SVT-AV1 has no other way


def codec_for(out: Path) -> str:
    """The encoder that the container of a file takes."""
    return CODECS.get(out.suffix.lower(), DEFAULT_CODEC)


def is_apple(out: Path) -> bool:
    """Whether a file is of the family of QuickTime."""
    return out.suffix.lower() in APPLE_SUFFIXES


def default_depth(codec: str) -> str:
    """'8' of encoders for watching, 'source' of those for keeping and editing."""
    return '8' if codec in RATE_FACTORS else 'source'


def pixel_format(av: ModuleType, codec: str, wanted: str, *, even: bool, depth: str = 'source') -> str:
    """The pixel format that an encoder is given.

    Args:
        av: PyAV.
        codec: encoder.
        wanted: of the source.
        even: whether width and height are; formats with chroma of lower resolution need that.
        depth: '8' and '10' are 4:2:0 of so many bits, 'source' is what the source has, or the nearest.

    Raises:
        ValueError: if there is none.
    """
    known = [f.name for f in av.Codec(codec, 'w').video_formats or ()]
    wanted = wanted.replace('yuvj', 'yuv')  # the range is named apart
    deep = depth == '10' or depth == 'source' and any(c.bits > 8 for c in av.VideoFormat(wanted).components)
    candidates = [*([wanted] if depth == 'source' else []), *(PLAYABLE_DEEP if deep else ()), *PLAYABLE, *known]
    fits = [c for c in candidates if c in known and (even or not any(s in c for s in SUBSAMPLED))]
    if not fits:
        raise ValueError(f'codec must take frames of odd width or height, {codec} takes {", ".join(known)}')
    return fits[0]


def time_base(source: Fraction, rate: Fraction, codec: str, out: Path) -> Fraction:
    """Seconds of a tick of the encoder's clock: the source's, or what the encoder and the container can count."""
    if out.suffix.lower() == '.avi':  # counts frames
        return 1 / rate
    if codec == 'mpeg4' and source.denominator > MPEG4_DENOMINATOR:
        return (1 / rate).limit_denominator(MPEG4_DENOMINATOR)
    return source


def encoder_options(av: ModuleType, codec: str, crf: int | None, *, quick: bool = False) -> dict[str, str]:
    """Options of an encoder for the quality asked.

    Args:
        av: PyAV.
        codec: encoder.
        crf: its rate factor; `None` for ours.
        quick: whether it is to take little time, for somewhat larger files.

    Raises:
        ValueError: if there is no such encoder, or it has no rate factor and one is given.
    """
    try:
        known = av.Codec(codec, 'w').type == 'video'
    except (ValueError, av.error.FFmpegError):
        known = False
    if not known:
        raise ValueError(f"codec must be a video encoder of FFmpeg's such as {', '.join(RATE_FACTORS)}, got {codec!r}")
    if codec not in RATE_FACTORS:
        if crf is not None:
            raise ValueError(f'crf must be left out with {codec}: it has no rate factor')
        return {}
    crf = RATE_FACTORS[codec] if crf is None else crf
    if not 0 <= crf <= 63:
        raise ValueError(f'crf must be in [0, 63], got {crf}')
    options = {'crf': str(crf), **(QUICK_OPTIONS[codec] if quick else {})}
    return {**options, **({'b:v': '0'} if codec == 'libvpx-vp9' else {}), **QUIET_OPTIONS.get(codec, {})}


@contextmanager
def quiet_encoders() -> Iterator[None]:
    """Keeps encoders from writing on standard error by themselves."""
    before = os.environ.get(QUIET_VARIABLE)
    os.environ.setdefault(QUIET_VARIABLE, QUIET_LEVEL)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(QUIET_VARIABLE, None)
