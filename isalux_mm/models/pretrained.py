"""Weights from files and from torchvision: never unpickled code, clear errors, counts in the log."""
from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.logging import MMLogger
from torch import Tensor, nn

from isalux_mm.functional.checks import check_finite
from isalux_mm.io.checkpoint_file import read_checkpoint
from isalux_mm.model_zoo import find_weights, packaged_models, shown


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Tensors of a checkpoint, see `io.checkpoint_file`; a packaged model by its name.

    A mapping under 'state_dict', as mmengine writes it, is unwrapped.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file holds anything but tensors by name and plain data, or is broken.
    """
    path = find_weights(path)
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint must be an existing file or one of {shown(packaged_models())}, got {path}')
    content = read_checkpoint(path)
    state = content.get('state_dict', content) if isinstance(content, Mapping) else content
    if not isinstance(state, Mapping):
        raise ValueError(f'checkpoint {path} must hold tensors by name, got {type(state).__name__}')
    tensors = {key: value for key, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ValueError(f'checkpoint {path} must hold tensors by name, got keys {list(state)[:5]}')
    return tensors


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


def half_precision(state: Mapping[str, Tensor], *, name: str) -> dict[str, Tensor]:
    """The tensors as a package holds them: floating ones in half precision, contiguous.

    Raises:
        ValueError: if one holds NaN or infinities, or numbers that half precision has not, beyond 65,504.
    """
    halves = {key: (value.half() if value.is_floating_point() else value).contiguous() for key, value in state.items()}
    for key, value in halves.items():
        if value.is_floating_point():
            check_finite(value, f'{name}: {key} in half precision, up to 65,504,')
    return halves


def fetch_torchvision_weights(entry: str, *, option: str, alternative: str) -> Mapping[str, Tensor]:
    """State dict of a torchvision weight entry, from the hub's cache or by download.

    Args:
        entry: such as 'VGG19_Weights.IMAGENET1K_V1'.
        option: the option that takes a local file, for the error.
        alternative: what runs without these weights, for the error.

    Raises:
        RuntimeError: if the download fails; names the file, its place and both ways out.
    """
    from torchvision.models import get_weight  # takes as long to import as PyTorch itself
    weights = get_weight(entry)
    target = Path(torch.hub.get_dir()) / 'checkpoints' / Path(weights.url).name
    try:
        return weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except Exception as error:
        raise RuntimeError(
            f'{entry} could not be downloaded ({type(error).__name__}: {error}). Place {target.name} (from '
            f'{weights.url}) at {target}, or set {option} to a local copy, or go without: {alternative}') from error
