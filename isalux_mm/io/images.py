"""Reading, checking, listing and writing pictures as RGB float32 in [0, 1], whatever lies on disk."""
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from isalux_mm.io.attempts import Attempts
from isalux_mm.io.formats import SUFFIXES
from isalux_mm.io.picture_file import Picture, read_picture, write_picture

LAST_BYTES = {'.png': b'IEND'} | dict.fromkeys(('.jpg', '.jpeg', '.jpe', '.jfif', '.jif'), b'\xff\xd9')
TAIL = 32  # bytes at the end in which a whole file has them


def read_image(path: str | Path, *, array_order: str = 'rgb') -> np.ndarray:
    """Reads a picture as it is to be seen.

    Grey and palette pictures become RGB, alpha is dropped, 16 bits keep their depth, EXIF orientation is applied.
    Floats must lie in [0, 1]. `read_picture` reads the same with all that belongs to it.

    Args:
        path: file.
        array_order: channel order of `.npy` files, 'rgb' or 'bgr' (SDSD's frames are BGR).

    Returns:
        (H, W, 3), float32, RGB in [0, 1].

    Raises:
        ImageReadError: if the file is missing, empty, truncated, no picture, out of [0, 1], or holds NaN or infinity.
    """
    return read_picture(path, array_order=array_order).image


def check_whole(path: str | Path) -> None:
    """Checks that a file is not cut off: by its last bytes, and where these do not tell, by decoding it.

    Raises:
        ImageReadError: if it cannot be decoded.
    """
    path = Path(path)
    last = LAST_BYTES.get(path.suffix.lower())
    if last is not None:
        with open(path, 'rb') as file:
            file.seek(max(path.stat().st_size - TAIL, 0))
            if last in file.read():
                return
    read_image(path)


def write_image(path: str | Path, image: np.ndarray, *, overwrite: bool = False) -> None:
    """Writes (H, W, 3), RGB in [0, 1], as 8 bits in the format of the suffix; whole or not at all.

    The folder is made; the file appears under its name only when it is complete, and replaces one that is there only
    with `overwrite`; errors as of `write_picture`.
    """
    write_picture(path, Picture(image), overwrite=overwrite)


def read_each(paths: Iterable[Path], attempts: Attempts) -> Iterator[tuple[Path, np.ndarray]]:
    """Pictures one after the other, as of `read_image`; those that cannot be read go to the report."""
    for path in paths:
        image = None
        with attempts.attempt(str(path)):
            image = read_image(path)
        if image is not None:
            yield path, image


def list_images(folder: str | Path, recursive: bool = True, *,
                on_error: Callable[[OSError], None] | None = None) -> list[Path]:
    """Pictures below a folder, sorted by path; links to folders are followed, unless they lead back to where they
    lie in; hidden files are left out.

    Args:
        folder: where they lie.
        recursive: whether its sub-folders are looked through.
        on_error: is told of folders that cannot be listed.
    """
    found: list[Path] = []
    for where, folders, names in os.walk(folder, onerror=on_error, followlinks=True):
        here = Path(where).resolve()
        folders[:] = [f for f in folders if recursive and not here.is_relative_to((Path(where) / f).resolve())]
        found += [Path(where) / n for n in names if Path(n).suffix.lower() in SUFFIXES and not n.startswith('.')]
    return sorted(found)
