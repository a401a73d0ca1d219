"""The containers: PyAV, the source opened, the target made, and the passage of frames and packets between them."""
import os
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from isalux_mm.apis.video.encoding import pixel_format
from isalux_mm.apis.video.look import FULL, VideoLook
from isalux_mm.apis.video.report import VideoReport

if TYPE_CHECKING:
    import av


class VideoJob:
    """A container that is read and one that is written.

    Args:
        av: PyAV.
        reader: the container that is read, `writer` the one that is written.
        codec: encoder of the picture.
        options: of the encoder.
        report: counts go there.
    """

    def __init__(self, av: ModuleType, reader: 'av.container.InputContainer', writer: 'av.container.OutputContainer',
                 codec: str, options: dict[str, str], report: VideoReport):
        self.av, self.reader, self.writer, self.report = av, reader, writer, report
        if not reader.streams.video:
            raise ValueError(f'source must have a video stream, got {[s.type for s in reader.streams] or "none"}')
        self.source: Any = reader.streams.video[0]
        self.source.thread_type = 'AUTO'
        self.rate = self.source.average_rate or self.source.guessed_rate or Fraction(25)
        # of the picture, which the codec decides: a `VideoStream`
        self.target: Any = writer.add_stream(codec, rate=self.rate, options=options)
        self.copies: dict[int, Any] = {}
        self._look: VideoLook | None = None  # of the frame read last
        self._started = False
        self._pts: int | None = None
        writer.metadata.update(reader.metadata)
        for stream in reader.streams:
            if stream is not self.source:
                self._copy(stream)

    @property
    def look(self) -> VideoLook:
        """How the frame read last is to be read, and so the next one that is written.

        Raises:
            ValueError: if no frame has been read.
        """
        if self._look is None:
            raise ValueError('a frame must be read before one is written')
        return self._look

    @property
    def frames_expected(self) -> int | None:
        """As the container tells, or `None`."""
        return self.source.frames or None

    def _copy(self, stream: 'av.stream.Stream') -> None:
        if stream.type in ('audio', 'subtitle'):
            try:
                self.copies[stream.index] = copy = self.writer.add_stream_from_template(stream)
                copy.metadata.update(stream.metadata)
                return
            except (ValueError, self.av.error.FFmpegError):
                self.copies.pop(stream.index, None)
        self.report.left_out.append(f'{stream.index} ({stream.type})')

    def frames(self) -> Iterator[tuple[np.ndarray, float]]:
        """Frames, upright, (H, W, 3), RGB, uint8 or uint16, and the seconds since the one before; copies the rest."""
        streams = [s for s in self.reader.streams if s is self.source or s.index in self.copies]
        waiting = []  # packets that came before the first frame: the header is written with the first packet
        for packet in self.reader.demux(streams):
            if packet.stream is not self.source:
                waiting.append(packet)
            for frame in self._decoded(packet) if packet.stream is self.source else ():
                yield self._rgb(frame), self._seconds(frame)
            if self._started:
                for copied in waiting:
                    self._mux_copy(copied)
                waiting.clear()

    def _decoded(self, packet: 'av.Packet') -> list['av.VideoFrame']:
        try:
            return packet.decode()
        except self.av.error.FFmpegError:
            self.report.broken += 1
            return []

    def _mux_copy(self, packet: 'av.Packet') -> None:
        if packet.size:  # an empty one marks the end
            packet.stream = self.copies[packet.stream.index]
            self.writer.mux(packet)

    def _seconds(self, frame: 'av.VideoFrame') -> float:
        """Since the frame before; notes the time stamp, which goes on at the frame rate where there is none."""
        last, pts = self._pts, frame.pts
        if pts is None:
            pts = 0 if last is None else last + max(round(1 / (self.rate * self.source.time_base)), 1)
        self._pts = pts
        return 0.0 if last is None else float((pts - last) * self.source.time_base)

    def _rgb(self, frame: 'av.VideoFrame') -> np.ndarray:
        self._look = look = VideoLook.of(frame)
        deep = any(component.bits > 8 for component in frame.format.components)
        rgb = frame.reformat(format='rgb48le' if deep else 'rgb24', src_colorspace=look.matrix,
                             dst_colorspace=look.matrix, src_color_range=look.range, dst_color_range=FULL)
        return np.ascontiguousarray(np.rot90(rgb.to_ndarray(), look.turns))

    def write(self, image: np.ndarray) -> None:
        """Encodes an enhanced frame with the time stamp of the frame read last."""
        if not self._started:
            self._start(*image.shape[:2])
        if image.shape[:2] != (self.target.height, self.target.width):
            raise ValueError(f'frames must keep their size, got {image.shape[:2]} after '
                             f'{(self.target.height, self.target.width)}')
        frame = self.av.VideoFrame.from_ndarray(image, format='rgb24' if image.dtype == np.uint8 else 'rgb48le')
        look = self.look
        frame = frame.reformat(format=self.target.pix_fmt, src_colorspace=look.matrix, dst_colorspace=look.matrix,
                               src_color_range=FULL, dst_color_range=look.range)
        frame.colorspace, frame.color_range = look.colorspace, look.range
        frame.color_primaries, frame.color_trc = look.primaries, look.transfer
        frame.pts, frame.time_base = self._pts, self.source.time_base
        self.writer.mux(self.target.encode(frame))

    def _start(self, height: int, width: int) -> None:
        source, target = self.source, self.target
        target.width, target.height = width, height
        even = height % 2 == width % 2 == 0
        look = self.look
        target.pix_fmt = pixel_format(self.av, target.codec_context.name, look.format, even=even)
        target.codec_context.time_base = source.time_base
        target.codec_context.thread_type = 'AUTO'
        ratio = source.codec_context.sample_aspect_ratio or source.sample_aspect_ratio
        if ratio:
            target.codec_context.sample_aspect_ratio = 1 / ratio if look.turns % 2 else ratio
        target.codec_context.colorspace = look.colorspace
        target.codec_context.color_range = look.range
        target.codec_context.color_primaries = look.primaries
        target.codec_context.color_trc = look.transfer
        self._started = True

    def finish(self) -> None:
        """Writes what the encoder still holds."""
        if self._started:
            self.writer.mux(self.target.encode(None))


