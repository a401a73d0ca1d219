"""A pickle machine without its dangers: a name is looked up in a table of stand-ins, never imported.

What a stand-in gives is inert, too: a pickle may store into an object that it has got hold of, so that none of this
process is ever within its reach; `plain` turns the finished structure into tensors, arrays and containers.
"""
import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, ClassVar

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

# instructions that make or change objects by other ways than the three below, or reach outside the file
REFUSED = (pickle.INST, pickle.OBJ, pickle.NEWOBJ_EX, pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.PERSID,
           pickle.NEXT_BUFFER, pickle.READONLY_BUFFER)
STORAGE_TYPES = {
    'DoubleStorage': torch.float64, 'FloatStorage': torch.float32, 'HalfStorage': torch.float16,
    'BFloat16Storage': torch.bfloat16, 'LongStorage': torch.int64, 'IntStorage': torch.int32,
    'ShortStorage': torch.int16, 'CharStorage': torch.int8, 'ByteStorage': torch.uint8, 'BoolStorage': torch.bool,
    'ComplexDoubleStorage': torch.complex128, 'ComplexFloatStorage': torch.complex64, 'UntypedStorage': torch.uint8}
STORAGE_MODULES = ('torch', 'torch.cuda', 'torch.storage')
NUMBERS, TEXTS = 'biufc', 'US'  # kinds of NumPy's types
HISTORY = 'mmengine.logging.history_buffer.HistoryBuffer'
OLD_NAMES = {'__builtin__': 'builtins'}  # Python 2's
ARRAY_STATE, DTYPE_STATE = 5, 8  # entries of what NumPy's arrays and types are built from
Stored = Callable[[str, torch.dtype, int], 'Storage']


class NotPlainError(ValueError):
    """A pickle that asks for more than tensors and plain data."""


class Storage:
    """Numbers that tensors are views of; `values`, (N,), may come later than they."""

    def __init__(self, values: torch.Tensor):
        self.values = values


class Name:
    """A name in a pickle, and what is made where it is called."""

    def __init__(self, name: str, make: Callable[..., Any]):
        self.name, self.make = name, make


class Tensor:
    """A view of a storage, to be made when that is there."""

    def __init__(self, storage: Storage, offset: int, size: tuple, stride: tuple, dtype: torch.dtype | None = None):
        if not isinstance(storage, Storage):
            raise NotPlainError(f'a tensor is made of {type(storage).__name__}')
        self.storage, self.offset, self.size, self.stride, self.dtype = storage, offset, size, stride, dtype

    def made(self) -> torch.Tensor:
        """The tensor.

        Raises:
            ValueError: if it reaches beyond its storage.
        """
        values = self.storage.values if self.dtype is None else self.storage.values.view(self.dtype)
        numbers = (self.offset, *self.size, *self.stride)
        if len(self.size) != len(self.stride) or not all(type(n) is int and n >= 0 for n in numbers):
            raise ValueError(f'no tensor has size {self.size}, stride {self.stride} and offset {self.offset}')
        last = self.offset + sum((n - 1) * step for n, step in zip(self.size, self.stride))
        if all(self.size) and last >= len(values):
            raise ValueError(f'a tensor of size {self.size} reaches beyond its {len(values)} numbers')
        return values.as_strided(self.size, self.stride, self.offset) if all(self.size) else values.new_empty(self.size)


class Stated:
    """What gets a state after it was made; the state is kept as it comes."""
    state: Any = None

    def made(self, finished: Callable[[Any], Any]) -> Any:
        """The plain value; `finished` turns what it consists of into plain values."""
        raise NotImplementedError


class Ordered(OrderedDict, Stated):
    """An `OrderedDict`; of its state PyTorch's versions of modules are kept."""

    def made(self, finished: Callable[[Any], Any]) -> OrderedDict:
        """The plain value."""
        made = OrderedDict((finished(key), finished(value)) for key, value in self.items())
        if isinstance(self.state, Mapping) and isinstance(self.state.get('_metadata'), Mapping):
            made._metadata = finished(self.state['_metadata'])  # type: ignore[attr-defined]
        return made


class Dtype(Stated):
    """A type of NumPy: numbers or texts, no structures, no objects."""

    def __init__(self, code: str, *_: object):
        self.code = code

    def found(self) -> np.dtype:
        """The type."""
        found = np.dtype(self.code) if isinstance(self.code, str) else None
        if found is None or found.kind not in NUMBERS + TEXTS or found.names:
            raise NotPlainError(f'an array is of the type {self.code!r}')
        if isinstance(self.state, tuple) and len(self.state) >= DTYPE_STATE and self.state[1] in ('<', '>'):
            found = found.newbyteorder(self.state[1])
        return found


