"""tools/train.py and tools/test.py from end to end on a small pair set in LOL's layout; their errors."""
import csv
import pickle
import re
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from loading import load_tool
from mmengine.config import Config
from mmengine.runner import Runner
from small_training import write_config, write_pairs

from isalux_mm.cli import main
from isalux_mm.cli.test import load_checkpoint
from isalux_mm.cli.train import set_mixed_precision


def call(monkeypatch, name: str, *args) -> None:
    """Runs tools/train.py or tools/test.py, which are `isalux train` and `isalux test`."""
    monkeypatch.setattr(sys, 'argv', [f'{name}.py', *map(str, args)])
    assert load_tool(name).main() == 0


@pytest.fixture(scope='module')
def trained(tmp_path_factory) -> tuple[Path, Path, Path]:
    """Config, data and work folder of a training of two iterations."""
    folder = tmp_path_factory.mktemp('train')
    data = write_pairs(folder / 'data', dict(our485=3, eval15=2))
    config = write_config(folder, data)
    with pytest.MonkeyPatch.context() as patch:
        call(patch, 'train', config, '--work-dir', folder / 'work', '--seed', 3)
    return config, data, folder / 'work'


def test_training_leaves_checkpoints_panels_and_logs(trained):
    _, _, work_dir = trained
    assert (work_dir / 'iter_2.pth').is_file() and (work_dir / 'best_PSNR_iter_2.pth').is_file()
    assert sorted(p.name for p in (work_dir / 'vis').iterdir()) == ['val_00_0_2.png', 'val_01_1_2.png']
    assert list(work_dir.glob('*/vis_data/events.out.tfevents*'))
    assert Config.fromfile(work_dir / 'tiny.py').randomness.seed == 3


@pytest.mark.parametrize('resume', ['auto', 'path'])
def test_resume_goes_on_where_it_stopped(trained, resume, tmp_path, monkeypatch):
    config, _, work_dir = trained
    shutil.copytree(work_dir, tmp_path / 'work')
    (tmp_path / 'work/last_checkpoint').write_text(str(tmp_path / 'work/iter_2.pth'))
    renamed = shutil.copy(config, tmp_path / f'resumed_{resume}.py')
    value = [] if resume == 'auto' else [tmp_path / 'work/iter_2.pth']
    call(monkeypatch, 'train', renamed, '--work-dir', tmp_path / 'work', '--resume', *value, '--cfg-options',
         'train_cfg.max_iters=3', 'train_cfg.val_interval=3', 'default_hooks.checkpoint.interval=1',
         'default_hooks.checkpoint.save_best=None')  # the best of before lies in the other folder and would go
    state = torch.load(tmp_path / 'work/iter_3.pth', weights_only=False)  # written by this test
    assert state['meta']['iter'] == 3
    assert int(state['ema_state_dict']['steps']) == 3  # the averaged weights went on, too


@pytest.mark.parametrize(('device', 'kind'), [('cpu', 'isalux_mm.BFloat16OptimWrapper'), ('cuda', 'AmpOptimWrapper')])
def test_amp_switch(trained, tmp_path, monkeypatch, device, kind):
    config, _, _ = trained
    renamed = shutil.copy(config, tmp_path / 'amp.py')
    built = []
    monkeypatch.setattr('mmengine.device.get_device', lambda: device)
    monkeypatch.setattr(Runner, 'from_cfg', lambda cfg: built.append(cfg) or type('R', (), {'train': list})())
    assert main(['train', str(renamed), '--amp']) == 0
    assert built[0].optim_wrapper.type == kind
    assert built[0].optim_wrapper.get('loss_scale') == (None if device == 'cpu' else 'dynamic')


def test_amp_on_a_cpu_drops_the_options_of_the_accelerators_wrapper(monkeypatch):
    monkeypatch.setattr('mmengine.device.get_device', lambda: 'cpu')
    cfg = Config(dict(optim_wrapper=dict(type='AmpOptimWrapper', loss_scale=512.0, dtype='float16', use_fsdp=False,
                                         accumulative_counts=2)))
    set_mixed_precision(cfg)
    assert cfg.optim_wrapper.to_dict() == dict(type='isalux_mm.BFloat16OptimWrapper', accumulative_counts=2)


@pytest.mark.parametrize(('name', 'message'), [
    ('weights.pth', 'which lacks meta, message_hub, optimizer'), ('picture.png', 'which is damaged')])
def test_resuming_needs_what_a_training_has_written(trained, tmp_path, monkeypatch, capsys, name, message):
    monkeypatch.setattr(Runner, 'from_cfg', lambda cfg: pytest.fail('a run before the checkpoint was seen'))
    torch.save(dict(state_dict=dict(a=torch.zeros(1))), tmp_path / 'weights.pth')
    (tmp_path / 'picture.png').write_bytes(b'no checkpoint')
    renamed = shutil.copy(trained[0], tmp_path / f'resumed_from_{Path(name).stem}.py')
    assert main(['train', str(renamed), '--work-dir', str(tmp_path / 'work'), '--resume', str(tmp_path / name)]) == 2
    told, = [line for line in capsys.readouterr().err.splitlines() if line.startswith('isalux train: ')]
    assert '--resume must be a checkpoint that a training has written, got ' in told and message in told


