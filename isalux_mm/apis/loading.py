"""From a model's name or config to its network: what an inferencer is built from, without mmengine's runner.

mmengine's `BaseInferencer` brings runner, datasets, metrics and matplotlib, which take longer to import than PyTorch.
"""
import copy
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import torch
from mmengine.config import Config, ConfigDict
from mmengine.device import get_device
from torch import nn

from isalux_mm.model_zoo import find_model, read_config
from isalux_mm.models.base import build_network
from isalux_mm.models.pretrained import check_shapes, read_state_dict
from isalux_mm.registry import MODELS, SCOPE

PREFIX = 'network.'  # of the network's weights in the checkpoint of a `LowLightEnhancer`
ENHANCERS = ('LowLightEnhancer', f'{SCOPE}.LowLightEnhancer')  # whose network can be built without the rest
ModelLike: TypeAlias = str | Path | Config | ConfigDict | dict
Item = TypeVar('Item')


class NetworkInferencer:
    """Has what mmengine's `BaseInferencer` has for its subclasses, of which it is none, and what its `__call__` needs.

    Args:
        model: name of a packaged model, config file, or config.
        weights: safetensors or a checkpoint of tensors (never unpickled); a packaged model brings its own.
        device: 'cpu', 'cuda:0'; the accelerator where there is one by default.
        scope: default scope of the config's types.
        show_progress: whether a bar is shown.

    Attributes:
        cfg: the config.
        trained: the network as it was trained, on the device, in eval mode.

    Raises:
        FileNotFoundError: if `weights` does not exist.
        TypeError: if `model` is of another type.
        ValueError: if the name is unknown, no weights are given for a config, or they do not fit.
    """
    preprocess_kwargs: set[str] = set()
    forward_kwargs: set[str] = set()
    visualize_kwargs: set[str] = set()
    postprocess_kwargs: set[str] = set()

    def __init__(self, model: ModelLike, weights: str | Path | None, device: str | None, scope: str | None,
                 show_progress: bool):
        self.scope, self.show_progress = scope, show_progress
        self.cfg, packaged = config_of(model)
        self.device = reachable_device(device or get_device())
        if 'model' not in self.cfg:
            given = getattr(self.cfg, 'filename', None) or 'one'
            raise ValueError(f"model must be a config with a 'model', got {given} with keys {list(self.cfg)[:5]}")
        weights = packaged if weights is None else weights
        network = self._network()
        if weights is not None:
            load_network(network, weights)
        elif next(network.parameters(), None) is not None:
            raise ValueError('weights must be given with a config of a network that has parameters, got None')
        self.trained = network.to(self.device).eval()

    @cached_property
    def model(self) -> Any:
        """The whole model around the network, losses included; built when it is first asked for."""
        model = MODELS.build(dict(self.cfg.model, _scope_=self.scope))
        if 'trained' in vars(self):
            model.network = self.trained
        return model.to(self.device).eval()

    def _network(self) -> nn.Module:
        """The network of the config, without weights."""
        if self.cfg.model.get('type') not in ENHANCERS:
            if not isinstance(getattr(self.model, 'network', None), nn.Module):
                given = getattr(self.cfg, 'filename', None) or 'a config'
                raise ValueError(f"model must be a config of an enhancer, such as {ENHANCERS[0]}, which has a network; "
                                 f"got {given} of {type(self.model).__name__}")
            return self.model.network
        network = self.cfg.model.network
        return build_network(network if isinstance(network, str) else {'_scope_': self.scope, **network})

    def _get_chunk_data(self, inputs: Iterable[Item], chunk_size: int) -> Iterator[list[Item]]:
        """Batches of the inputs."""
        left = iter(inputs)
        while batch := list(islice(left, chunk_size)):
            yield batch

    def _dispatch_kwargs(self, **options: Any) -> tuple[dict, dict, dict, dict]:
        from mmengine.infer import BaseInferencer
        return BaseInferencer._dispatch_kwargs(self, **options)


def config_of(model: ModelLike) -> tuple[Config | ConfigDict, Path | None]:
    """The config of a packaged model, with its weights, of a file, or given.

    Raises:
        TypeError: if `model` is of another type.
        ValueError: if it is no name of a packaged model and no file.
    """
    if isinstance(model, str | Path):
        if Path(model).is_file():
            return read_config(model, 'model'), None
        found = find_model(str(model))
        return Config.fromfile(found.config), found.weights
    if isinstance(model, Config | ConfigDict):
        return copy.deepcopy(model), None
    if isinstance(model, dict):
        return copy.deepcopy(ConfigDict(model)), None
    raise TypeError(f'model must be a name, a file or a config, got {type(model).__name__}')


def reachable_device(name: str) -> torch.device:
    """The device of a name.

    Raises:
        ValueError: if it is no name of a device or PyTorch does not reach it.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"device must be one that this PyTorch reaches, such as 'cpu', got {name!r} "
                         f'({str(error).splitlines()[0]})') from error
    return device


def load_network(network: nn.Module, path: str | Path) -> None:
    """Loads a network's weights from a checkpoint of its `LowLightEnhancer` or of itself.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a tensor of the network is missing in it or has another shape.
    """
    state = {key.removeprefix(PREFIX): value for key, value in read_state_dict(path).items()}
    own = network.state_dict()
    missing = [key for key in own if key not in state]
    if missing:
        raise ValueError(f'{path} must hold all tensors of the network, {len(missing)} of {len(own)} are missing, '
                         f'such as {missing[:3]}: is it of another model?')
    check_shapes(own, state, name=str(path))
    network.load_state_dict({key: state[key] for key in own})
