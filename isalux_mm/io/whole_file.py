"""The one way in which this package writes a file: beside its place, then into it, whole or not at all.

What lay there before is never opened for writing, and is replaced only where that is asked for.
"""
import atexit
import json
import os
import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

from isalux_mm.io.names import fitted

MODE = 0o666  # less the umask, as `open` makes files
TRIALS = 100
# that end a process where nothing catches them; SIGHUP is none of Windows'
ENDING_SIGNALS = tuple(getattr(signal, name) for name in ('SIGINT', 'SIGTERM', 'SIGHUP') if hasattr(signal, name))

_drafts: dict[Path, int] = {}  # those that lie on disk, and the process that wrote them


@contextmanager
def whole_path(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A new, empty file in the same folder for a writer that wants a path; it becomes `path` when the block ends.

    The folder is made. The draft has a name that nothing had before, the suffix of `path`, and the access rights that
    any new file gets, without a look at the umask, which belongs to the whole process. It is brought to the disk before
    it takes its place. It is removed where the block raises, and where a signal ends the process: one that arrives in
    another thread's block is caught if the program catches it (`signals_interrupt`) or its main thread is in
    `drafts_removed_on_signals`.

    Args:
        path: file to be written.
        overwrite: whether it may be there. Even then it is replaced at once and never opened; a link is replaced
            itself, not what it leads to.

    Yields:
        The draft's path.

    Raises:
        FileExistsError: if `path` is there, or has come while the block ran, and may not be replaced.
        IsADirectoryError: if it is a folder.
    """
    path = Path(path)
    check_free(path, overwrite=overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    with drafts_removed_on_signals():
        draft = _new_file(path)
        try:
            yield draft
            settle(draft, path, overwrite=overwrite)
        finally:
            draft.unlink(missing_ok=True)
            _drafts.pop(draft, None)


@contextmanager
def whole_file(path: str | Path, *, overwrite: bool = False) -> Iterator[BinaryIO]:
    """As `whole_path`, with the draft opened for writing and reading bytes."""
    with whole_path(path, overwrite=overwrite) as draft, open(draft, 'r+b') as file:
        yield file


def write_text(path: str | Path, text: str, *, overwrite: bool = False) -> None:
    """Writes a text file, UTF-8, whole or not at all; arguments and errors as of `whole_path`."""
    with whole_file(path, overwrite=overwrite) as file:
        file.write(text.encode())


def write_json(path: str | Path, content: object, *, indent: int | None = None, overwrite: bool = False) -> None:
    """Writes JSON, whole or not at all; what JSON does not know raises before anything is written."""
    write_text(path, json.dumps(content, indent=indent) + '\n', overwrite=overwrite)


def settle(draft: Path, path: Path, *, overwrite: bool = False) -> None:
    """Brings a draft to the disk and gives it a name, which a draft of `whole_path` may get before its block ends.

    Args:
        draft: whole, in the folder of `path`.
        path: what it becomes; a file that is there, or came in the meantime, stays unless it may be replaced.
        overwrite: whether it may.

    Raises:
        FileExistsError: if it is there and may not be replaced.
    """
    with open(draft, 'rb+') as file:
        os.fsync(file.fileno())
    if overwrite:
        os.replace(draft, path)
    else:
        _link(draft, path)
    _sync_folder(path.parent)


def _link(draft: Path, path: Path) -> None:
    """Names a draft without ever replacing a file, as a rename would."""
    try:
        os.link(draft, path)
    except (OSError, NotImplementedError):
        check_free(path)
    else:
        draft.unlink(missing_ok=True)
        return
    # a file system without hard links: the name is taken first
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, MODE))
    try:
        os.replace(draft, path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def check_free(path: str | Path, *, overwrite: bool = False) -> None:
    """Checks, before any work, that a file may be written.

    Args:
        path: file to be.
        overwrite: whether it may be there.

    Raises:
        FileExistsError: if it is there and may not be replaced, or is no regular file (a device, say).
        IsADirectoryError: if it is a folder.
    """
    if os.path.isdir(path):
        raise IsADirectoryError(f'{path} is a folder, no file can be written there')
    if os.path.lexists(path) and not overwrite:
        raise FileExistsError(f'{path} exists; overwrite (--overwrite) makes it anew')
    if os.path.exists(path) and not os.path.isfile(path):
        raise FileExistsError(f'{path} is no regular file and is not replaced')


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """Has SIGTERM and SIGHUP raise a `KeyboardInterrupt` in the main thread, as Ctrl-C does, so that what is begun is
    cleared away; a signal that is ignored (`nohup`) stays so. Outside of the main thread nothing changes."""
    with _handled(signal.default_int_handler):
        yield


@contextmanager
def drafts_removed_on_signals() -> Iterator[None]:
    """Within it a signal that ends the process leaves no draft, of another thread's either; where the program catches
    it, and outside of the main thread, nothing changes."""
    with _handled(_end):
        yield


def _new_file(path: Path) -> Path:
    """An empty file beside `path` that did not exist."""
    for _ in range(TRIALS):
        draft = path.with_name(fitted(f'.{path.stem}', f'-{secrets.token_hex(6)}{path.suffix}'))
        try:
            os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, 'O_CLOEXEC', 0), MODE))
        except FileExistsError:
            continue
        _drafts[draft] = os.getpid()
        return draft
    raise FileExistsError(f'no free name for a draft of {path} was found in {TRIALS} trials')




@contextmanager
def _handled(handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """Gives the signals that would end the process at once to a handler, and takes them away from it at the end."""
    taken = []
    if threading.current_thread() is threading.main_thread():
        taken = [number for number in ENDING_SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in taken:
            if signal.getsignal(number) is handler:
                signal.signal(number, signal.SIG_DFL)


def _end(number: int, frame: FrameType | None) -> None:
    """Ends the process as the signal does that it would have ended by, without drafts."""
    _remove_drafts()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


@atexit.register
def _remove_drafts() -> None:
    """Removes what this process has begun, whichever thread; a child has inherited the list, not the files."""
    for draft, process in list(_drafts.items()):
        if process == os.getpid():
            draft.unlink(missing_ok=True)


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