@pytest.mark.parametrize('command', ['train', 'test'])
def test_a_config_is_a_config(trained, tmp_path, capsys, command):
    (tmp_path / 'a.png').write_bytes(b'no config')
    checkpoint = [str(trained[2] / 'iter_2.pth')] if command == 'test' else []
    assert main([command, str(tmp_path / 'a.png'), *checkpoint]) == 2
    assert f'isalux {command}: config must be a config file (.py, .json, .yaml, .yml), got' in capsys.readouterr().err


def test_training_in_bfloat16_on_a_cpu(trained, tmp_path, monkeypatch):
    config, _, _ = trained
    renamed = shutil.copy(config, tmp_path / 'bfloat16.py')
    call(monkeypatch, 'train', renamed, '--amp', '--work-dir', tmp_path / 'work')
    assert (tmp_path / 'work/iter_2.pth').is_file()


def test_test_prints_saves_and_tables(trained, tmp_path, monkeypatch, capsys):
    config, data, work_dir = trained
    renamed = shutil.copy(config, tmp_path / 'evaluated.py')
    call(monkeypatch, 'test', renamed, work_dir / 'iter_2.pth', '--work-dir', tmp_path / 'work', '--out',
         tmp_path / 'out', '--csv', tmp_path / 'values.csv')
    printed = capsys.readouterr().out
    for name in ('PSNR', 'SSIM', 'PSNR_GTmean', 'SSIM_GTmean', 'PSNR_input'):
        assert name in printed
    assert sorted(p.name for p in (tmp_path / 'out').iterdir()) == ['0.png', '1.png']
    with open(tmp_path / 'values.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    for row in rows:  # PSNR of the saved picture, which was rounded to 8 bits
        name = Path(row['image']).name
        pred, gt = (cv2.imread(str(f / name)).astype(float) / 255 for f in (tmp_path / 'out', data / 'eval15/high'))
        assert float(row['PSNR']) == pytest.approx(-10 * np.log10(((pred - gt)**2).mean()), abs=0.02)


def test_testing_needs_no_training_data(trained, tmp_path, monkeypatch, capsys):
    _, _, work_dir = trained
    config = write_config(tmp_path, write_pairs(tmp_path / 'data', dict(eval15=2)), 'only_tested')
    call(monkeypatch, 'test', config, work_dir / 'iter_2.pth', '--work-dir', tmp_path / 'work')
    assert 'PSNR_GTmean' in capsys.readouterr().out


@pytest.mark.parametrize(('command', 'part'), [('train', 'our485'), ('test', 'eval15')])
def test_missing_data_says_in_one_sentence_what_to_put_where(trained, tmp_path, capsys, command, part):
    config = write_config(tmp_path, tmp_path / 'nowhere', f'missing_{command}')
    checkpoint = [str(trained[2] / 'iter_2.pth')] if command == 'test' else []
    assert main([command, str(config), *checkpoint, '--work-dir', str(tmp_path / 'work')]) == 2
    told = capsys.readouterr().err
    assert re.search(rf'^isalux {command}: .*{part}/low.*prepare_demo\.py', told, re.MULTILINE)
    assert 'Traceback' not in told


@pytest.mark.parametrize('content', [b'no picture at all', b''])
def test_broken_picture_is_named(trained, tmp_path, monkeypatch, content):
    data = write_pairs(tmp_path / 'data', dict(our485=2, eval15=1))
    (data / 'our485/low/1.png').write_bytes(content)
    config = write_config(tmp_path, data, f'broken_{len(content)}')
    with pytest.raises(ValueError, match=r'(?s)1 unusable images.*our485/low/1\.png'):
        call(monkeypatch, 'train', config, '--work-dir', tmp_path / 'work')


class TestCheckpoints:
    """What tools/test.py makes of checkpoints that do not fit, or come from strangers."""

    @pytest.fixture
    def model(self):
        return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.Conv2d(4, 3, 1))

    def test_left_over_and_missing_tensors_are_errors(self, model, tmp_path):
        torch.save({'state_dict': model[:1].state_dict()}, tmp_path / 'part.pth')
        with pytest.raises(ValueError, match=r"does not fit the model: 2 tensors are missing \['1.weight', '1.bias'\]"):
            load_checkpoint(model, tmp_path / 'part.pth')

    def test_another_width(self, trained, tmp_path, monkeypatch):
        config, _, work_dir = trained
        renamed = shutil.copy(config, tmp_path / 'wider.py')
        with pytest.raises(ValueError, match=r'another architecture or width, \d+ tensors differ'):
            call(monkeypatch, 'test', renamed, work_dir / 'iter_2.pth', '--work-dir', tmp_path / 'work',
                 '--cfg-options', 'model.network.embed_dims=[12,24]')

    def test_code_in_a_checkpoint_is_not_run(self, model, tmp_path):
        ran = tmp_path / 'ran'

        class Trap:

            def __reduce__(self):
                return Path.touch, (ran, )

        (tmp_path / 'trap.pth').write_bytes(pickle.dumps({'state_dict': Trap()}))
        with pytest.raises(ValueError, match='must hold'):
            load_checkpoint(model, tmp_path / 'trap.pth')
        assert not ran.exists()

    def test_no_file(self, model, tmp_path):
        with pytest.raises(FileNotFoundError, match='checkpoint must be an existing file'):
            load_checkpoint(model, tmp_path / 'none.pth')
