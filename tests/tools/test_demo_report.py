"""The end of `make demo`: the checkpoint that a training of ours leaves is scored, also where its folder was moved."""
import shutil
import sys

import cv2
import pytest
from loading import load_tool
from small_training import write_config, write_pairs


def call(monkeypatch, name: str, *args) -> int:
    monkeypatch.setattr(sys, 'argv', [f'{name}.py', *map(str, args)])
    return load_tool(name).main()


def test_the_last_checkpoint_of_a_training_is_scored_and_drawn(tmp_path, monkeypatch, capsys):
    config = write_config(tmp_path, write_pairs(tmp_path / 'data', dict(our485=2, eval15=2)), 'isalux_tiny')
    assert call(monkeypatch, 'train', config, '--work-dir', tmp_path / 'work') == 0
    moved = shutil.move(tmp_path / 'work', tmp_path / 'moved')
    assert call(monkeypatch, 'demo_report', moved) == 1  # two iterations teach nothing
    out = capsys.readouterr().out
    assert 'PSNR_GTmean' in out and 'make demo: FAILED, the output beats the input by' in out
    assert cv2.imread(str(tmp_path / 'moved/demo.png')).shape[1] >= 3 * 28  # input, output, reference


def test_a_folder_without_a_checkpoint_is_refused(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        call(monkeypatch, 'demo_report', tmp_path)
    assert 'no checkpoint in' in capsys.readouterr().err
