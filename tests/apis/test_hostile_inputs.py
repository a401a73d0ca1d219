"""More than 500 hostile pictures through the inferencer and the command: enhanced, or refused by a sentence."""
import gc
import os
import re
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile_pictures import hostile_pictures
from mmengine.config import Config

from isalux_mm import cli
from isalux_mm.apis import EnhanceInferencer
from isalux_mm.io.formats import result_name
from isalux_mm.io.picture_file import read_picture
from isalux_mm.registry import MODELS

TINY = dict(model=dict(
    type='LowLightEnhancer',
    network=dict(type='ISALux', embed_dims=(4, 4), depths=(1, 1), num_heads=(1, 1),
                 semantic_prior=dict(type='NoPrior'), attention=dict(type='HISAAttention', lora_reduction=2))))
MORE_MEMORY = 500  # MiB that the process may grow by at its peak
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings('ignore')]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('hostile')
    for name, content, _ in hostile_pictures():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    """Config and weights of a tiny network."""
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp('tiny')
    torch.save(MODELS.build(dict(TINY['model'], _scope_='isalux_mm')).state_dict(), place / 'tiny.pth')
    Config(TINY).dump(place / 'tiny.py')
    return place / 'tiny.py', place / 'tiny.pth'


def check(done, failed):
    """Every file is done or failed, as it is to be, by a sentence."""
    for hostile in hostile_pictures():
        became = 'refused' if hostile.name in failed else 'read'
        assert hostile.becomes in (became, 'either'), (hostile.name, failed.get(hostile.name))
        reason = failed.get(hostile.name, 'a sentence of words')
        assert len(reason) > 10 and 'Traceback' not in reason and '\n' not in reason
    assert len(done) + len(failed) == len(hostile_pictures())


def test_through_the_inferencer(folder, tiny, tmp_path):
    inferencer = EnhanceInferencer(*map(str, tiny), device='cpu', show_progress=False)
    inferencer(folder / 'mode_RGB.png')
    handles = Path('/proc/self/fd')
    gc.collect()  # what other tests of this process have left open
    before = len(os.listdir(handles)) if handles.is_dir() else 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = inferencer(folder, out=tmp_path / 'out', batch_size=4)['report']
    check(report.done, {Path(name).name: reason for name, reason in report.failed.items()})
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 2**10 < MORE_MEMORY
    gc.collect()
    assert not handles.is_dir() or len(os.listdir(handles)) <= before
    for path in report.done:
        result = read_picture(path)
        assert np.isfinite(result.image).all()
    written = {p.relative_to(tmp_path / 'out') for p in (tmp_path / 'out').rglob('*') if p.is_file()}
    assert len(written) == len(report.done), 'no draft is left'
    for name in ('mode_RGB.png', 'thin_1_3000.jpg', 'exif_byte_order.jpg'):
        before_and_after = [read_picture(place / name).image.shape for place in (folder, tmp_path / 'out')]
        assert before_and_after[0] == before_and_after[1]
    assert not any(result_name(Path(name)).suffix != Path(name).suffix and name in map(str, written)
                   for name in os.listdir(folder))


def test_through_the_command(folder, tiny, tmp_path, capfd):
    config, weights = tiny
    options = ['--model', str(config), '--weights', str(weights), '--device', 'cpu', '--quiet']
    code = cli.main(['enhance', str(folder), '--out', str(tmp_path / 'out'), *options])
    out, err = capfd.readouterr()
    assert code == 1 and 'Traceback' not in out + err
    failed = dict(re.findall(rf'^  {re.escape(str(folder))}/([^:]+): (.+)$', out + err, re.MULTILINE))
    done = [path for path in (tmp_path / 'out').rglob('*') if path.is_file()]
    check(done, failed)
