"""A file shown at its own rate, as a camera gives its frames: a source to try `realtime` with."""
from collections.abc import Callable, Iterator
from typing import TypeVar

from isalux_mm.apis.video.items import Shot

T = TypeVar('T')


def paced(items: Iterator[T], clock: Callable[[], float], pause: Callable[[float], object]) -> Iterator[T]:
    """Items of a file, each frame no earlier than it would be shown.

    Args:
        items: frames and what else there is.
        clock: tells seconds.
        pause: waits so many.
    """
    due: float | None = None
    for item in items:
        if isinstance(item, Shot):
            due = clock() if due is None else due + item.seconds
            ahead = due - clock()
            if ahead > 0:
                pause(ahead)
        yield item
