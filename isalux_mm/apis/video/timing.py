"""Time stamps: of packets that jump, of frames that repeat, go back or have none; what an encoder gets increases."""
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av

# seconds by which time stamps may go back and forward without a jump, in containers that are joined byte by byte, as
# transport streams (FFmpeg's own number and its -dts_delta_threshold), and in others (ours, -dts_error_threshold)
JOINED = (Fraction(1, 10), Fraction(10))
OTHERS = (Fraction(1), Fraction(30 * 3600))
CONTINUOUS = ('video', 'audio')  # kinds of streams whose packets follow one another


class Continuity:
    """Moves the packets of a source that was joined or interrupted, so that its parts follow one another.

    All streams are moved alike, so that sound and picture stay together.

    Args:
        jumps: whether time stamps may jump in this kind of container, as in transport streams.

    Attributes:
        joins: jumps that were closed.
    """

    def __init__(self, *, jumps: bool):
        self.back, self.forward = JOINED if jumps else OTHERS
        self.joins = 0
        self._offset = Fraction(0)
        self._ends: dict[int, Fraction] = {}  # of the packet before, by stream, with the offset

    def follow(self, packet: 'av.Packet') -> None:
        """Moves a packet; of each stream in the order of decoding."""
        base, index = packet.time_base, packet.stream.index
        if not base:
            return
        if packet.stream.type in CONTINUOUS and packet.dts is not None:
            time, end = packet.dts * base + self._offset, self._ends.get(index)
            if end is not None and not -self.back <= time - end <= self.forward:
                latest = max(self._ends.values())  # the next part begins where no stream of the last one goes on
                self._offset += latest - time
                self.joins += 1
                time = latest
            self._ends[index] = time + (packet.duration or 0) * base
        ticks = round(self._offset / base)
        packet.pts = None if packet.pts is None else packet.pts + ticks
        packet.dts = None if packet.dts is None else packet.dts + ticks


class FrameClock:
    """Time stamps of decoded frames, in the order of showing, that always increase.

    Args:
        source_base: seconds of a tick of the source.
        target_base: seconds of a tick of the result.
        rate: frames a second, where a frame has no time stamp.

    Attributes:
        corrected: frames whose time stamp was missing, repeated or backward.
    """

    def __init__(self, source_base: Fraction, target_base: Fraction, rate: Fraction):
        self.source_base, self.target_base = source_base, target_base
        self.step = max(round(1 / (rate * target_base)), 1)
        self.corrected = 0
        self._last: int | None = None
        self._last_pts: int | None = None
        self._last_dts: int | None = None
        self._faulty_pts = self._faulty_dts = 0

    def tick(self, pts: int | None, dts: int | None = None) -> tuple[int, float]:
        """The time stamp of the next frame and the seconds since the one before.

        Args:
            pts: of the frame, in ticks of the source.
            dts: of the packet that it came from.
        """
        best, last = self._best(pts, dts), self._last
        if best is not None:
            best = round(best * self.source_base / self.target_base)
        if last is None:
            self._last = best or 0
            self.corrected += best is None
            return self._last, 0.0
        if best is None or best <= last:
            # half a step: several that repeat stay ahead of the next that does not
            best = last + (self.step if best is None else max(self.step // 2, 1))
            self.corrected += 1
        self._last = best
        return best, float((best - last) * self.target_base)

    def _best(self, pts: int | None, dts: int | None) -> int | None:
        """Whichever of the two has been at fault less often (FFmpeg's `guess_correct_pts`)."""
        if dts is not None:
            self._faulty_dts += self._last_dts is not None and dts <= self._last_dts
            self._last_dts = dts
        if pts is not None:
            self._faulty_pts += self._last_pts is not None and pts <= self._last_pts
            self._last_pts = pts
        if pts is None or (dts is not None and self._faulty_pts > self._faulty_dts):
            return dts
        return pts


def increasing(packet: 'av.Packet', last: int | None, *, strictly: bool) -> bool:
    """Makes a copied packet's time of decoding follow the one before; returns whether it had to be changed.

    Args:
        packet: of one stream; what a packet without any time stamp gets is the time right after the last.
        last: time of decoding of the packet before.
        strictly: whether it must not be the same.
    """
    given = packet.pts if packet.dts is None else packet.dts
    least = None if last is None else last + strictly
    dts = (least or 0) if given is None else given if least is None else max(given, least)
    packet.dts = dts
    packet.pts = dts if packet.pts is None else max(packet.pts, dts)
    return dts != given


def possible_dts(dts: int | None, pts: int | None, last: int | None, shown: tuple[int, int]) -> int | None:
    """The time of decoding of an encoded packet, or one that can be where it cannot.

    libx265 reads memory that nothing was written to where a film has fewer frames than it reorders.

    Args:
        dts: what the encoder says, like `pts`.
        last: time of decoding of the packet before.
        shown: first and last time of showing that the encoder has been given; no frame is held back for longer than
            lies between them.
    """
    first, latest = shown
    least = 2 * first - latest if last is None else last + 1
    if dts is None or pts is None or least <= dts <= pts:
        return dts
    return min(least, pts)
