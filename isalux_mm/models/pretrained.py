"""Weights from files and from torchvision: never unpickled code, clear errors, counts in the log."""
from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.logging import MMLogger
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import load_from_local
from torch import Tensor, nn
from torchvision.models import get_weight

from isalux_mm.model_zoo import find_weights, packaged_models, shown

SAFETENSORS = '.safetensors'
# what mmengine's message hub and the metrics of its checkpoints are made of, under the names of NumPy 1 and 2
BESIDE_WEIGHTS = (
    'mmengine.logging.history_buffer.HistoryBuffer', 'builtins.getattr', 'numpy.ndarray', 'numpy.dtype',
    *(f'numpy.{core}.multiarray.{name}' for core in ('core', '_core') for name in ('_reconstruct', 'scalar')),
    *(f'numpy.dtypes.{kind}DType' for kind in ('Bool', 'Int32', 'Int64', 'UInt8', 'UInt32', 'Float32', 'Float64')))


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Tensors of a checkpoint: a safetensors file, or a pickle read with `weights_only`; a packaged model by its name.

    A mapping under 'state_dict', as mmengine writes it, is unwrapped.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file holds anything but tensors by name, or is broken.
    """
    path = find_weights(path)
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint must be an existing file or one of {shown(packaged_models())}, got {path}')
    try:
        if path.suffix == SAFETENSORS:
            from safetensors.torch import load_file
            content: Mapping = load_file(path)
        else:
            content = _read_pickle(path)
    except Exception as error:
        raise ValueError(f'checkpoint {path} must hold plain tensors (safetensors, or a file that torch.load reads '
                         f'with weights_only=True), got {type(error).__name__}: {error}') from error
    state = content.get('state_dict', content)
    tensors = {key: value for key, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ValueError(f'checkpoint {path} must hold tensors by name, got keys {list(state)[:5]}')
    return tensors


@CheckpointLoader.register_scheme(prefixes=(r'isalux\w*$', r'.*\.safetensors$'), force=True)
def load_from_packaged(filename: str, map_location: str | None = None) -> dict:
    """What mmengine loads (`load_from`, `init_cfg`, `load_checkpoint`) from the name of a packaged model or from a
    safetensors file, in the form of its own checkpoints; any other file as ever."""
    path = find_weights(filename)
    if path.suffix != SAFETENSORS:
        return load_from_local(filename, map_location)
    state = read_state_dict(path)
    return dict(meta={}, state_dict=state if map_location is None else
                {key: value.to(map_location) for key, value in state.items()})


class Inert:
    """Stands for an object of a checkpoint that is no tensor; swallows whatever is done to it."""

    def __new__(cls, *args: object) -> 'Inert':
        return super().__new__(cls)

    def __init__(self, *args: object):
        pass

    def __setstate__(self, state: object) -> None:
        pass


def _read_pickle(path: Path) -> Mapping:
    """`weights_only`, with inert stand-ins for what mmengine writes beside the weights."""
    with torch.serialization.safe_globals([(Inert, name) for name in BESIDE_WEIGHTS]):
        return torch.load(path, map_location='cpu', weights_only=True)


def load_weights(module: nn.Module, path: str | Path, *, name: str, prefix: str = '') -> None:
    """Loads the tensors of a file whose names and shapes match, and logs how many did.

    Args:
        module: receives the weights.
        path: as of `read_state_dict`.
        name: what the module is, for log and errors.
        prefix: taken off the file's keys where it stands.

    Raises:
        ValueError: if no key matches, or a shape differs; names the first offenders.
    """
    state = {key.removeprefix(prefix): value for key, value in read_state_dict(path).items()}
    own = module.state_dict()
    shared = [key for key in state if key in own]
    if not shared:
        raise ValueError(f'{name}: no key of {path} matches; expected names like {list(own)[:3]}, '
                         f'got {list(state)[:3]}')
    check_shapes(own, state, name=f'{name}: {path}')
    module.load_state_dict({key: state[key] for key in shared}, strict=False)
    MMLogger.get_current_instance().info(
        f'{name}: {len(shared)} of {len(own)} tensors loaded from {path}; '
        f'{len(own) - len(shared)} kept as built, {len(state) - len(shared)} of the file unused')


def check_shapes(own: Mapping[str, Tensor], state: Mapping[str, Tensor], *, name: str) -> None:
    """Raises a `ValueError` that names the first tensors whose shapes differ, a checkpoint of another width say."""
    wrong = [key for key in state if key in own and own[key].shape != state[key].shape]
    if wrong:
        shown = '; '.join(
            f'{key}: expected {tuple(own[key].shape)}, got {tuple(state[key].shape)}' for key in wrong[:3])
        raise ValueError(f'{name} is of another architecture or width, {len(wrong)} tensors differ in shape: {shown}')


def fetch_torchvision_weights(entry: str, *, option: str, alternative: str) -> Mapping[str, Tensor]:
    """State dict of a torchvision weight entry, from the hub's cache or by download.

    Args:
        entry: such as 'VGG19_Weights.IMAGENET1K_V1'.
        option: the option that takes a local file, for the error.
        alternative: what runs without these weights, for the error.

    Raises:
        RuntimeError: if the download fails; names the file, its place and both ways out.
    """
    weights = get_weight(entry)
    target = Path(torch.hub.get_dir()) / 'checkpoints' / Path(weights.url).name
    try:
        return weights.get_state_dict(progress=False, check_hash=True)
    except Exception as error:
        raise RuntimeError(
            f'{entry} could not be downloaded ({type(error).__name__}: {error}). Place {target.name} (from '
            f'{weights.url}) at {target}, or set {option} to a local copy, or go without: {alternative}') from error
