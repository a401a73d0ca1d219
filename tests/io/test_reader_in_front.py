"""A process that knows our package unpickles no checkpoint, whichever of mmengine's ways it takes."""
import importlib
import subprocess
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
import torch
from mmengine.runner import CheckpointLoader

from isalux_mm.io import reader_in_front
from isalux_mm.io.reader_in_front import LOADERS, READER, put_reader_in_front

WRITES = 'import os; open(os.environ["MARK"], "w").write("ran")'
# what a program does that builds a network of ours and leaves the rest to mmengine
TRIALS = '''
import isalux_mm
from mmengine.runner import Runner, load_checkpoint
from torch import nn

NETWORK = dict(embed_dims=(8, 16), depths=(1, 1), num_heads=(1, 2), semantic_prior=dict(type='NoPrior'))

def runner(**options):
    made = Runner(nn.Linear(1, 1), 'wd', default_scope='isalux_mm', log_level='ERROR', **options)
    made.load_or_resume()

trials = dict(
    load_checkpoint=lambda: load_checkpoint(isalux_mm.ISALux(**NETWORK), 'code.pth'),
    pretrained=lambda: isalux_mm.ISALux(
        **NETWORK, init_cfg=dict(type='Pretrained', checkpoint='code.pth')).init_weights(),
    load_from=lambda: runner(load_from='code.pth'),
    resume=lambda: runner(load_from='code.pth', resume=True))
for name, trial in trials.items():
    try:
        trial()
        print('tried', name, 'loaded')
    except Exception as error:
        print('tried', name, type(error).__name__)
'''
class Payload:
    """Would leave a file behind when unpickled."""

    def __reduce__(self):
        return exec, (WRITES, )


def test_no_way_of_mmengines_runs_a_file(tmp_path, monkeypatch):
    mark = tmp_path / 'mark'
    monkeypatch.setenv('MARK', str(mark))
    torch.save(dict(state_dict=dict(weight=torch.ones(1, 1)), meta=Payload()), tmp_path / 'code.pth')
    done = subprocess.run([sys.executable, '-c', TRIALS], cwd=tmp_path, capture_output=True, text=True, timeout=540)
    assert [line.split()[1:] for line in done.stdout.splitlines() if line.startswith('tried')] == [
        [name, 'CheckpointError'] for name in ('load_checkpoint', 'pretrained', 'load_from', 'resume')], done.stderr
    assert not mark.exists()


@pytest.fixture
def loaders(tmp_path, monkeypatch):
    """A process in which mmengine's loaders were not imported yet, with stand-ins for them and for the reader."""
    for name, text in (('late_loaders', 'SCHEMES = ["own"]'),
                       ('late_reader', 'import late_loaders\nlate_loaders.SCHEMES[:] = ["ours"]')):
        (tmp_path / f'{name}.py').write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(reader_in_front, 'LOADERS', 'late_loaders')
    monkeypatch.setattr(reader_in_front, 'READER', 'late_reader')
    monkeypatch.setattr(sys, 'meta_path', [
        finder for finder in sys.meta_path if type(finder).__module__ != reader_in_front.__name__])
    yield 'late_loaders'
    for name in ('late_loaders', 'late_reader'):
        sys.modules.pop(name, None)


def test_the_reader_waits_for_the_loaders_and_comes_back_with_them(loaders):
    put_reader_in_front()
    put_reader_in_front()
    assert sum(type(finder).__name__ == '_LoadersFinder' for finder in sys.meta_path) == 1
    assert not {'late_loaders', 'late_reader'} & sys.modules.keys()
    module = importlib.import_module(loaders)
    assert module.SCHEMES == ['ours']
    assert type(module.__spec__) is ModuleSpec and type(module.__loader__) is type(pytest.__loader__)
    assert module.__spec__.loader is module.__loader__
    assert importlib.reload(module).SCHEMES == ['ours']


def test_loaders_that_are_there_get_it_at_once(loaders):
    assert importlib.import_module(loaders).SCHEMES == ['own']
    put_reader_in_front()
    assert sys.modules[loaders].SCHEMES == ['ours'] and isinstance(sys.modules['late_reader'], ModuleType)


def test_what_is_not_there_stays_so(loaders):
    put_reader_in_front()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module('no_such_module_at_all')


def test_the_names_are_mmengines_and_ours():
    assert CheckpointLoader.__module__ == LOADERS
    assert {loader.__module__ for loader in CheckpointLoader._schemes.values()} == {READER}
