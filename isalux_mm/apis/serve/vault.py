"""Files of the page: whose they are, how much room they take, and when they go."""
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: folders of servers that were killed stay
    fcntl = None  # type: ignore[assignment]

FOLDER_VARIABLE = 'GRADIO_TEMP_DIR'
PREFIX, LOCK = 'isalux-page-', '.lock'
RESULTS = 'results'
SESSIONS = 10_000  # ours: of which it is remembered whose they are


@contextmanager
def page_folder() -> Iterator[Path]:
    """A folder for all that is uploaded and made, which Gradio is told to use; removed with its content at the end.

    Those of servers that were killed are removed first: a running one holds a lock on a file in its own.
    """
    remove_dead_folders(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as folder, locked(Path(folder) / LOCK):
        before = os.environ.get(FOLDER_VARIABLE)
        os.environ[FOLDER_VARIABLE] = folder
        try:
            yield Path(folder)
        finally:
            if before is None:
                del os.environ[FOLDER_VARIABLE]
            else:
                os.environ[FOLDER_VARIABLE] = before


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock on a new file until the block ends, or the process."""
    with open(path, 'xb') as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def remove_dead_folders(parent: Path) -> None:
    """Removes folders of this user's servers that run no longer; a folder without a lock file is left alone."""
    if fcntl is None:
        return
    for folder in parent.glob(f'{PREFIX}*'):
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with open(folder / LOCK, 'rb') as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises while the server runs
                shutil.rmtree(folder, ignore_errors=True)


class Vault:
    """Whose a file is: the visitor's who uploaded it, or for whom it was made.

    A visitor is told apart by a secret in a cookie; one without gets nothing back.

    Args:
        folder: of all files.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder).resolve()
        self._lock = threading.Lock()
        self._uploads: dict[Path, set[str]] = {}
        self._sessions: OrderedDict[str, str] = OrderedDict()

    @staticmethod
    def visitor(secret: str | None) -> str:
        """The name by which a secret's owner is known here; '' without a secret."""
        return sha256(secret.encode()).hexdigest()[:32] if secret else ''

    def results_of(self, visitor: str) -> Path:
        """The folder of what is made for a visitor; one that nobody reaches where there is no cookie."""
        folder = self.folder / RESULTS / (visitor or secrets.token_hex(16))
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def claim(self, paths: Iterable[str | Path], visitor: str) -> None:
        """Notes who uploaded files; the same content may be several visitors'."""
        with self._lock:
            for path in paths:
                self._uploads.setdefault(Path(path).resolve(), set()).add(visitor)

    def may_use(self, path: str | Path, visitor: str) -> bool:
        """Whether a file was uploaded by a visitor or made for them."""
        resolved = Path(path).resolve()
        with self._lock:
            if visitor in self._uploads.get(resolved, ()):
                return True
        return bool(visitor) and resolved.is_relative_to(self.folder / RESULTS / visitor)

    def may_join(self, session: str, visitor: str) -> bool:
        """Whether a session of a page, a name that the browser chose, is a visitor's; the first to name it has it."""
        with self._lock:
            owner = self._sessions.setdefault(session, visitor)
            self._sessions.move_to_end(session)
            while len(self._sessions) > SESSIONS:
                self._sessions.popitem(last=False)
        return owner == visitor

    def bytes(self) -> int:
        """Of all files."""
        return sum(size for _, size, _ in self._files())

    def forget(self, visitor: str, keep: Iterable[str | Path]) -> None:
        """Removes what a visitor uploaded and had made before, but for some uploads."""
        kept = {Path(path).resolve() for path in keep}
        if not visitor:
            return
        with self._lock:
            alone = [path for path, owners in self._uploads.items() if visitor in owners and path not in kept]
            for path in alone:
                self._uploads[path].discard(visitor)
                if not self._uploads[path]:
                    del self._uploads[path]
                    path.unlink(missing_ok=True)
        shutil.rmtree(self.folder / RESULTS / visitor, ignore_errors=True)

    def sweep(self, seconds: float) -> None:
        """Removes files that are older than so many seconds, and folders that are empty and as old."""
        now = time.time()
        for path, _, changed in self._files():
            if now - changed > seconds:
                with suppress(OSError):
                    path.unlink()
        for where, _, _ in os.walk(self.folder, topdown=False):
            with suppress(OSError):
                if where != str(self.folder) and now - os.stat(where).st_mtime > seconds:
                    os.rmdir(where)  # fails unless empty
        with self._lock:
            self._uploads = {path: owners for path, owners in self._uploads.items() if path.exists()}

    def _files(self) -> Iterator[tuple[Path, int, float]]:
        """Path, bytes and time of the last change."""
        for where, _, names in os.walk(self.folder):
            for name in names:
                with suppress(OSError):
                    path = Path(where) / name
                    if path != self.folder / LOCK:
                        status = path.stat()
                        yield path, status.st_size, status.st_mtime
