"""Decoding ahead and encoding behind, each in a thread of its own; PyAV and torch let go of Python while they work.

Who enhances is the main thread, which hears of Ctrl-C. A thread's error arises in the main thread where the next item
is taken or given, so that everything before it is done, as if all were done one after the other.
"""
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Generic, TypeVar

from isalux_mm.apis.video.items import Shot

T = TypeVar('T')
FRAMES = 2  # ours: that wait between two threads; more only take memory, since each thread takes one further
ITEMS = 512  # ours: the same for packets of sound and remarks, which are small
STALLED = 5.0  # seconds that a source may take to answer before its thread is left behind (ours)


class ClosedError(Exception):
    """A channel was closed while something was awaited from it."""


class Channel(Generic[T]):
    """Items on their way from one thread to another, in order.

    Args:
        dropping: whether a frame takes the place of the one that waits, rather than wait itself.

    Attributes:
        dropped: frames that were replaced.
    """

    def __init__(self, *, dropping: bool = False):
        self.dropping, self.dropped = dropping, 0
        self._items: deque[T] = deque()
        self._frames = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: T) -> bool:
        """Adds an item when there is room; returns False if the channel has been closed instead."""
        frame = isinstance(item, Shot)
        with self._changed:
            if frame and self.dropping and self._frames:
                self._drop()
            most = 1 if self.dropping else FRAMES
            self._changed.wait_for(
                lambda: self._closed or len(self._items) < ITEMS and not (frame and self._frames >= most))
            if self._closed:
                return False
            self._items.append(item)
            self._frames += frame
            self._changed.notify_all()
        return True

    def get(self) -> T:
        """Takes the next item when it has come.

        Raises:
            ClosedError: if the channel has been closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._items)
            if self._closed:
                raise ClosedError
            item = self._items.popleft()
            self._frames -= isinstance(item, Shot)
            self._changed.notify_all()
        return item

    def close(self) -> None:
        """Lets go of what waits, and of who waits."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()

    def pause(self, seconds: float) -> None:
        """Waits, unless the channel is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed, timeout=seconds)

    def _drop(self) -> None:
        place = next(i for i, item in enumerate(self._items) if isinstance(item, Shot))
        del self._items[place]
        self._frames -= 1
        self.dropped += 1


class _End:
    """The last item, with the error that ended the work, if one did."""

    def __init__(self, error: BaseException | None = None):
        self.error = error


class Worker:
    """A thread that can be ended for certain, whatever it was doing: also when Ctrl-C comes while it is started.

    Args:
        channel: items on their way from it or to it.
        name: of the thread.
    """

    def __init__(self, channel: Channel, name: str):
        self.channel = channel
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._guard, self._done = threading.Lock(), threading.Event()
        self._begun = self._ended = False

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def close(self, seconds: float | None = None) -> bool:
        """Ends the work behind what is at hand; returns whether it has ended, which takes no longer than `seconds`.

        Another Ctrl-C does not cut that short: what the thread works with is closed next.
        """
        self.channel.close()
        while True:
            with suppress(KeyboardInterrupt):
                with self._guard:
                    self._ended = True
                return not self._begun or self._done.wait(seconds)

    def _run(self) -> None:
        with self._guard:
            if self._ended:
                return
            self._begun = True
        try:
            self._work()
        finally:
            self._done.set()

    def _work(self) -> None:
        raise NotImplementedError


class Ahead(Worker, Generic[T]):
    """Works an iterator off; `for item in ahead` gives what it gives, and raises what it raises.

    Args:
        items: the iterator.
        channel: takes the items.
    """

    def __init__(self, items: Iterator[T], channel: Channel):
        super().__init__(channel, 'video source')
        self._items = items

    def __iter__(self) -> Iterator[T]:
        while True:
            item = self.channel.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def _work(self) -> None:
        end = _End()
        try:
            for item in self._items:
                if not self.channel.put(item):
                    return
        except BaseException as error:  # raised again where the items are taken
            end = _End(error)
        self.channel.put(end)


class Behind(Worker, Generic[T]):
    """Does something with every item, in order.

    Args:
        work: done with every item.
    """

    def __init__(self, work: Callable[[T], object]):
        super().__init__(Channel(), 'video result')
        self._each = work
        self._error: BaseException | None = None

    def put(self, item: T) -> None:
        """Gives an item; waits where too many are on their way.

        Raises:
            BaseException: what the work on an earlier one raised.
        """
        if not self.channel.put(item):
            self.finish()

    def finish(self) -> None:
        """Waits until everything that was given is done.

        Raises:
            BaseException: what the work on an item raised.
        """
        self.channel.put(_End())
        self._done.wait()
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            while not isinstance(item := self.channel.get(), _End):
                self._each(item)
        except ClosedError:
            pass
        except BaseException as error:  # raised again where the next item is given
            self._error = error
            self.channel.close()
