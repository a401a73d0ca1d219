"""The source: packets demultiplexed, frames decoded, turned and converted, in the order in which they go on."""
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from isalux_mm.apis.video.containers import OpenedSource
from isalux_mm.apis.video.encoding import time_base
from isalux_mm.apis.video.items import Remark, Shot
from isalux_mm.apis.video.look import FULL, VideoLook
from isalux_mm.apis.video.streams import picture_of
from isalux_mm.apis.video.timing import Continuity, FrameClock

if TYPE_CHECKING:
    import av

MAX_PIXELS = 7680 * 4320  # ours, of a frame: 8K; larger ones are not worked on whole
USUAL_RATE, USUAL_BASE = Fraction(25), Fraction(1, 90_000)  # where a container names none
# containers that have no time of showing: what FFmpeg guesses goes wrong where frames are reordered
UNSHOWN = ('avi', )


class FrameReader:
    """A container that is read.

    Args:
        av: PyAV.
        opened: the source.
        codec: encoder of the result.
        out: file of the result; both decide its clock.

    Attributes:
        source: the stream of the picture.
        rate: its frames a second.
        time_base: seconds of a tick of the result's clock.
        copied: indices of the streams whose packets are handed on.
        pixel_ratio: of the pixels as they are stored, known with the first frame; `None` where nobody names it.

    Raises:
        ValueError: if there is no picture.
    """

    def __init__(self, av: ModuleType, opened: OpenedSource, codec: str, out: Path):
        self.av, self.opened, self.container = av, opened, opened.container
        self.source, self._packets = picture_of(self.container)
        self.source.thread_type = 'AUTO'
        self.rate = self.source.average_rate or self.source.guessed_rate or USUAL_RATE
        self.time_base = time_base(self.source.time_base or USUAL_BASE, self.rate, codec, out)
        self.copied: set[int] = set()
        self.pixel_ratio: Fraction | None = None
        self._clock = FrameClock(self.source.time_base or USUAL_BASE, self.time_base, self.rate)
        self._continuity = Continuity(jumps=bool(self.container.format.flags & av.format.Flags.ts_discont.value))
        self._size: tuple[int, int] | None = None  # of the first frame, upright
        self._delay: int | None = None  # of the first frame behind the first packet, where there is no time of showing
        self._said: set[str] = set()
        self._remarks: list[Remark] = []

    @property
    def frames_expected(self) -> int | None:
        """As the container tells, or `None`."""
        return self.source.frames or None

    def items(self) -> Iterator['Shot | av.Packet | Remark']:
        """Frames, packets that are to be copied and remarks, in the order in which they take effect.

        All frames have the size of the first, to which others are scaled. Packets that come before the first frame
        come behind it: the header is written with the first frame.
        """
        waiting: list[av.Packet] = []
        shown = False
        for packet in self._readable():
            self._follow(packet)
            if packet.stream.index in self.copied:
                waiting.append(packet)
            if packet.stream is self.source:
                for frame in self._decoded(packet):
                    yield from self._taken(frame)
                    shown = True
            yield from self._new_remarks()
            if shown:
                yield from waiting
                waiting.clear()
        for frame in self._decoded(None):  # nothing is left where the packets ended as they should
            yield from self._taken(frame)
        yield from self._new_remarks()

    def _new_remarks(self) -> Iterable[Remark]:
        remarks, self._remarks = self._remarks, []
        return remarks

    def _warn(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self._remarks.append(Remark('warnings', sentence))

    def _count(self, field: str, value: int = 1) -> None:
        if value:
            self._remarks.append(Remark(field, value))

    def _readable(self) -> Iterator['av.Packet']:
        """All packets; those of a source that cannot be read to its end, up to there, as FFmpeg has it."""
        try:
            yield from self._packets
        except self.av.error.FFmpegError as error:
            self._warn(f'the source cannot be read to its end ({error}): the result ends there')

    def _follow(self, packet: 'av.Packet') -> None:
        before = self._continuity.joins
        self._continuity.follow(packet)
        self._count('joins', self._continuity.joins - before)

    def _decoded(self, packet: 'av.Packet | None') -> list['av.VideoFrame']:
        """Frames of a packet; of `None`, what the decoder still holds."""
        by_dts = self.container.format.name in UNSHOWN
        if packet is not None and by_dts:
            packet.pts = None
            if self._delay is None and packet.dts is not None:
                self._delay = packet.dts
        try:
            return self.source.decode(packet)
        except EOFError:  # it has been emptied already
            return []
        except self.av.error.FFmpegError:
            self._count('broken')
            return []

    def _taken(self, frame: 'av.VideoFrame') -> Iterator['Shot | Remark']:
        """A decoded frame, behind what there is to be said of it."""
        tick, seconds = self._time(frame)
        if self.pixel_ratio is None:
            self.pixel_ratio = self.source.codec_context.sample_aspect_ratio or self.source.sample_aspect_ratio
        look = VideoLook.of(frame)
        for sentence in look.warnings():
            self._warn(sentence)
        yield from self._new_remarks()  # even where the frame is refused
        image = self._rgb(frame, look)
        yield from self._new_remarks()
        yield Shot(image, seconds, tick, look)

    def _time(self, frame: 'av.VideoFrame') -> tuple[int, float]:
        """The time stamp by the result's clock, and the seconds since the frame before."""
        pts, dts = frame.pts, frame.dts
        if self._delay is not None and dts is not None:
            if self._size is None:  # the first
                self._delay = dts - self._delay
            pts = dts = dts - self._delay
        before = self._clock.corrected
        tick, seconds = self._clock.tick(pts, dts)
        self._count('corrected', self._clock.corrected - before)
        return tick, seconds

    def _rgb(self, frame: 'av.VideoFrame', look: VideoLook) -> np.ndarray:
        if frame.width * frame.height > MAX_PIXELS:
            raise ValueError(f'frames must have at most {MAX_PIXELS} pixels, got {frame.width} x {frame.height}')
        turned = look.turns % 2 == 1
        own = (frame.width, frame.height) if turned else (frame.height, frame.width)  # upright
        self._size = size = self._size or own
        if own != size:
            self._count('resized')
            self._warn(f'frames of {own[1]} x {own[0]} pixels are scaled to {size[1]} x {size[0]}, the size of '
                       'the first')
        width, height = size if turned else size[::-1]
        rgb = frame.reformat(width, height, 'rgb48le' if look.deep else 'rgb24', src_colorspace=look.matrix,
                             dst_colorspace=look.matrix, src_color_range=look.range, dst_color_range=FULL)
        return np.ascontiguousarray(np.rot90(rgb.to_ndarray(), look.turns))