def check_paths(source: str | Path, out: Path, *, live: bool, overwrite: bool) -> None:
    """Raises before any work what would go wrong with source and target."""
    if not live:
        if not Path(source).is_file():
            raise FileNotFoundError('source must be a video file, an address, or a device with its format, '
                                    f'got {source}')
        if out.exists() and out.samefile(source):
            raise ValueError(f'out must be another file than the source, got {out}')
    if not out.suffix:
        raise ValueError(f"out must have a container's suffix such as .mp4 or .mkv, got {out}")
    if out.exists() and not overwrite:
        raise FileExistsError(f'out must not exist unless it may be overwritten, got {out}')


def is_address(source: str | Path) -> bool:
    """Whether a source is no file: `rtsp://...`, but not a file whose name holds a colon (`10:20:30.mp4`)."""
    return '://' in str(source) and not os.path.exists(source)


def local(path: str | Path) -> str:
    """A file for FFmpeg, which takes what stands before a colon for a protocol, but not in an absolute path."""
    return os.path.abspath(path)


def opened(av: ModuleType, source: str | Path, source_format: str | None,
           options: Mapping[str, str] | None) -> 'av.container.InputContainer':
    """The source, opened for reading.

    Raises:
        ValueError: if FFmpeg cannot read it.
    """
    options = dict(options or {})
    if is_address(source) and str(source).startswith('rtsp'):
        options.setdefault('rtsp_transport', 'tcp')  # UDP loses packets, which shows
    name = str(source) if source_format is not None or is_address(source) else local(source)
    try:
        return av.open(name, format=source_format, options=options)
    except (ValueError, av.error.FFmpegError) as error:
        raise ValueError(f'source must be a video that FFmpeg reads, got {source} ({error})') from error


def created(av: ModuleType, draft: Path, out: Path) -> 'av.container.OutputContainer':
    """A new container.

    Args:
        av: PyAV.
        draft: the file that is written.
        out: what it is to become, which errors name.

    Raises:
        ValueError: if no container has that suffix, or it cannot be written.
    """
    try:
        return av.open(local(draft), 'w')
    except (ValueError, av.error.FFmpegError) as error:
        raise ValueError(f"out must be writable and have a container's suffix such as .mp4 or .mkv, got {out} "
                         f'({str(error).replace(local(draft), str(out))})') from error


def import_av() -> ModuleType:
    """PyAV.

    Raises:
        ImportError: if it is missing; names the extra.
    """
    try:
        import av
    except ImportError as error:
        raise ImportError('videos need PyAV: pip install isalux-mm[video]') from error
    return av
