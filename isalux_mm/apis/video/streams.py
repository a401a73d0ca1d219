"""Streams of a container: which one is the picture, which others are copied, and what is known about them."""
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from queue import SimpleQueue
from types import ModuleType
from typing import TYPE_CHECKING, Any

from isalux_mm.apis.video.items import Remark
from isalux_mm.apis.video.timing import increasing

if TYPE_CHECKING:
    import av

COPIED = ('audio', 'subtitle')
ATTACHED = 'matroska'  # the format that holds attachments, such as the fonts of subtitles
LOOK_AHEAD = 400  # ours: packets read until every picture stream has shown whether it moves
MOVING = 2  # packets of a stream that is more than a still picture
FLV_SOUND = ('aac', 'mp3', 'mp3float')  # what FFmpeg's FLV writer is asked for: it ends the process over raw samples
# what a container or an encoder says about its own file, which is false of the result
OWN_TAGS = ('encoder', 'major_brand', 'minor_version', 'compatible_brands', 'duration', 'rotate', 'timecode',
            'vendor_id', 'bps', 'number_of_frames', 'number_of_bytes', '_statistics_')
DEVICE_TAGS = ('com.', 'make', 'model', 'location')  # beginnings of what phones and cameras write of themselves


def picture_of(reader: 'av.container.InputContainer') -> tuple[Any, Iterable['av.Packet']]:
    """The stream of the picture, and all packets of the container.

    That is the first one that is no cover picture and moves, a default one before others; a still picture only where
    nothing moves. Where there are several, some packets are read to see.

    Raises:
        ValueError: if there is no picture.
    """
    streams = [s for s in reader.streams.video if not is_cover(s)] or list(reader.streams.video)
    if not streams:
        raise ValueError(f'source must have a video stream, got {[s.type for s in reader.streams] or "none"}')
    packets: Iterator[av.Packet] = reader.demux()
    if len(streams) == 1:
        return streams[0], packets
    seen, ahead = dict.fromkeys((s.index for s in streams), 0), []
    for packet in packets:
        ahead.append(packet)
        if packet.size and packet.stream.index in seen:
            seen[packet.stream.index] += 1
        if min(seen.values()) >= MOVING or len(ahead) >= LOOK_AHEAD:
            break
    moving = [s for s in streams if seen[s.index] >= MOVING] or streams
    return min(moving, key=lambda s: not s.disposition & type(s.disposition).default), chain(ahead, packets)


def is_cover(stream: Any) -> bool:
    """Whether a stream is the picture on the cover, not the one that moves."""
    kinds = type(stream.disposition)
    return bool(stream.disposition & (kinds.attached_pic | kinds.timed_thumbnails | kinds.still_image))


def kept_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """What is still true of the result."""
    return {key: value for key, value in tags.items() if not key.lower().startswith(OWN_TAGS)}


def has_device_tags(tags: Mapping[str, str]) -> bool:
    """Whether a phone or camera has written about itself, which MP4 and MOV keep only when asked."""
    return any(key.lower().startswith(DEVICE_TAGS) for key in tags)


class Copies:
    """The streams that are copied packet by packet.

    Args:
        av: PyAV.
        writer: takes them.
        remarks: counts go there.

    Attributes:
        left_out: streams that the container does not take.
    """

    def __init__(self, av: ModuleType, writer: 'av.container.OutputContainer', remarks: 'SimpleQueue[Remark]'):
        self.av, self.writer, self.remarks = av, writer, remarks
        self.left_out: list[str] = []
        self._targets: dict[int, Any] = {}
        self._last: dict[int, int] = {}

    @property
    def indices(self) -> set[int]:
        """Of the source's streams that are copied."""
        return set(self._targets)

    def add(self, streams: Sequence[Any]) -> None:
        """Takes the streams that the container holds; names the others in `left_out`."""
        for stream in streams:
            if not self._fits(stream):
                name = 'cover picture' if stream.type == 'video' and is_cover(stream) else stream.type
                self.left_out.append(f'{stream.index} ({name})')
                continue
            self._targets[stream.index] = copy = self.writer.add_stream_from_template(stream)
            copy.metadata.update(kept_tags(stream.metadata))
            copy.disposition = stream.disposition

    def add_chapters(self, reader: 'av.container.InputContainer') -> None:
        """Takes the chapters over, where they are sound."""
        try:
            self.writer.set_chapters(reader.chapters())
        except (ValueError, OverflowError, self.av.error.FFmpegError):
            self.left_out.append('chapters')

    def _fits(self, stream: Any) -> bool:
        """Whether the container takes the stream: tried in memory, since some refuse with their header only."""
        name = self.writer.format.name
        if stream.type == 'attachment':
            return name == ATTACHED
        if stream.type not in COPIED:
            return False
        if name == 'flv' and stream.codec_context.name not in FLV_SOUND:
            return False
        try:
            with self.av.open(io.BytesIO(), 'w', format=name) as trial:
                trial.add_stream_from_template(stream)
                trial.start_encoding()
        except (ValueError, AttributeError, self.av.error.FFmpegError):  # the second: there is no such decoder
            return False
        return True

    def mux(self, packet: 'av.Packet') -> None:
        """Copies a packet of one of the streams; what the container refuses is left out and counted."""
        if not packet.size:  # marks the end
            return
        index = packet.stream.index
        moved = increasing(packet, self._last.get(index), strictly=packet.stream.type == 'audio')
        if packet.dts is not None:
            self._last[index] = packet.dts
        packet.stream = self._targets[index]
        try:
            self.writer.mux(packet)
        except (ValueError, self.av.error.FFmpegError) as error:
            if isinstance(error, OSError):  # no room, no connection
                raise
            self.remarks.put(Remark('broken', 1))
        else:
            if moved:
                self.remarks.put(Remark('moved', 1))
