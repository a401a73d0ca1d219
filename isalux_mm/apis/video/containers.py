"""The containers: PyAV, the source opened, the target made, and the passage of frames and packets between them."""
import os
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from isalux_mm.apis.video.encoding import HEVC_CODECS, HEVC_TAG, is_apple, pixel_format, time_base
from isalux_mm.apis.video.look import FULL, VideoLook
from isalux_mm.apis.video.report import VideoReport
from isalux_mm.apis.video.streams import Copies, has_device_tags, kept_tags, picture_of
from isalux_mm.apis.video.timing import Continuity, FrameClock

if TYPE_CHECKING:
    import av

MAX_PIXELS = 7680 * 4320  # ours, of a frame: 8K; larger ones are not worked on whole
USUAL_RATE, USUAL_BASE = Fraction(25), Fraction(1, 90_000)  # where a container names none
# containers that have no time of showing: what FFmpeg guesses goes wrong where frames are reordered
UNSHOWN, UNSHOWN_SUFFIXES = ('avi', ), ('.avi', )


class VideoJob:
    """A container that is read and one that is written.

    Args:
        av: PyAV.
        reader: the container that is read, `writer` the one that is written.
        codec: encoder of the picture.
        options: of the encoder.
        depth: as of `pixel_format`.
        report: counts go there.

    Raises:
        ValueError: if there is no picture.
    """

    def __init__(self, av: ModuleType, reader: 'av.container.InputContainer', writer: 'av.container.OutputContainer',
                 codec: str, options: dict[str, str], depth: str, report: VideoReport):
        self.av, self.reader, self.writer, self.depth, self.report = av, reader, writer, depth, report
        self.source, self._packets = picture_of(reader)
        self.source.thread_type = 'AUTO'
        self.rate = self.source.average_rate or self.source.guessed_rate or USUAL_RATE
        # of the picture, which the codec decides: a `VideoStream`
        self.target: Any = writer.add_stream(codec, rate=self.rate, options=options)
        self.time_base = time_base(self.source.time_base or USUAL_BASE, self.rate, codec, report.path)
        self.copies = Copies(av, writer, report)
        self._clock = FrameClock(self.source.time_base or USUAL_BASE, self.time_base, self.rate)
        self._continuity = Continuity(jumps=bool(reader.format.flags & av.format.Flags.ts_discont.value))
        self._look: VideoLook | None = None  # of the frame read last
        self._size: tuple[int, int] | None = None  # of the first frame, upright
        self._started = False
        self._tick = 0
        self._delay: int | None = None  # of the first frame behind the first packet, where there is no time of showing
        writer.metadata.update(kept_tags(reader.metadata))
        self.target.metadata.update(kept_tags(self.source.metadata))
        self.target.disposition = self.source.disposition
        self.copies.add([s for s in reader.streams if s is not self.source])
        self.copies.add_chapters(reader)

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

    def frames(self) -> Iterator[tuple[np.ndarray, float]]:
        """Frames, upright, (H, W, 3), RGB, uint8 or uint16, and the seconds since the one before; copies the rest.

        All have the size of the first, to which others are scaled.
        """
        waiting = []  # packets that came before the first frame: the header is written with the first packet
        for packet in self._readable():
            self._continuity.follow(packet)
            self.report.joins = self._continuity.joins
            if packet.stream.index in self.copies:
                waiting.append(packet)
            if packet.stream is self.source:
                for frame in self._decoded(packet):
                    seconds = self._seconds(frame)
                    yield self._rgb(frame), seconds
            if self._started:
                for copied in waiting:
                    self.copies.mux(copied)
                waiting.clear()
        for frame in self._decoded(None):  # nothing is left where the packets ended as they should
            seconds = self._seconds(frame)
            yield self._rgb(frame), seconds

    def _readable(self) -> Iterator['av.Packet']:
        """All packets; those of a source that cannot be read to its end, up to there, as FFmpeg has it."""
        try:
            yield from self._packets
        except self.av.error.FFmpegError as error:
            self.report.warn(f'the source cannot be read to its end ({error}): the result ends there')

    def _decoded(self, packet: 'av.Packet | None') -> list['av.VideoFrame']:
        """Frames of a packet; of `None`, what the decoder still holds."""
        by_dts = self.reader.format.name in UNSHOWN
        if packet is not None and by_dts:
            packet.pts = None
            if self._delay is None and packet.dts is not None:
                self._delay = packet.dts
        try:
            return self.source.decode(packet)
        except EOFError:  # it has been emptied already
            return []
        except self.av.error.FFmpegError:
            self.report.broken += 1
            return []

    def _seconds(self, frame: 'av.VideoFrame') -> float:
        """Since the frame before; notes the time stamp."""
        pts, dts = frame.pts, frame.dts
        if self._delay is not None and dts is not None:
            if self._size is None:  # the first
                self._delay = dts - self._delay
            pts = dts = dts - self._delay
        self._tick, seconds = self._clock.tick(pts, dts)
        self.report.corrected = self._clock.corrected
        return seconds

    def _rgb(self, frame: 'av.VideoFrame') -> np.ndarray:
        look = VideoLook.of(frame)
        for sentence in look.warnings():
            self.report.warn(sentence)
        if frame.width * frame.height > MAX_PIXELS:
            raise ValueError(f'frames must have at most {MAX_PIXELS} pixels, got {frame.width} x {frame.height}')
        turned = look.turns % 2 == 1
        own = (frame.width, frame.height) if turned else (frame.height, frame.width)  # upright
        self._size = size = self._size or own
        if own != size:
            self.report.resized += 1
            self.report.warn(f'frames of {own[1]} x {own[0]} pixels are scaled to {size[1]} x {size[0]}, the size of '
                             'the first')
        width, height = size if turned else size[::-1]
        self._look = look
        rgb = frame.reformat(width, height, 'rgb48le' if look.deep else 'rgb24', src_colorspace=look.matrix,
                             dst_colorspace=look.matrix, src_color_range=look.range, dst_color_range=FULL)
        return np.ascontiguousarray(np.rot90(rgb.to_ndarray(), look.turns))

    def write(self, image: np.ndarray) -> None:
        """Encodes an enhanced frame with the time stamp of the frame read last."""
        if not self._started:
            self._start(*image.shape[:2])
        frame = self.av.VideoFrame.from_ndarray(image, format='rgb24' if image.dtype == np.uint8 else 'rgb48le')
        look = self.look
        written = FULL if self.target.format.is_rgb else look.range
        frame = frame.reformat(format=self.target.pix_fmt, src_colorspace=look.matrix, dst_colorspace=look.matrix,
                               src_color_range=FULL, dst_color_range=written)
        frame.colorspace, frame.color_range = look.colorspace, written
        frame.color_primaries, frame.color_trc = look.primaries, look.transfer
        frame.pts, frame.time_base = self._tick, self.time_base
        self.writer.mux(self.target.encode(frame))

    def _start(self, height: int, width: int) -> None:
        source, target, look = self.source, self.target, self.look
        target.width, target.height = width, height
        even = height % 2 == width % 2 == 0
        context = target.codec_context
        target.pix_fmt = pixel_format(self.av, context.name, look.format, even=even, depth=self.depth)
        self._warn_of_format(target.pix_fmt, even=even)
        context.time_base = self.time_base
        context.thread_type = 'AUTO'
        if self.report.path.suffix.lower() in UNSHOWN_SUFFIXES:
            context.max_b_frames = 0
        ratio = source.codec_context.sample_aspect_ratio or source.sample_aspect_ratio
        if ratio:
            context.sample_aspect_ratio = 1 / ratio if look.turns % 2 else ratio
        context.colorspace, context.color_primaries = look.colorspace, look.primaries
        context.color_range, context.color_trc = FULL if target.format.is_rgb else look.range, look.transfer
        if context.name.startswith(HEVC_CODECS) and is_apple(self.report.path):
            context.codec_tag = HEVC_TAG
        try:
            context.open()
        except self.av.error.FFmpegError as error:
            raise ValueError(f'codec must take frames of {width} x {height} pixels, {context.name} does not '
                             f'({error.strerror})') from error
        self._started = True

    def _warn_of_format(self, written: str, *, even: bool) -> None:
        bits = max(c.bits for c in self.av.VideoFormat(written).components)
        if bits < self.look.bits and self.look.deep:
            self.report.warn(f'{self.look.bits} bits are written as {bits}: depth source keeps them where the encoder '
                             'takes them')
        if not even and '444' in written and self.depth != 'source':
            self.report.warn('odd width or height is written as 4:4:4, which many players do not show')

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
        return av.open(name, format=source_format, options=options, metadata_errors='replace')
    except (ValueError, av.error.FFmpegError) as error:
        raise ValueError(f'source must be a video that FFmpeg reads, got {source} ({error})') from error


def created(av: ModuleType, draft: Path, out: Path, tags: Mapping[str, str]) -> 'av.container.OutputContainer':
    """A new container.

    Args:
        av: PyAV.
        draft: the file that is written.
        out: what it is to become, which errors name.
        tags: of the source; what a device wrote is kept.

    Raises:
        ValueError: if no container has that suffix, or it cannot be written.
    """
    options = {'movflags': 'use_metadata_tags'} if has_device_tags(tags) and is_apple(out) else {}
    try:
        return av.open(local(draft), 'w', container_options=options, metadata_errors='replace')
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