class Array(Stated):
    """An array of NumPy."""

    def made(self, finished: Callable[[Any], Any]) -> np.ndarray:
        """The plain value.

        Raises:
            NotPlainError: if the state is no array's.
        """
        if not isinstance(self.state, tuple) or len(self.state) != ARRAY_STATE:
            raise NotPlainError('an array has no content')
        _, shape, dtype, by_columns, data = self.state
        if not isinstance(dtype, Dtype) or not isinstance(data, bytes):
            raise NotPlainError('an array holds objects')
        flat = np.frombuffer(data, dtype.found())
        return flat.reshape(shape, order='F' if by_columns else 'C').copy(order='K')


class History(Stated):
    """A history of mmengine's log."""

    def made(self, finished: Callable[[Any], Any]) -> HistoryBuffer:
        """A history of this process's class, whose values and counts alone are taken over."""
        state = finished(self.state) if isinstance(self.state, Mapping) else {}
        values, counts = (np.asarray(state.get(key, ())) for key in ('_log_history', '_count_history'))
        if values.ndim != 1 or values.shape != counts.shape or {values.dtype.kind, counts.dtype.kind} - set(NUMBERS):
            raise NotPlainError('a history holds something else than numbers')
        history = HistoryBuffer(max_length=int(state.get('max_length', len(values))))
        history._log_history, history._count_history = values, counts
        return history


class Options(Stated):
    """Options of a command line, as `argparse` keeps them."""

    def made(self, finished: Callable[[Any], Any]) -> dict:
        """Their values by name."""
        return finished(self.state) if isinstance(self.state, dict) else {}


class Ignored(Stated):
    """Something without use here."""

    def made(self, finished: Callable[[Any], Any]) -> None:
        """Nothing."""


class PlainUnpickler(pickle._Unpickler):
    """Python's own unpickler, which gets its names from `TABLE`, calls and builds nothing else.

    Args:
        file: of the pickle.
        stored: gives the storage of a key, of a type and a number of elements; `None` where there may be none.
    """
    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        code: load for code, load in pickle._Unpickler.dispatch.items() if code not in {name[0] for name in REFUSED}}

    def __init__(self, file: BinaryIO, stored: Stored | None):
        super().__init__(file, encoding='latin1')
        self._stored = stored

    def load(self) -> Any:
        """Reads one pickle.

        Raises:
            NotPlainError: if it asks for anything that is not in the table, or uses a refused instruction.
        """
        try:
            return super().load()
        except KeyError as error:
            if error.args[0] in {code[0] for code in REFUSED}:
                raise NotPlainError(f'it has the instruction {error}') from error
            raise ValueError(f'{error} is no instruction') from error

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in of a name."""
        module = OLD_NAMES.get(module, module)
        full = f'{module}.{name}'
        if full in TABLE:
            return Name(full, TABLE[full])
        if module in STORAGE_MODULES and name in STORAGE_TYPES:
            return Name(name, refused)
        if module == 'torch' and isinstance(vars(torch).get(name), torch.dtype):
            return vars(torch)[name]
        raise NotPlainError(f'it asks for {full}')

    def persistent_load(self, pid: Any) -> Storage:
        """The storage that a tensor is made of."""
        kind = pid[1] if isinstance(pid, tuple) and len(pid) >= 5 and pid[0] in ('storage', b'storage') else None
        if self._stored is None or not isinstance(kind, Name) or kind.name not in STORAGE_TYPES:
            raise NotPlainError('it asks for something stored elsewhere')
        if len(pid) > 5 and pid[5] is not None:
            raise NotPlainError('it has views of storages, which files of PyTorch before 0.4 have')
        return self._stored(str(pid[2]), STORAGE_TYPES[kind.name], pid[4])

    def load_reduce(self) -> None:
        """Calls a stand-in."""
        stack: Any = self.stack  # type: ignore[attr-defined]
        arguments, function = stack.pop(), stack.pop()
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise NotPlainError(f'it calls {type(function).__name__}')
        stack.append(function.make(*arguments))

    def load_build(self) -> None:
        """Gives its state to what takes one."""
        stack: Any = self.stack  # type: ignore[attr-defined]
        state, target = stack.pop(), stack[-1]
        if not isinstance(target, Stated):
            raise NotPlainError(f'it changes {type(target).__name__}')
        target.state = state

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_reduce  # a class and its arguments: the same
    dispatch[pickle.BUILD[0]] = load_build


def refused(*_: object) -> None:
    """What may not be called."""
    raise NotPlainError('it calls a type')


def tensor(storage: Storage, offset: int, size: tuple, stride: tuple, *_: object) -> Tensor:
    """`torch._utils._rebuild_tensor`, `..._v2`; gradients and hooks are left out."""
    return Tensor(storage, offset, tuple(size), tuple(stride))


def typed_tensor(storage: Storage, offset: int, size: tuple, stride: tuple, grad: bool, hooks: object,
                 dtype: torch.dtype, *_: object) -> Tensor:
    """`torch._utils._rebuild_tensor_v3`: numbers of a type that has no storage type of its own."""
    if not isinstance(dtype, torch.dtype):
        raise NotPlainError('a tensor is of no type')
    return Tensor(storage, offset, tuple(size), tuple(stride), dtype)


def parameter(data: Tensor, *_: object) -> Tensor:
    """`torch._utils._rebuild_parameter`, with or without attributes."""
    return data


def with_attributes(function: Name, kind: object, arguments: tuple, *_: object) -> Any:
    """`torch._tensor._rebuild_from_type_v2`: a tensor or parameter, without its attributes."""
    if not isinstance(function, Name) or function.make not in (tensor, typed_tensor, parameter):
        raise NotPlainError('it makes a tensor of another kind')
    return function.make(*arguments)


def method(owner: Name, name: str) -> Ignored:
    """`getattr`, by which a history names its own statistics; no attribute is looked up."""
    if not isinstance(owner, Name) or owner.name != HISTORY or not isinstance(name, str):
        raise NotPlainError('it asks for builtins.getattr')
    return Ignored()


def latin(text: str, encoding: str = 'latin1') -> bytes:
    """`_codecs.encode`, which holds bytes in old pickles."""
    if not isinstance(text, str) or encoding != 'latin1':
        raise NotPlainError(f'it encodes {type(text).__name__} as {encoding!r}')
    return text.encode(encoding)


def number(dtype: Dtype, data: bytes) -> Any:
    """NumPy's scalars."""
    if not isinstance(dtype, Dtype) or not isinstance(data, bytes):
        raise NotPlainError('a number is none')
    return np.frombuffer(data, dtype.found(), count=1)[0]


