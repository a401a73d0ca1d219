"""The result: frames converted, encoded and multiplexed with the packets that are copied."""
from pathlib import Path
from queue import SimpleQueue
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from isalux_mm.apis.video.encoding import HEVC_CODECS, HEVC_TAG, is_apple, pixel_format
from isalux_mm.apis.video.items import Remark, Shot
from isalux_mm.apis.video.look import FULL, VideoLook
from isalux_mm.apis.video.reading import FrameReader
from isalux_mm.apis.video.streams import Copies, kept_tags
from isalux_mm.apis.video.timing import possible_dts

if TYPE_CHECKING:
    import av

UNSHOWN_SUFFIXES = ('.avi', )  # of containers that have no time of showing: frames are not reordered there
UNSURE_CODEC = 'libx265'  # whose times of decoding are looked at


class FrameWriter:
    """A container that is written.

    Args:
        av: PyAV.
        container: the result.
        reader: of the source, whose streams, tags and clock it takes over.
        codec: encoder of the picture.
        options: of the encoder.
        depth: as of `pixel_format`.
        out: the file that the result becomes.

    Attributes:
        frames: written so far.
        left_out: streams that the container does not take.
        remarks: what there is to be said; any thread may take it.
    """

    def __init__(self, av: ModuleType, container: 'av.container.OutputContainer', reader: FrameReader, codec: str,
                 options: dict[str, str], depth: str, out: Path):
        self.av, self.container, self.reader, self.depth, self.out = av, container, reader, depth, out
        self.frames = 0
        self.remarks: SimpleQueue[Remark] = SimpleQueue()
        # of the picture, which the codec decides: a `VideoStream`
        self.target: Any = container.add_stream(codec, rate=reader.rate, options=options)
        self.copies = Copies(av, container, self.remarks)
        self._started = False
        self._shown: tuple[int, int] | None = None  # first and last time stamp given to the encoder
        self._decoded: int | None = None  # time of decoding of the packet before
        source = reader.source
        container.metadata.update(kept_tags(reader.container.metadata))
        self.target.metadata.update(kept_tags(source.metadata))
        self.target.disposition = source.disposition
        self.copies.add([s for s in reader.container.streams if s is not source])
        self.copies.add_chapters(reader.container)
        self.left_out = self.copies.left_out
        reader.copied |= self.copies.indices

    def write(self, item: 'Shot | av.Packet') -> None:
        """Encodes an enhanced frame, or copies a packet."""
        if not isinstance(item, Shot):
            self.copies.mux(item)
            return
        image, look = item.image, item.look
        if not self._started:
            self._start(image.shape[0], image.shape[1], look)
        frame = self.av.VideoFrame.from_ndarray(image, format='rgb24' if image.dtype == np.uint8 else 'rgb48le')
        written = FULL if self.target.format.is_rgb else look.range
        frame = frame.reformat(format=self.target.pix_fmt, src_colorspace=look.matrix, dst_colorspace=look.matrix,
                               src_color_range=FULL, dst_color_range=written)
        frame.colorspace, frame.color_range = look.colorspace, written
        frame.color_primaries, frame.color_trc = look.primaries, look.transfer
        frame.pts, frame.time_base = item.tick, self.reader.time_base
        self._shown = (self._shown[0] if self._shown else item.tick, item.tick)
        self._mux(self.target.encode(frame))
        self.frames += 1

    def finish(self) -> None:
        """Writes what the encoder still holds."""
        if self._started:
            self._mux(self.target.encode(None))

    def _mux(self, packets: 'list[av.Packet]') -> None:
        if self.target.codec_context.name == UNSURE_CODEC and self._shown is not None:
            for packet in packets:
                packet.dts = self._decoded = possible_dts(packet.dts, packet.pts, self._decoded, self._shown)
        self.container.mux(packets)

    def _start(self, height: int, width: int, look: VideoLook) -> None:
        target, context = self.target, self.target.codec_context
        target.width, target.height = width, height
        even = height % 2 == width % 2 == 0
        target.pix_fmt = pixel_format(self.av, context.name, look.format, even=even, depth=self.depth)
        self._warn_of_format(target.pix_fmt, look, even=even)
        context.time_base = self.reader.time_base
        context.thread_type = 'AUTO'
        if self.out.suffix.lower() in UNSHOWN_SUFFIXES:
            context.max_b_frames = 0
        ratio = self.reader.pixel_ratio
        if ratio:
            context.sample_aspect_ratio = 1 / ratio if look.turns % 2 else ratio
        context.colorspace, context.color_primaries = look.colorspace, look.primaries
        context.color_range, context.color_trc = FULL if target.format.is_rgb else look.range, look.transfer
        if context.name.startswith(HEVC_CODECS) and is_apple(self.out):
            context.codec_tag = HEVC_TAG
        try:
            context.open()
        except self.av.error.FFmpegError as error:
            raise ValueError(f'codec must take frames of {width} x {height} pixels, {context.name} does not '
                             f'({error.strerror})') from error
        self._started = True

    def _warn_of_format(self, written: str, look: VideoLook, *, even: bool) -> None:
        bits = max(c.bits for c in self.av.VideoFormat(written).components)
        if bits < look.bits and look.deep:
            self.remarks.put(Remark('warnings', f'{look.bits} bits are written as {bits}: depth source keeps them '
                                    'where the encoder takes them'))
        if not even and '444' in written and self.depth != 'source':
            self.remarks.put(Remark('warnings', 'odd width or height is written as 4:4:4, which many players do not '
                                    'show'))
