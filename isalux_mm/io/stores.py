"""Folders of pictures that lie elsewhere: in a bucket, say. By fsspec, which is imported where one is named."""
import posixpath
import secrets
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from isalux_mm.io.formats import SUFFIXES

LOCAL = 'file://'
# whose files appear whole or not at all; on others a file is renamed when it is whole
WHOLE = {'s3', 's3a', 'gs', 'gcs', 'abfs', 'az', 'adl', 'memory'}


def is_elsewhere(place: str | Path) -> bool:
    """Whether it is the address of a file system of fsspec's, such as 's3://bucket/folder', and not a path."""
    return '://' in str(place) and not str(place).startswith(LOCAL)


def as_path(place: str | Path) -> Path:
    """A path, also of one that is written as an address."""
    return Path(str(place).removeprefix(LOCAL))


def joined(address: str, name: str | Path) -> str:
    """The address of what lies in a folder."""
    return f'{address.rstrip("/")}/{Path(name).as_posix()}'


def is_below(address: str, folder: str) -> bool:
    """Whether an address lies in a folder, which is another one."""
    return address.startswith(folder.rstrip('/') + '/') and address.rstrip('/') != folder.rstrip('/')


def pictures_in(address: str, *, recursive: bool = True) -> list[str]:
    """Addresses of the pictures below a folder, sorted; of a file its own. Hidden files are left out.

    Raises:
        FileNotFoundError: if there is nothing.
        ImportError: if fsspec, or what it needs for this address, is missing.
    """
    system, root = _system(address)
    if system.isfile(root):
        return [address]
    found = system.find(root, maxdepth=None if recursive else 1)
    if not found and not system.exists(root):
        raise FileNotFoundError(f'{address}: no such file or folder')
    names = [posixpath.relpath(path, root) for path in found]
    return [joined(address, name) for name in sorted(names)
            if posixpath.splitext(name)[1].lower() in SUFFIXES and not posixpath.basename(name).startswith('.')]


def there(addresses: Sequence[str], folder: str) -> set[str]:
    """Those of the addresses in a folder that are there: one listing, not a question for each."""
    system, root = _system(folder)
    found = {joined(folder, posixpath.relpath(path, root)) for path in system.find(root)} if system.exists(root) else ()
    return set(addresses).intersection(found)


def fetch(address: str, path: Path) -> None:
    """Copies a file to a path."""
    system, root = _system(address)
    if not system.exists(root):
        raise FileNotFoundError(f'{address}: no such file')
    path.parent.mkdir(parents=True, exist_ok=True)
    system.get_file(root, str(path))


def store(path: Path, address: str, *, overwrite: bool = False, same: bool = False) -> None:
    """Copies a file to an address; it appears there whole or not at all.

    Args:
        path: the file.
        address: what it becomes.
        overwrite: whether that may be there.
        same: whether it may be there with the same content, as a worker that was lost may have left it.

    Raises:
        FileExistsError: if it is there and may not be. Of two written at the same moment object stores keep the last.
    """
    system, root = _system(address)
    if not overwrite and system.exists(root):
        if same and system.cat_file(root) == path.read_bytes():
            return
        raise FileExistsError(f'{address} exists; overwrite (--overwrite) makes it anew')
    system.makedirs(posixpath.dirname(root), exist_ok=True)
    if _protocols(system) & WHOLE:
        system.put_file(str(path), root)
        return
    draft = posixpath.join(posixpath.dirname(root), f'.{posixpath.basename(root)}-{secrets.token_hex(6)}')
    try:
        system.put_file(str(path), draft)
        system.mv(draft, root)
    except BaseException:
        if system.exists(draft):
            system.rm_file(draft)
        raise


def _system(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it."""
    return _fsspec().core.url_to_fs(address)


def _protocols(system: Any) -> set[str]:
    return {system.protocol} if isinstance(system.protocol, str) else set(system.protocol)


def _fsspec() -> ModuleType:
    try:
        import fsspec
    except ImportError as error:
        raise ImportError("addresses such as s3:// need fsspec: pip install 'isalux-mm[ray]'") from error
    return fsspec
