"""mmengine's checkpoint loaders, every one through the reader that runs nothing; importing puts them there.

mmengine's own fall back to unpickling. What it loads by `load_from`, `resume`, `init_cfg`, `load_checkpoint`, and so
mmdet's and mmseg's functions and inferencers, comes by these. `reader_in_front` imports this module as soon as
mmengine's is there, which may be while mmengine.runner is still being imported.
"""
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from mmengine.dist import get_dist_info
from mmengine.fileio import get_file_backend
from mmengine.logging import print_log
from mmengine.runner import checkpoint as mmengine_loading
from mmengine.runner.checkpoint import CheckpointLoader

from isalux_mm.io.checkpoint_file import SWITCH, CheckpointError, are_trusted, read_checkpoint, read_checkpoint_bytes
from isalux_mm.io.whole_file import whole_path
from isalux_mm.model_zoo import find_weights, packaged_models, shown

HASH = re.compile(r'-([0-9a-f]{8,64})\.\w+$')
CODE = ('cfg', 'config')  # texts of configs that a checkpoint brings along, which mmengine runs to read them


@CheckpointLoader.register_scheme(prefixes='', force=True)
def load_from_local(filename: str, map_location: Any = None) -> Any:
    """A file, or a packaged model by its name."""
    path = find_weights(Path(filename).expanduser())
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint must be an existing file or one of {shown(packaged_models())}, got {path}')
    return for_mmengine(read_checkpoint(path, map_location))


@CheckpointLoader.register_scheme(prefixes=('http://', 'https://'), force=True)
def load_from_http(filename: str, map_location: Any = None) -> Any:
    """A file at a web address, by way of the hub's cache."""
    rank, world_size = get_dist_info()
    if rank == 0:
        downloaded(filename)
    if world_size > 1:
        torch.distributed.barrier()
    return load_from_local(downloaded(filename), map_location)


@CheckpointLoader.register_scheme(prefixes=('modelzoo://', 'torchvision://'), force=True)
def load_from_torchvision(filename: str, map_location: Any = None) -> Any:
    """A model of torchvision."""
    return load_from_http(mmengine_loading.get_torchvision_models()[filename.split('://', 1)[1]], map_location)


@CheckpointLoader.register_scheme(prefixes=('open-mmlab://', 'openmmlab://'), force=True)
def load_from_openmmlab(filename: str, map_location: Any = None) -> Any:
    """A model of OpenMMLab's list."""
    name = filename.split('://', 1)[1]
    address = mmengine_loading.get_external_models()[mmengine_loading.get_deprecated_model_names().get(name, name)]
    if address.startswith(('http://', 'https://')):
        return load_from_http(address, map_location)
    return load_from_local(str(Path(mmengine_loading._get_mmengine_home()) / address), map_location)


@CheckpointLoader.register_scheme(prefixes='mmcls://', force=True)
def load_from_mmcls(filename: str, map_location: Any = None) -> Any:
    """The backbone of a model of MMClassification."""
    address = mmengine_loading.get_mmcls_models()[filename.split('://', 1)[1]]
    return mmengine_loading._process_mmcls_checkpoint(load_from_http(address, map_location))


@CheckpointLoader.register_scheme(prefixes=[r'(\S+\:)?s3://', r'(\S+\:)?petrel://'], force=True)
def load_from_ceph(filename: str, map_location: Any = None, backend: str = 'petrel') -> Any:
    """A file of an object store."""
    content = get_file_backend(filename, backend_args=dict(backend=backend)).get(filename)
    return for_mmengine(read_checkpoint_bytes(content, filename, map_location))


@CheckpointLoader.register_scheme(prefixes='pavi://', force=True)
def load_from_pavi(filename: str, map_location: Any = None) -> Any:
    """A model of a service that unpickles what it loads: of trusted ones only."""
    if not are_trusted():
        raise CheckpointError(f'{filename} can be read by unpickling alone, which runs code: see {SWITCH}')
    raise CheckpointError(f'{filename}: download the file and give its path')


def for_mmengine(content: Any) -> Any:
    """A checkpoint in mmengine's form, without the texts of configs that mmengine would run to read them: on resuming,
    and in an inferencer that is given no config. With trusted checkpoints they stay."""
    if not isinstance(content, dict):
        return content
    if 'state_dict' not in content:
        return dict(meta={}, state_dict=content) if content and is_state(content) else content
    content.setdefault('meta', {})
    places = [content['meta'], (content.get('message_hub') or {}).get('runtime_info')]
    if not are_trusted():
        for place in places:
            for key in CODE:
                if isinstance(place, dict) and place.pop(key, None) is not None and key == 'config':
                    print_log('the config in the checkpoint is not read: a config is code', logger='current')
    return content


def is_state(content: dict) -> bool:
    """Whether this is a bare dictionary of tensors."""
    return all(isinstance(value, torch.Tensor) for value in content.values())


def downloaded(address: str, *, option: str = 'the option that names it') -> str:
    """Path of a checkpoint; one at a web address is looked for in the hub's cache and then downloaded.

    A download is checked against the hash in its name (`fcn-efe53f0d.pth`), where there is one. It is not opened here.

    Args:
        address: path or address.
        option: what a user sets to a local copy, for the error.

    Raises:
        RuntimeError: if the download fails or has another hash; says where to place the file.
    """
    if '://' not in address:
        return address
    target = Path(torch.hub.get_dir()) / 'checkpoints' / Path(urlparse(address).path).name
    if not target.is_file():
        try:
            with whole_path(target) as draft:
                torch.hub.download_url_to_file(address, str(draft), hash_of(target.name), progress=False)
        except Exception as error:
            if target.is_file():  # another process was first
                return str(target)
            raise RuntimeError(
                f'{address} could not be downloaded ({type(error).__name__}: {error}). Place the file at {target}, '
                f'or set {option} to a local copy') from error
    return str(target)


def hash_of(name: str) -> str | None:
    """The beginning of the SHA-256 that a file's name ends in, as OpenMMLab's and torchvision's do; `None` without."""
    found = HASH.search(name)
    return found[1] if found else None
