"""What a test does to its process is gone after it."""
import importlib
import logging
import multiprocessing
import os
import random
import signal
import sys
import tempfile
from types import ModuleType

import cv2
import matplotlib
import numpy as np
import pytest
import torch
from kept_state import kept_state
from matplotlib import pyplot
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.utils import ManagerMixin
from mmengine.visualization import Visualizer
from PIL import Image
from stand_ins import Halving
from torch import nn

from isalux_mm.registry import MODELS

OURS = logging.getLogger('of_the_tests')


def dirty(folder) -> None:
    """Changes all that one can."""
    os.chdir(folder)
    os.umask(0o027)
    os.environ['ISALUX_TEST'] = 'new'
    os.environ['HOME'] = 'elsewhere'
    os.environ.pop('PATH')
    sys.path.append('somewhere')
    sys.argv = ['a', 'command']
    tempfile.tempdir = str(folder)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    cv2.setNumThreads(3)
    torch.set_num_threads(2)
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.deterministic = True
    torch.set_grad_enabled(False)
    np.seterr(all='raise')
    Image.MAX_IMAGE_PIXELS = 1
    multiprocessing.set_start_method('spawn', force=True)
    matplotlib.rcParams['font.size'] = 33
    pyplot.figure()
    logging.disable(logging.ERROR)
    logging.root.addHandler(logging.NullHandler())
    OURS.setLevel(logging.ERROR)
    OURS.propagate = False
    random.random(), np.random.rand(), torch.rand(1)


def seen() -> dict:
    """All that `dirty` changes."""
    mask = os.umask(0o077)
    os.umask(mask)
    environment = {name: value for name, value in os.environ.items() if name != 'PYTEST_CURRENT_TEST'}
    return dict(
        folder=os.getcwd(), mask=mask, environment=environment, path=list(sys.path), argv=sys.argv,
        temporary=tempfile.tempdir, on_sigterm=signal.getsignal(signal.SIGTERM), cv2=cv2.getNumThreads(),
        threads=torch.get_num_threads(), dtype=torch.get_default_dtype(), gradients=torch.is_grad_enabled(),
        deterministic=(torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.deterministic),
        numpy=np.geterr(), pixels=Image.MAX_IMAGE_PIXELS, method=multiprocessing.get_start_method(allow_none=True),
        size=matplotlib.rcParams['font.size'], figures=pyplot.get_fignums(), disabled=logging.root.manager.disable,
        handlers=list(logging.root.handlers), logger=(OURS.level, OURS.propagate), chance=random.getstate(),
        numpy_chance=np.random.get_state()[1].tolist(), torch_chance=torch.get_rng_state().tolist())


def test_the_process_is_as_it_was(tmp_path):
    before = seen()
    with kept_state(tmp_path):
        dirty(tmp_path)
        during = seen()
    after = seen()
    assert not [name for name in before if during[name] == before[name]]  # else nothing would be shown
    assert not [name for name in before if after[name] != before[name]]


def test_instances_of_managers_are_those_of_before(tmp_path):
    kinds = (MMLogger, MessageHub, Visualizer, DefaultScope)
    made = [kind.get_instance('before', **options) for kind, options in zip(kinds, ({}, {}, {}, dict(scope_name='a')))]
    with kept_state(tmp_path):
        assert not any(kind.check_instance_created('before') for kind in kinds)
        MessageHub.get_instance('during').update_info('iter', 7)
        DefaultScope.get_instance('during', scope_name='b')
        logger = MMLogger.get_instance('during', log_file=str(tmp_path / 'log'))
        late = type('Late', (ManagerMixin, ), {'__init__': lambda self, name='': ManagerMixin.__init__(self, name)})
        late.get_instance('during')
    assert [kind.get_current_instance() for kind in kinds] == made
    assert not any(kind.check_instance_created('during') for kind in (*kinds, late))
    assert logger.handlers[1].stream is None  # closed


def test_registered_and_imported_things_of_a_test_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / 'written_by_a_test.py').write_text('class Written:\n    pass\n')
    original = MODELS.module_dict['Identity']
    stood_for = sys.modules['colorsys'] = ModuleType('colorsys')
    with kept_state(tmp_path):
        MODELS.register_module(module=Halving)
        MODELS.register_module('Identity', module=nn.Identity, force=True)
        MODELS.register_module(module=importlib.import_module('written_by_a_test').Written)
        sys.modules['colorsys'] = ModuleType('stand_in')
    assert not {'Halving', 'Written'} & MODELS.module_dict.keys() and MODELS.get('Identity') is original
    assert 'written_by_a_test' not in sys.modules and sys.modules['colorsys'] is stood_for


def test_what_came_with_an_import_stays(tmp_path):
    with kept_state(tmp_path):
        MODELS.register_module('Kept', module=nn.Identity)  # as an import of torch's would
    assert MODELS.module_dict.pop('Kept') is nn.Identity


@pytest.mark.parametrize('_', range(2))
def test_numbers_of_a_test_do_not_hang_on_what_ran_before(_):
    drawn = random.random(), np.random.rand(), torch.rand(1).item()
    assert drawn == pytest.approx((0.8444218515250481, 0.5488135039273248, 0.4962565898895264))
