"""How large a picture may be, by its header, ahead of any decoding: pixels, sides, memory. Ours, adjustable.

Pillow warns at 89 megapixels and refuses at 179, less than a telephone gives today, and knows nothing of sides.
"""
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

VARIABLES = dict(pixels='ISALUX_MAX_PIXELS', side='ISALUX_MAX_SIDE', memory='ISALUX_MAX_MEMORY')
MAX_PIXELS = 250_000_000  # ours: what a telephone of 200 megapixels gives, and some
MAX_SIDE = 1_000_000  # ours; OpenCV ends at 1,048,576
# ours, measured: docs/photographs.md. A picture as floats, its result, and the result in the making
BYTES_PER_PIXEL = 56
# of the network in strips, which a larger picture does not exceed (inference/tiled.py)
NETWORK_BYTES, NETWORK_PIXELS = 170, 24_000_000
CGROUP_LIMITS = (Path('/sys/fs/cgroup/memory.max'), Path('/sys/fs/cgroup/memory/memory.limit_in_bytes'))
_lock = threading.Lock()
_lifted: list[int | None] = []  # Pillow's limit, once for everybody within `pillow_limit_lifted`


class ImageReadError(ValueError):
    """A file that is no readable picture; the message names it and the reason."""


class PictureTooLargeError(ImageReadError):
    """A picture beyond the limits; the message says which one and how it is raised."""


@dataclass(frozen=True)
class PictureLimits:
    """How large a picture may be.

    Attributes:
        pixels: most pixels.
        side: most pixels of a side.
        memory: most bytes that reading and enhancing may take by `estimated_memory`; `None`: the machine's.

    Raises:
        ValueError: if one is below 1.
    """
    pixels: int = MAX_PIXELS
    side: int = MAX_SIDE
    memory: int | None = None

    def __post_init__(self) -> None:
        for name in VARIABLES:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f'{name} must be at least 1, got {value}')

    def check(self, width: int, height: int) -> None:
        """Checks a size from a header.

        Raises:
            PictureTooLargeError: if it is beyond a limit.
        """
        size, pixels = f'{width} x {height} pixels', width * height
        if max(width, height) > self.side:
            raise PictureTooLargeError(f'{size}, a side may have {self.side:,} ({VARIABLES["side"]} changes it)')
        if pixels > self.pixels:
            raise PictureTooLargeError(f'{size}, {pixels / 1e6:,.0f} megapixels; {self.pixels / 1e6:,.0f} are taken '
                                       f'({VARIABLES["pixels"]} changes it)')
        memory, needed = machine_memory() if self.memory is None else self.memory, estimated_memory(pixels)
        if memory is not None and needed > memory:
            raise PictureTooLargeError(f'{size} take about {needed / 2**30:.1f} GiB of memory, {memory / 2**30:.1f} '
                                       f'may be used ({VARIABLES["memory"]} changes it, bytes)')


def limits_in_force() -> PictureLimits:
    """The limits that the environment sets, the package's own where it does not.

    Raises:
        ValueError: if a variable is no whole number above 0; names it.
    """
    given = {}
    for name, variable in VARIABLES.items():
        text = os.environ.get(variable, '').strip().replace('_', '')
        if text:
            if not text.isdigit() or int(text) < 1:
                raise ValueError(f'{variable} must be a whole number of at least 1, got {text!r}')
            given[name] = int(text)
    return PictureLimits(**given)


def estimated_memory(pixels: int) -> int:
    """Bytes that reading, enhancing and writing a picture take, about, on a CPU."""
    return BYTES_PER_PIXEL * pixels + NETWORK_BYTES * min(pixels, NETWORK_PIXELS)


def machine_memory() -> int | None:
    """Bytes that this machine, or the container around this process, has; `None` where the system does not say."""
    try:
        found = [os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')]
    except (AttributeError, ValueError, OSError):
        found = []
    for path in CGROUP_LIMITS:
        try:
            found.append(int(path.read_text()))
        except (OSError, ValueError):  # none there, or 'max'
            continue
    return min(found, default=None)


@contextmanager
def pillow_limit_lifted() -> Iterator[None]:
    """Within it Pillow opens pictures of any size, in every thread; `PictureLimits.check` is to follow at once."""
    with _lock:
        _lifted.append(Image.MAX_IMAGE_PIXELS)
        Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        with _lock:
            before = _lifted.pop(0) if len(_lifted) == 1 else _lifted.pop()
            if not _lifted:
                Image.MAX_IMAGE_PIXELS = before