def counted(content: Mapping | None = None) -> Counter:
    """`Counter`, such as the milestones of a schedule."""
    return Counter(dict(content or {}))


def ordered(pairs: Any = ()) -> Ordered:
    """`OrderedDict`."""
    return Ordered(pairs)


NUMPY = {f'numpy.{core}.multiarray.{name}': make for core in ('core', '_core')
         for name, make in (('_reconstruct', lambda *_: Array()), ('scalar', number))}
TABLE: dict[str, Callable[..., Any]] = {
    'collections.OrderedDict': ordered, 'collections.Counter': counted, 'collections.deque': lambda *a: list(*a[:1]),
    'builtins.set': lambda *a: set(*a), 'builtins.frozenset': lambda *a: frozenset(*a),
    'builtins.complex': lambda *a: complex(*a), 'builtins.slice': lambda *a: slice(*a),
    '_codecs.encode': latin, 'torch.Size': lambda size=(): tuple(size), 'torch.device': lambda *_: None,
    'torch._utils._rebuild_tensor': tensor, 'torch._utils._rebuild_tensor_v2': tensor,
    'torch._utils._rebuild_tensor_v3': typed_tensor, 'torch._utils._rebuild_parameter': parameter,
    'torch._utils._rebuild_parameter_with_state': parameter, 'torch._tensor._rebuild_from_type_v2': with_attributes,
    'torch.nn.parameter.Parameter': refused, 'torch.Tensor': refused,
    'numpy.ndarray': refused, 'numpy.dtype': Dtype, **NUMPY,
    'mmengine.config.config.ConfigDict': lambda *a: dict(*a[:1]),
    'argparse.Namespace': lambda *_: Options(), HISTORY: lambda *_: History(), 'builtins.getattr': method}


def plain(content: Any) -> Any:
    """The structure that a pickle has left, in tensors, arrays, numbers, texts and containers of this process.

    Raises:
        NotPlainError: if it holds anything else, or itself.
    """
    done: dict[int, Any] = {}
    keep, open_ones = [], set()  # what `done` knows by its address must live

    def finished(value: Any) -> Any:
        if value is None or isinstance(value, str | bytes | bool | int | float | complex | torch.dtype | np.generic):
            return value
        if id(value) in done:
            return done[id(value)]
        if id(value) in open_ones:
            raise NotPlainError('it holds itself')
        open_ones.add(id(value))
        made = _finish(value, finished)
        open_ones.discard(id(value))
        keep.append(value)
        done[id(value)] = made
        return made

    try:
        return finished(content)
    except RecursionError as error:
        raise NotPlainError('it is nested too deeply') from error


def _finish(value: Any, finished: Callable[[Any], Any]) -> Any:
    """One container or stand-in, with what is in it."""
    if isinstance(value, Tensor):
        return value.made()
    if isinstance(value, Stated):
        return value.made(finished)
    if isinstance(value, Counter):
        return Counter({finished(key): finished(count) for key, count in value.items()})
    if isinstance(value, dict):
        return {finished(key): finished(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return type(value)(finished(entry) for entry in value)
    if isinstance(value, slice):
        return slice(finished(value.start), finished(value.stop), finished(value.step))
    raise NotPlainError(f'it holds {value.name if isinstance(value, Name) else type(value).__name__}')
