"""Checkpoints read as data: tensors and plain values are rebuilt here, nothing that a file names is imported or called.

PyTorch's files are pickles, whose instructions may call any function. Here a small table says what each known name is
replaced by; every other name is refused. `torch.load(weights_only=True)` goes the same way, but refuses what mmengine
keeps beside the weights, and a list of exceptions to it belongs to the whole process. The format is documented in
PyTorch's notes on serialization, the pickle machine in Python's `pickletools`.
"""
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO

import torch

from isalux_mm.io.plain_pickle import NotPlainError, PlainUnpickler, Storage, plain

SAFETENSORS = '.safetensors'
LEGACY_MAGIC = 0x1950a86a20f9469cfc6c  # PyTorch's, at the start of its files of before 1.6
LEGACY_PROTOCOL = 1001
ZIP_START = b'PK\3\4'
STARTS = (b'PK', b'\x80')  # of PyTorch's files, a zip archive or a pickle
LENGTH = 8  # bytes of the length of safetensors' header
HEAD, LITTLE_ENDIAN = 8, b'little'  # bytes of a legacy storage's length; the order that every file of today has
COMPILED, DISTRIBUTED = '_orig_mod.', 'module.'  # what torch.compile and DistributedDataParallel put ahead of names
SWITCH = '--trust-checkpoint'
_TRUSTED: ContextVar[bool] = ContextVar('trusted', default=False)


class CheckpointError(ValueError):
    """A file that is no checkpoint, is damaged, or holds more than tensors and plain data."""


@contextmanager
def trusted_checkpoints(trusted: bool = True) -> Iterator[None]:
    """Inside, checkpoints are unpickled, which runs whatever code they hold: for files whose maker you trust.

    Args:
        trusted: whether they are; so that a command line's switch can be handed on.
    """
    token = _TRUSTED.set(trusted)
    try:
        yield
    finally:
        _TRUSTED.reset(token)


def are_trusted() -> bool:
    """Whether checkpoints are unpickled at present (`trusted_checkpoints`)."""
    return _TRUSTED.get()


def read_checkpoint(path: str | Path, map_location: Any = None) -> Any:
    """Content of a checkpoint: safetensors, or any file of `torch.save` that holds tensors and plain data.

    Plain data are numbers, texts, containers, NumPy's arrays and mmengine's histories. Names get rid of what
    `torch.compile` and `DistributedDataParallel` put ahead of them.

    Args:
        path: file.
        map_location: device of the tensors; the CPU by default. For trusted files whatever `torch.load` takes.

    Raises:
        CheckpointError: if the file is damaged, or holds anything else; nothing of it has been run.
        OSError: if it cannot be opened.
    """
    path = Path(path)
    if are_trusted() and path.suffix != SAFETENSORS:
        return with_plain_names(torch.load(path, map_location=map_location, weights_only=False))
    with open(path, 'rb') as file:
        content = _read(file, path)
    return with_plain_names(moved(content, map_location))


def read_checkpoint_bytes(content: bytes, name: str, map_location: Any = None) -> Any:
    """As `read_checkpoint`, of a file's content; `name` is for errors."""
    if are_trusted():
        return with_plain_names(torch.load(io.BytesIO(content), map_location=map_location, weights_only=False))
    return with_plain_names(moved(_read(io.BytesIO(content), Path(name)), map_location))


def with_plain_names(content: Any) -> Any:
    """A checkpoint whose tensors' names have no prefix of a wrapper: `_orig_mod.` wherever it stands, `module.` where
    all names begin with it; anything else as it is."""
    if not isinstance(content, dict):
        return content
    for key in ('state_dict', 'ema_state_dict'):  # mmengine's averaged model is called `module` by right
        if isinstance(content.get(key), dict):
            content[key] = _renamed(content[key], key == 'state_dict')
    return content if 'state_dict' in content else _renamed(content, True)


def moved(content: Any, device: Any) -> Any:
    """A structure of containers with its tensors on a device; where none is named they stay on the CPU."""
    if not isinstance(device, str | torch.device) or torch.device(device).type == 'cpu':
        return content
    if isinstance(content, torch.Tensor):
        return content.to(device)
    if isinstance(content, dict):
        for key, value in content.items():
            content[key] = moved(value, device)
        return content
    if isinstance(content, list | tuple):
        return type(content)(moved(value, device) for value in content)
    return content


def _renamed(state: dict, distributed: bool) -> dict:
    names = {key: key.replace(COMPILED, '') if isinstance(key, str) else key for key in state}
    if distributed and state and all(isinstance(n, str) and n.startswith(DISTRIBUTED) for n in names.values()):
        names = {key: name.removeprefix(DISTRIBUTED) for key, name in names.items()}
    if all(key == name for key, name in names.items()) or len(set(names.values())) < len(names):
        return state
    renamed = type(state)((names[key], value) for key, value in state.items())
    versions = getattr(state, '_metadata', None)
    if versions is not None:
        renamed._metadata = versions  # type: ignore[attr-defined]
    return renamed


