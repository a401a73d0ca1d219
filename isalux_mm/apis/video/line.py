"""The three threads of a video at work, and their report."""
import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from isalux_mm.apis.video.items import Remark, Shot
from isalux_mm.apis.video.pace import paced
from isalux_mm.apis.video.reading import FrameReader
from isalux_mm.apis.video.report import VideoReport
from isalux_mm.apis.video.threads import STALLED, Ahead, Behind, Channel
from isalux_mm.apis.video.writing import FrameWriter


class AssemblyLine:
    """Decodes in one thread, enhances in the one that calls, encodes in a third; a few frames are on their way.

    Encoder and container are given what they are given one after the other, to the last bit. The report is touched by
    the calling thread alone.

    Args:
        reader: of the source.
        writer: of the result.
        report: what becomes of it.
        live: whether what came is kept when Ctrl-C ends the work.
        max_frames: stop after so many.
        realtime: whether frames are dropped that come while others are worked on; those of a source that is not live
            come at its own rate.
        clock: tells seconds.
        pause: waits so many; by default no longer than the work goes on.
    """

    def __init__(self, reader: FrameReader, writer: FrameWriter, report: VideoReport, *, live: bool = False,
                 max_frames: int | None = None, realtime: bool = False,
                 clock: Callable[[], float] = time.monotonic, pause: Callable[[float], object] | None = None):
        self.reader, self.writer, self.report = reader, writer, report
        self.live, self.max_frames, self.realtime, self.clock = live, max_frames, realtime, clock
        self._channel: Channel = Channel(dropping=realtime)
        self._pause = pause or self._channel.pause
        report.left_out = writer.left_out
        report.dropped = 0 if realtime else None

    def run(self, enhance: Callable[[Shot], np.ndarray], told: Callable[[VideoReport], None]) -> None:
        """Works until the source ends, or `max_frames` or Ctrl-C end it.

        Args:
            enhance: gives the picture that a frame becomes, of the same shape and type.
            told: hears of progress after every frame.

        Raises:
            KeyboardInterrupt: if Ctrl-C ended it and nothing is kept.
            BaseException: what any of the threads raised; the frames before are in the result.
        """
        start, items = self.clock(), self.reader.items()
        if self.realtime and not self.live:
            items = paced(items, self.clock, self._pause)
        ahead, behind = Ahead(items, self._channel), Behind(self.writer.write)
        try:
            ahead.start()
            behind.start()
            self._work(ahead, behind, enhance, told)
        finally:
            self.reader.opened.busy = not ahead.close(STALLED)
            behind.close()
            self._take_stock(start)

    def _work(self, ahead: Ahead, behind: Behind, enhance: Callable[[Shot], np.ndarray],
              told: Callable[[VideoReport], None]) -> None:
        start, given = self.clock(), 0
        try:
            for item in ahead:
                if isinstance(item, Remark):
                    self.report.note(item)
                    continue
                behind.put(item._replace(image=enhance(item)) if isinstance(item, Shot) else item)
                if isinstance(item, Shot):
                    given += 1
                    self._take_stock(start)
                    told(self.report)
                    if given == self.max_frames:
                        break
            behind.finish()
        except KeyboardInterrupt:
            if not self.live:
                raise
            behind.finish()
            if not self.writer.frames:
                raise
            self.report.interrupted = True
        except Exception:
            with suppress(Exception):  # the first error counts
                behind.finish()
            with suppress(Exception):
                self.writer.finish()
            raise
        self.writer.finish()

    def _take_stock(self, start: float) -> None:
        """Brings the report up to date."""
        while not self.writer.remarks.empty():
            self.report.note(self.writer.remarks.get())
        self.report.frames, self.report.seconds = self.writer.frames, self.clock() - start
        if self.realtime:
            self.report.dropped = self._channel.dropped
