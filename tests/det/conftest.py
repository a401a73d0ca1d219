"""Fixtures of the chain's tests."""
import copy
from collections.abc import Callable
from importlib.util import find_spec

import pytest
from mmengine.config import Config
from mmengine.logging import MessageHub

if find_spec('mmdet'):
    import isalux_mm.det  # noqa: F401  # puts the operators in place before any test imports mmdet's models


@pytest.fixture(scope='session')
def detector_config() -> Callable[..., Config]:
    """Config of a detector by its name in `DETECTORS`."""
    from small_detectors import whole_config
    cache = {}

    def load(name: str) -> Config:
        if name not in cache:
            cache[name] = whole_config(name)
        return copy.deepcopy(cache[name])

    return load


@pytest.fixture(autouse=True)
def _iteration():
    """YOLOX asks the message hub for the iteration, TOOD for the epoch."""
    MessageHub.get_current_instance().update_info_dict(dict(iter=0, epoch=0))
