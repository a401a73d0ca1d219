"""Names of results: cut by bytes, kept apart from each other, and never those of an input."""
import itertools
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

MAX_BYTES = 255  # of a name on ext4, XFS, Btrfs and APFS; NTFS counts UTF-16 units, which are fewer


def fitted(stem: str, ending: str = '') -> str:
    """`stem + ending` in at most 255 bytes: the stem is shortened where it has to be, between two characters.

    Args:
        stem: beginning of the name; a combining mark stays with its letter.
        ending: suffix, and what stands before it; never shortened.
    """
    room, length = MAX_BYTES - len(os.fsencode(ending)), len(stem)
    while length and (len(os.fsencode(stem[:length])) > room
                      or (length < len(stem) and unicodedata.combining(stem[length]))):
        length -= 1
    return stem[:length] + ending


def same_name(path: Path) -> str:
    """What is equal for paths that some file system takes for one: by case, or by how accents are composed."""
    return unicodedata.normalize('NFC', path.as_posix().lower())


def distinct(wanted: Sequence[Path]) -> list[Path]:
    """The same paths, changed so that no file system takes two of them for one, or one for the folder of another.

    Of those that would meet, the first keeps its name and the others get a number that no one wants: `a_2.png`.
    """
    folders = {same_name(parent) for path in wanted for parent in path.parents}
    claimed, used, names = folders | {same_name(path) for path in wanted}, set(folders), []
    for path in wanted:
        if same_name(path) in used:
            path = _numbered(path, claimed)
            claimed.add(same_name(path))
        used.add(same_name(path))
        names.append(path)
    return names


def claim(path: Path, claimed: set[str]) -> Path:
    """The path, or with a number where its name is claimed; claims it, by `same_name`. For names that come one by one.
    """
    path = _numbered(path, claimed) if same_name(path) in claimed else path
    claimed.add(same_name(path))
    return path


def unused(path: Path) -> Path:
    """The path, or with a number where there is something on disk."""
    while os.path.lexists(path):
        taken = {same_name(path.with_name(name)) for name in os.listdir(path.parent)}
        path = _numbered(path, taken)
    return path


def beside(names: Sequence[Path], ending: str) -> list[Path]:
    """Names of what is made of each file: `a_explained.png` of `a.jpg`.

    Where several have one stem, each keeps its whole name: `a.jpg_explained.png` and `a.png_explained.png`.

    Args:
        names: of the files, or of their results.
        ending: such as `_explained.png`.
    """
    short = [name.with_name(fitted(name.stem, ending)) for name in names]
    count = Counter(map(same_name, short))
    return distinct([name.with_name(fitted(name.name, ending)) if count[same_name(made)] > 1 else made
                     for name, made in zip(names, short)])


def check_products(products: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Checks, before any work, that nothing that will be written is read, or written twice.

    Links are followed, and a file is known by any of its names.

    Args:
        products: files that will be written.
        inputs: files that are read.

    Raises:
        ValueError: that names the first that is.
    """
    read = {identity for path in inputs for identity in _identities(path)}
    written: set[object] = set()
    for path in products:
        own = _identities(path)
        if not read.isdisjoint(own):
            raise ValueError(f'out must lead to other files than the inputs, got {path}')
        if own[0] in written:
            raise ValueError(f'two results would be written to one file, {path}')
        written.add(own[0])


def _identities(path: Path) -> list[object]:
    """The real path, and of what exists device and number."""
    real = os.path.abspath(path)
    try:
        real = os.path.realpath(path)
        found = os.stat(real)
    except (OSError, ValueError):
        return [real]
    return [real, (found.st_dev, found.st_ino)]


def _numbered(path: Path, claimed: set[str]) -> Path:
    for number in itertools.count(2):
        candidate = path.with_name(fitted(path.stem, f'_{number}{path.suffix}'))
        if same_name(candidate) not in claimed:
            return candidate
    raise AssertionError('numbers do not end')
