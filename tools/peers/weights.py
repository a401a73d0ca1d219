"""Published weights of peers: files from strangers, read as tensors and never as code."""
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from isalux_mm.io.checkpoint_file import read_checkpoint


def read_published(path: Path) -> dict[str, Any]:
    """What a file holds; a mapping under 'state_dict' is unwrapped.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds anything else than tensors and plain data.
    """
    if not path.is_file():
        raise FileNotFoundError(f'weights must be an existing file, got {path}')
    content = read_checkpoint(path)
    return dict(content.get('state_dict', content))


def load_published(network: nn.Module, state: Mapping[str, Tensor], *, unused: tuple[str, ...] = ()) -> None:
    """Loads all tensors of a network, which must be all that the file holds.

    Args:
        network: receives them.
        state: tensors by the network's names.
        unused: beginnings of keys that are left out.

    Raises:
        ValueError: if a tensor is missing, one too many, or of another shape.
    """
    kept = {key: value for key, value in state.items() if not key.startswith(unused or ('\0', ))}
    try:
        network.load_state_dict(kept)
    except RuntimeError as error:
        raise ValueError(f'weights do not fit {type(network).__name__}: {error}') from error
