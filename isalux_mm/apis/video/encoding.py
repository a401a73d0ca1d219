"""The encoder of the picture: which one, its quality, and the pixel format that it takes."""
from pathlib import Path
from types import ModuleType

CODECS = {'.webm': 'libvpx-vp9'}  # of a container that takes no H.264
DEFAULT_CODEC = 'libx264'
RATE_FACTORS = {'libx264': 18, 'libx265': 20, 'libvpx-vp9': 24, 'libsvtav1': 24}  # ours: hardly visible losses
SUBSAMPLED = ('420', '411', '410', '422', 'nv12', 'nv16', 'nv21')  # in names of formats that need even sides


def codec_for(out: Path) -> str:
    """The encoder that the container of a file takes."""
    return CODECS.get(out.suffix.lower(), DEFAULT_CODEC)


def pixel_format(av: ModuleType, codec: str, wanted: str, *, even: bool) -> str:
    """The wanted pixel format if the encoder takes it, or the nearest that it takes.

    Args:
        av: PyAV.
        codec: encoder.
        wanted: of the source.
        even: whether width and height are; formats with chroma of lower resolution need that.
    """
    known = [f.name for f in av.Codec(codec, 'w').video_formats or ()]
    wanted = wanted.replace('yuvj', 'yuv')  # the range is named apart
    deep = any(c.bits > 8 for c in av.VideoFormat(wanted).components)
    candidates = [wanted, *(['yuv420p10le', 'yuv444p10le'] if deep else []), 'yuv420p', 'yuv444p', *known]
    fits = [c for c in candidates if c in known and (even or not any(s in c for s in SUBSAMPLED))]
    if not fits:
        raise ValueError(f'codec must take frames of odd width or height, {codec} takes {", ".join(known)}')
    return fits[0]


def encoder_options(av: ModuleType, codec: str, crf: int | None) -> dict[str, str]:
    """Options of an encoder for the quality asked.

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
    return {'crf': str(crf), **({'b:v': '0'} if codec == 'libvpx-vp9' else {})}
