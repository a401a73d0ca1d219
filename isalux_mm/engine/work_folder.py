"""A training's folder: who works in it, what it can be resumed from, and what a training that was killed left there."""
import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.logging import print_log

from isalux_mm.io.checkpoint_file import CheckpointError, read_checkpoint
from isalux_mm.io.plain_pickle import NotPlainError

LAST, LOCK = 'last_checkpoint', 'training.lock'
CHECKPOINT = re.compile(r'(iter|epoch)_(\d+)\.pth')
DRAFT = re.compile(r'\.(iter|epoch|best|last_checkpoint).*-[0-9a-f]{12}(\.pth)?')  # of `io.whole_file`
NEEDED = ('meta', 'state_dict', 'message_hub', 'optimizer')  # what a training goes on from
MEGA = 2**20


class WorkFolderError(OSError):
    """A work folder in which no training can start or go on; the message is for users."""


def megabytes(size: int) -> str:
    """A size for a message."""
    return f'{size / MEGA:.1f} MiB'


@contextmanager
def held(folder: str | Path) -> Iterator[Path]:
    """Makes a work folder and keeps other trainings out of it, in this and in other processes.

    The lock is the process's: it is gone with it, however that ends. What drafts of checkpoints a killed training left
    is removed.

    Raises:
        WorkFolderError: if the folder cannot be made or written to, or another training works in it.
    """
    folder = Path(folder)
    lock = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = _locked(lock)
    except BlockingIOError as error:
        owner = lock.read_text(encoding='utf-8').strip() if lock.is_file() else ''
        raise WorkFolderError(f'another training works in {folder}{owner and f" (process {owner})"}: give this one '
                              'another --work-dir, or end that one first') from error
    except OSError as error:
        raise WorkFolderError(f'work folder {folder} cannot be written to: {error.strerror}') from error
    try:
        for draft in folder.iterdir():
            if DRAFT.fullmatch(draft.name):
                draft.unlink(missing_ok=True)
        yield folder
    finally:
        lock.unlink(missing_ok=True)
        os.close(handle)


def checkpoint_of(folder: str | Path) -> Path | None:
    """The checkpoint that a training goes on from: what `last_checkpoint` names, or the newest whole one; says so.

    Args:
        folder: the work folder; a path noted before it was moved is looked for in it.

    Returns:
        `None` where there are no checkpoints.

    Raises:
        WorkFolderError: if there are, and none is whole.
        CheckpointError: if the one that is named holds code.
    """
    folder = Path(folder)
    found = {path: [int(part) if part.isdigit() else part for part in match.groups()]
             for path in folder.glob('*.pth') if (match := CHECKPOINT.fullmatch(path.name))}
    named = _named(folder)
    if named is not None and (reason := damage(named)) is None:
        return named
    if not found:
        if named is not None:
            raise WorkFolderError(f'{named}, which {folder / LAST} names, {reason}, and there is no other checkpoint')
        return None
    if named is not None:
        print_log(f'{named}, which {LAST} names, {reason}: looking for the newest whole one', logger='current')
    whole = [path for kind in ('iter', 'epoch') if (path := _newest_whole(
        sorted((path for path, (of, _) in found.items() if of == kind), key=lambda p: found[p][1], reverse=True)))]
    if not whole:
        raise WorkFolderError(f'no checkpoint in {folder} is whole: {", ".join(sorted(p.name for p in found))}. To '
                              'start anew, leave out --resume or take them away')
    path = max(whole, key=lambda p: read_checkpoint(p)['meta']['iter'])
    print_log(f'resuming from {path}, the newest whole checkpoint', logger='current')
    return path


def damage(path: Path) -> str | None:
    """Why a training cannot go on from a checkpoint; `None` where it can.

    Raises:
        CheckpointError: if the file holds code, which is no damage.
    """
    try:
        content = read_checkpoint(path)
    except FileNotFoundError:
        return 'is not there'
    except OSError as error:
        return f'cannot be read ({error.strerror})'
    except CheckpointError as error:
        if isinstance(error.__cause__, NotPlainError):
            raise
        return 'is damaged'
    missing = [key for key in NEEDED if not isinstance(content, dict) or key not in content]
    return f'lacks {", ".join(missing)}' if missing else None


def _named(folder: Path) -> Path | None:
    """The file that `last_checkpoint` names: of that name in this folder, or else where it says."""
    note = folder / LAST
    text = note.read_text(encoding='utf-8', errors='replace').strip() if note.is_file() else ''
    if not text or '\0' in text or '://' in text:
        return None
    here = folder / Path(text).name
    return here if here.is_file() or not (folder / text).is_file() else folder / text


def _newest_whole(paths: list[Path]) -> Path | None:
    """The first of some checkpoints that is whole; what is wrong with those before is said."""
    for path in paths:
        reason = damage(path)
        if reason is None:
            return path
        print_log(f'{path} {reason}: left out', logger='current')
    return None


def _locked(lock: Path) -> int:
    """An open handle of a file that this process alone holds.

    Raises:
        BlockingIOError: if another process does.
    """
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | getattr(os, 'O_CLOEXEC', 0), 0o666)
        try:
            _lock(handle)
            if lock.exists() and os.path.samestat(os.fstat(handle), lock.stat()):
                os.ftruncate(handle, 0)
                os.write(handle, f'{os.getpid()}\n'.encode())
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # the holder of before has just removed it


def _lock(handle: int) -> None:
    """Locks an open file for this process; its children, such as workers that outlive it, do not hold it."""
    if sys.platform == 'win32':
        import msvcrt
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(*error.args) from error
    else:
        import fcntl
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise BlockingIOError(*error.args) from error
            raise