def _read(file: BinaryIO, path: Path) -> Any:
    """The content of an open file; whatever goes wrong in it is a `CheckpointError` that names `path`."""
    _check_kind(file.read(LENGTH + 1), path)
    file.seek(0)
    try:
        if path.suffix == SAFETENSORS:
            from safetensors.torch import load
            return load(file.read())
        if zipfile.is_zipfile(file):
            return _read_zip(file)
        file.seek(0)
        if file.read(len(ZIP_START)) == ZIP_START:
            raise ValueError('its end is missing')
        return _read_legacy(file)
    except NotPlainError as error:
        raise CheckpointError(
            f'checkpoint {path} must hold plain tensors and plain data alone, but {error}. Reading it would run code '
            f'of whoever made the file. If you trust them, read it with {SWITCH} (in Python, inside '
            'isalux_mm.io.checkpoint_file.trusted_checkpoints())') from error
    except MemoryError:
        raise
    except Exception as error:  # a damaged file can fail in any way
        raise CheckpointError(f'checkpoint {path} must hold plain tensors (safetensors, or a file of torch.save), but '
                              f'it is damaged or of another kind: {type(error).__name__}: {error}') from error


def _check_kind(head: bytes, path: Path) -> None:
    """Raises a `CheckpointError` if a file does not begin as a checkpoint does, or as one of another suffix."""
    safe = head[LENGTH:] == b'{'  # safetensors: a header of JSON behind its length
    if path.suffix == SAFETENSORS and safe or path.suffix != SAFETENSORS and head.startswith(STARTS):
        return
    kind = 'safetensors' if safe else 'a file of torch.save' if head.startswith(STARTS) else None
    found = f'{kind} under a name of the other kind' if kind else 'no checkpoint'
    raise CheckpointError(f'checkpoint {path} must hold plain tensors (safetensors, or a file of torch.save), but it '
                          f'is {found}')


def _read_zip(file: BinaryIO) -> Any:
    """A file of `torch.save` since PyTorch 1.6: a pickle and one record per storage, uncompressed, with checksums."""
    file.seek(0)
    with zipfile.ZipFile(file) as archive:
        names = set(archive.namelist())
        found = [name for name in names if name.endswith('/data.pkl')]
        if len(found) != 1 or f'{found[0][:-len("data.pkl")]}constants.pkl' in names:
            raise ValueError('no file of torch.save, or a program of TorchScript')
        folder = found[0][:-len('data.pkl')]
        for entry in archive.infolist():
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f'{entry.filename} is compressed, which PyTorch never does')
        order = archive.read(f'{folder}byteorder') if f'{folder}byteorder' in names else LITTLE_ENDIAN
        if order != LITTLE_ENDIAN:
            raise ValueError(f'numbers are stored in the order {order!r}')
        storages: dict[str, Storage] = {}

        def stored(key: str, dtype: torch.dtype, count: int) -> Storage:
            if key not in storages:
                if f'{folder}data/{key}' not in names:
                    raise ValueError(f'record {key} is missing')
                data = archive.read(f'{folder}data/{key}')
                if len(data) < count * dtype.itemsize:
                    raise ValueError(f'record {key} has {len(data)} bytes, {count * dtype.itemsize} are asked for')
                storages[key] = Storage(as_tensor(data, dtype))
            return storages[key]

        return plain(PlainUnpickler(io.BytesIO(archive.read(found[0])), stored).load())


def _read_legacy(file: BinaryIO) -> Any:
    """A file of `torch.save` of before PyTorch 1.6: five pickles, then the storages, each behind its length."""
    file.seek(0)
    read = [PlainUnpickler(file, None).load() for _ in range(3)]
    if read[0] != LEGACY_MAGIC or read[1] != LEGACY_PROTOCOL:
        raise ValueError('no file of torch.save')
    storages: dict[str, Storage] = {}

    def announced(key: str, dtype: torch.dtype, count: int) -> Storage:
        return storages.setdefault(key, Storage(torch.empty(0, dtype=dtype)))

    content = PlainUnpickler(file, announced).load()
    for key in PlainUnpickler(file, None).load():
        count = int.from_bytes(file.read(HEAD), 'little')
        storage = storages[key]
        data = file.read(count * storage.values.dtype.itemsize)
        if len(data) < count * storage.values.dtype.itemsize:
            raise ValueError(f'the file ends inside storage {key}')
        storage.values = as_tensor(data, storage.values.dtype)
    return plain(content)


def as_tensor(data: bytes, dtype: torch.dtype) -> torch.Tensor:
    """Numbers of a type, as they lie in a file, (N,)."""
    count = len(data) // dtype.itemsize
    return torch.frombuffer(bytearray(data), dtype=dtype, count=count) if count else torch.empty(0, dtype=dtype)

