"""Small videos of every kind for the tests, built by PyAV."""
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip('av', reason='videos need PyAV')
RATE, SOUND_RATE = 25, 16000
SIZE = (32, 48)


def stills(count: int = 6, size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """Dark ramps that move, (H, W, 3), uint8."""
    y, x = np.mgrid[:size[0], :size[1]]
    level = [np.stack([(x + 4 * i) % size[1] / size[1], y / size[0], 1 - x / size[1]], -1) for i in range(count)]
    return [(50 * one).astype(np.uint8) for one in level]


def write_clip(path: Path, frames: Sequence[np.ndarray] | None = None, *, codec: str = 'libx264',
               format: str | None = None, pix_fmt: str = 'yuv420p', times: Sequence[int] | None = None,
               time_base: Fraction = Fraction(1, RATE), options: dict[str, str] | None = None,
               sound: str | None = None, matrix: int = 2, primaries: int = 2, transfer: int = 2,
               tags: dict[str, str] | None = None, tag_errors: str = 'strict') -> Path:
    """A clip of one picture stream and perhaps a sound.

    Args:
        path: file.
        frames: its pictures.
        codec: of the picture, with `options`.
        format: container, where the suffix does not tell.
        pix_fmt: of the samples.
        times: time stamps, in ticks of `time_base`.
        sound: codec of the sound.
        matrix: YUV matrix that is named, like `primaries` and `transfer`; samples are BT.601.
        tags: of the container, encoded with `tag_errors`.
    """
    frames = stills() if frames is None else frames
    with av.open(str(path), 'w', format=format, metadata_errors=tag_errors) as container:
        container.metadata.update(tags or {})
        stream = container.add_stream(codec, rate=RATE, options=options or {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, context = pix_fmt, stream.codec_context
        context.time_base, context.colorspace, context.color_primaries = time_base, matrix, primaries
        context.color_trc = transfer
        track = container.add_stream(sound, rate=SOUND_RATE, layout='mono') if sound else None
        for i, still in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(still, format='rgb24').reformat(format=pix_fmt)
            frame.pts, frame.time_base = (times[i] if times else i), time_base
            frame.colorspace = matrix
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track is not None:
            wave = (8000 * np.sin(np.arange(SOUND_RATE * len(frames) // RATE) / 10)).astype(np.int16)[None]
            samples = av.AudioFrame.from_ndarray(wave, format='s16', layout='mono')
            samples.sample_rate, samples.pts = SOUND_RATE, 0
            for part in av.AudioResampler(format=track.codec_context.format.name, layout='mono',
                                          rate=SOUND_RATE).resample(samples):
                container.mux(track.encode(part))
            container.mux(track.encode(None))
    return path


def joined(path: Path, *parts: Path) -> Path:
    """Files one after the other, byte by byte."""
    path.write_bytes(b''.join(part.read_bytes() for part in parts))
    return path


def remuxed(path: Path, *parts: tuple[Path, str], flags: dict[int, str] | None = None) -> Path:
    """The streams of several files in one, in the order given.

    Args:
        path: file.
        parts: file and kind of stream.
        flags: disposition by place.
    """
    sources = [av.open(str(part)) for part, _ in parts]
    with av.open(str(path), 'w') as container:
        pairs = []
        for place, (source, (_, kind)) in enumerate(zip(sources, parts)):
            stream = next(s for s in source.streams if s.type == kind)
            copy = container.add_stream_from_template(stream, opaque=True)
            copy.disposition = type(stream.disposition)[(flags or {}).get(place, 'default')]
            pairs.append((source, stream, copy))
        for source, stream, copy in pairs:
            for packet in source.demux(stream):
                if packet.size:
                    packet.stream = copy
                    container.mux(packet)
    for source in sources:
        source.close()
    return path


def write_cover(path: Path) -> Path:
    """A JPEG."""
    from PIL import Image
    Image.fromarray(stills(1)[0]).save(path)
    return path


def write_y4m(path: Path, frames: Sequence[np.ndarray] | None = None) -> Path:
    """Raw frames of 4:2:0 that have no time stamps."""
    frames = stills() if frames is None else frames
    height, width = frames[0].shape[:2]
    with open(path, 'wb') as file:
        file.write(f'YUV4MPEG2 W{width} H{height} F{RATE}:1 Ip A1:1 C420jpeg\n'.encode())
        for still in frames:
            planes = av.VideoFrame.from_ndarray(still, format='rgb24').reformat(format='yuv420p').to_ndarray()
            file.write(b'FRAME\n' + planes.tobytes())
    return path


def times_of(path: Path) -> list[float]:
    """Seconds at which the decoded frames are shown, in the order of decoding."""
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams.video)
        return [float(frame.pts * stream.time_base) for frame in container.decode(stream)]
