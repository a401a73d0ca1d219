"""Places that files are to go to: whether anything can be written there, asked before the work; what a disk says."""
import errno
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# no room, no rights, no folder: a traceback would say nothing more
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOENT,
               errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
WRONG_USE = 2


def check_writable(path: str | Path) -> None:
    """Checks that a file or folder can be made at a place, without leaving anything there.

    Args:
        path: of the file or folder to be; folders on the way to it may be missing.

    Raises:
        OSError: if it cannot; its message is a sentence that names the place.
    """
    place = Path(path)
    folder = place if place.is_dir() else place.parent
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(f'nothing can be written there, {folder} is no folder: {path}')
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise type(error)(f'nothing can be written there ({error.strerror}): {path}') from error


def is_of_disk(error: BaseException) -> bool:
    """Whether an error is the disk's, or one of ours about a file, and its sentence tells all."""
    return isinstance(error, OSError) and (error.errno is None or error.errno in DISK_ERRORS)


def sentence(error: OSError) -> str:
    """What the disk says, and of which file; the message of an error that is none of the system's."""
    if error.errno is None:
        return str(error)
    return f'{error.strerror}: {error.filename}' if error.filename else str(error.strerror)


@contextmanager
def disk_errors_told() -> Iterator[None]:
    """Ends a tool with one sentence and exit code 2 where the disk has no room, gives no rights or lacks a file."""
    try:
        yield
    except OSError as error:
        if not is_of_disk(error):
            raise
        print(f'{Path(sys.argv[0]).name}: {sentence(error)}', file=sys.stderr)
        raise SystemExit(WRONG_USE) from error
