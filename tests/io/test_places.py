"""Whether a place can be written to, found out without leaving anything there; one sentence of what a disk says."""
import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from processes import environment

from isalux_mm.cli import main
from isalux_mm.io.places import check_writable, disk_errors_told, sentence

ROOT = Path(__file__).resolve().parents[2]
CONVERTERS = {  # a converter, and its arguments ahead of the place that it writes to
    'dataset_converters/darken_coco.py': ['--annotations', 'a.json', '--images', '.', '--gain', '0.1', '--out'],
    'dataset_converters/synthesize_lowlight.py': ['photographs'],
    'dataset_converters/prepare_demo.py': ['--out'],
    'model_converters/adapted_prior2package.py': ['a.pth'],
    'model_converters/checkpoint2package.py': ['a.py', 'a.pth'],
    'model_converters/yolox_onnx2mmdet.py': ['a.onnx'],
    'model_converters/deeplab_tflite2torch.py': ['a.tflite'],
}


@pytest.mark.parametrize('place', ['new', 'new/deep/file.pth', '.', 'there/file.pth'])
def test_a_good_place(tmp_path, place):
    (tmp_path / 'there').mkdir()
    check_writable(tmp_path / place)
    assert [path.name for path in tmp_path.rglob('*')] == ['there']


def test_a_file_in_the_way(tmp_path):
    (tmp_path / 'file').write_text('mine')
    with pytest.raises(NotADirectoryError) as met:
        check_writable(tmp_path / 'file/results/x.csv')
    assert sentence(met.value) == (f'nothing can be written there, {tmp_path}/file is no folder: '
                                   f'{tmp_path}/file/results/x.csv')


@pytest.mark.parametrize('number', [errno.EACCES, errno.ENOSPC, errno.EROFS])
def test_no_room_and_no_rights(tmp_path, monkeypatch, number):
    def refuse(**options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, 'TemporaryFile', refuse)
    with pytest.raises(OSError) as met:
        check_writable(tmp_path / 'x.csv')
    assert sentence(met.value) == f'nothing can be written there ({os.strerror(number)}): {tmp_path}/x.csv'


def test_a_tool_says_it_in_one_sentence(capsys):
    with pytest.raises(SystemExit) as ended, disk_errors_told():
        raise OSError(errno.ENOSPC, 'No space left on device', 'out/a.png')
    assert ended.value.code == 2 and capsys.readouterr().err.endswith('No space left on device: out/a.png\n')
    with pytest.raises(SystemExit), disk_errors_told():
        raise FileNotFoundError('no folder low')
    assert capsys.readouterr().err.endswith(': no folder low\n')
    with pytest.raises(OSError, match='Bad file'), disk_errors_told():
        raise OSError(errno.EBADF, 'Bad file descriptor')


@pytest.mark.parametrize('converter', CONVERTERS)
def test_converters_ask_before_the_work(tmp_path, converter):
    """What they are to read is not there either: the place is asked for first."""
    (tmp_path / 'file').write_text('mine')
    (tmp_path / 'photographs').mkdir()
    done = subprocess.run([sys.executable, str(ROOT / 'tools' / converter), *CONVERTERS[converter], 'file/out'],
                          cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == 2 and 'Traceback' not in done.stderr
    assert done.stderr.strip().splitlines()[-1].endswith('file/out')
    assert {path.name for path in tmp_path.iterdir()} == {'file', 'photographs'}


@pytest.mark.parametrize('option', ['--out', '--csv', '--json', '--work-dir'])
def test_a_test_asks_before_the_work(tmp_path, capsys, option):
    (tmp_path / 'file').write_text('mine')
    assert main(['test', 'isalux_zero_shot', 'isalux_zero_shot', option, str(tmp_path / 'file/x')]) == 2
    assert 'file is no folder' in capsys.readouterr().err
