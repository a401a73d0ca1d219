"""The operators are put in place before any test imports mmseg's models."""
from importlib.util import find_spec

import pytest
import torch
from mmengine.registry import DefaultScope

if find_spec('mmseg'):
    import isalux_mm.seg  # noqa: F401


@pytest.fixture(autouse=True)
def _own_scope():
    """mmseg's ways in change the default scope; the next test starts from ours again."""
    with DefaultScope.overwrite_default_scope('isalux_mm'):
        yield


@pytest.fixture(autouse=True)
def _one_thread():
    """These models are too small to share."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
