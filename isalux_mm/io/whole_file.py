"""The one way in which this package writes a file: beside its place, then into it, whole or not at all."""
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

MODE = 0o666  # less the umask, as `open` makes files
STEM_CHARACTERS = 100  # of the file's own name in the draft's: file systems take 255 bytes
TRIALS = 100


@contextmanager
def whole_path(path: str | Path) -> Iterator[Path]:
    """A new, empty file in the same folder for a writer that wants a path; it becomes `path` when the block ends.

    The folder is made. The draft has a name that nothing had before, the suffix of `path`, and the access rights that
    any new file gets, without a look at the umask, which belongs to the whole process. It is brought to the disk before
    it takes its place, and is removed where the block raises: what lay at `path` is replaced at once, or stays.

    Args:
        path: file to be written.

    Yields:
        The draft's path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _new_file(path)
    try:
        yield draft
        with open(draft, 'rb+') as file:
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


@contextmanager
def whole_file(path: str | Path) -> Iterator[BinaryIO]:
    """As `whole_path`, with the draft opened for writing and reading bytes."""
    with whole_path(path) as draft, open(draft, 'r+b') as file:
        yield file


def write_text(path: str | Path, text: str) -> None:
    """Writes a text file, UTF-8, whole or not at all."""
    with whole_file(path) as file:
        file.write(text.encode())


def write_json(path: str | Path, content: object, *, indent: int | None = None) -> None:
    """Writes JSON, whole or not at all; what JSON does not know raises before anything is written."""
    write_text(path, json.dumps(content, indent=indent) + '\n')


def _new_file(path: Path) -> Path:
    """An empty file beside `path` that did not exist."""
    for _ in range(TRIALS):
        draft = path.with_name(f'.{path.stem[:STEM_CHARACTERS]}-{secrets.token_hex(6)}{path.suffix}')
        try:
            os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, 'O_CLOEXEC', 0), MODE))
        except FileExistsError:
            continue
        return draft
    raise FileExistsError(f'no free name for a draft of {path} was found in {TRIALS} trials')


def _sync_folder(folder: Path) -> None:
    """Brings the new name to the disk, on systems that let a folder be opened."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        return
    finally:
        os.close(handle)
