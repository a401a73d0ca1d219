"""Reading, checking, listing and writing pictures as RGB float32 in [0, 1], whatever lies on disk."""
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from isalux_mm.io.attempts import Attempts
from isalux_mm.io.formats import SUFFIXES
from isalux_mm.io.limits import ImageReadError
from isalux_mm.io.picture_damage import JPEG_START, PNG_START, damage
from isalux_mm.io.picture_file import Picture, read_picture, write_picture

CHECKED = ('.png', '.jpg', '.jpeg', '.jpe', '.jfif', '.jif')  # looked through without decoding


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
    """Checks that a file is not damaged: PNG and JPEG without decoding (`picture_damage`), others by decoding.

    Raises:
        ImageReadError: if it is damaged or cannot be decoded.
    """
    path = Path(path)
    if path.suffix.lower() in CHECKED:
        data = path.read_bytes()
        found = damage(data)
        if found is not None:
            raise ImageReadError(f'{path}: no readable picture ({found})')
        if data.startswith((PNG_START, JPEG_START)):
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
