"""A training that is asked to end (SIGTERM, SIGHUP, Ctrl-C) finishes its iteration and saves first."""
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from isalux_mm.io.whole_file import ENDING_SIGNALS


class TrainingInterrupted(KeyboardInterrupt):
    """A training ended because it was asked to, with everything saved; says what goes on from where."""


class Interruption:
    """Whether this process was asked to end.

    Attributes:
        armed: an iteration is being worked on, after which the question is looked at; else a signal interrupts at once.
        requested: the signal, or 0.
    """

    def __init__(self) -> None:
        self.armed, self.requested = False, 0

    def receive(self, number: int, frame: FrameType | None = None) -> None:
        """Notes a signal; a second one, or one outside of training, interrupts at once.

        Raises:
            KeyboardInterrupt: in these cases.
        """
        if self.requested or not self.armed:
            raise KeyboardInterrupt
        self.requested = number

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Inside, signals come here; those that are ignored stay so, and handlers of before are put back afterwards."""
        before = {}
        if threading.current_thread() is threading.main_thread():
            before = {number: signal.signal(number, self.receive) for number in ENDING_SIGNALS
                      if signal.getsignal(number) is not signal.SIG_IGN}  # nohup's
        try:
            yield
        finally:
            self.armed, self.requested = False, 0
            for number, handler in before.items():
                signal.signal(number, handler)


INTERRUPTION = Interruption()  # signals belong to the process, so does this
