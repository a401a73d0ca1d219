"""Published weights of peers: files from strangers, read as tensors and never as code."""
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from isalux_mm.models.pretrained import Inert

BESIDE_WEIGHTS = ('argparse.Namespace', )  # options of somebody's training, kept as nothing


def read_published(path: Path) -> dict[str, Any]:
    """What a file holds, read with `weights_only`; a mapping under 'state_dict' is unwrapped.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds objects that are no tensors.
    """
    if not path.is_file():
        raise FileNotFoundError(f'weights must be an existing file, got {path}')
    try:
        with torch.serialization.safe_globals([(Inert, name) for name in BESIDE_WEIGHTS]):
            content = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        raise ValueError(f'weights {path} must be readable by torch.load with weights_only=True, '
                         f'got {type(error).__name__}: {error}') from error
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
