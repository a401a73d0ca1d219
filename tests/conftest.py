"""Shared fixtures: a small deterministic picture, a folder of real pictures where there is one."""
import itertools
import os
from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope

DATA_VARIABLE = 'ISALUX_DATA'
DATA_NEIGHBOUR = Path(__file__).resolve().parents[2] / 'shared' / 'data'


SCOPES = itertools.count()


def own_scope() -> None:
    """Makes ours the current scope; runners and inferencers of other tests leave theirs."""
    DefaultScope.get_instance(f'tests-{next(SCOPES)}', scope_name='isalux_mm')


@pytest.fixture(scope='session', autouse=True)
def _one_thread_each():
    torch.set_num_threads(1)  # networks of the tests are tiny: threads would wait for one another


@pytest.fixture(scope='module', autouse=True)
def _scope_of_the_module():
    own_scope()


@pytest.fixture(autouse=True)
def _scope_of_the_test():
    own_scope()


@pytest.fixture(scope='session')
def shared_data() -> Path:
    """The folder of real photographs, pairs and weights; the test is skipped where there is none."""
    folder = Path(os.environ.get(DATA_VARIABLE, DATA_NEIGHBOUR))
    if not folder.is_dir():
        pytest.skip(f'no real data: set {DATA_VARIABLE} to a folder of photographs, pairs and weights')
    return folder


@pytest.fixture
def picture() -> torch.Tensor:
    """A smooth random picture, (1, 3, 37, 53), RGB in [0, 1]: odd sizes on purpose."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 5, 7, generator=generator)
    return torch.nn.functional.interpolate(coarse, size=(37, 53), mode='bilinear').clamp(0, 1)
