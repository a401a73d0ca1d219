"""Tools that read folders of pictures say ahead of all work which of them has none, the last one, too."""
import argparse
import sys

import numpy as np
import pytest
from loading import load_tool

from isalux_mm.cli.options import demand_pictures
from isalux_mm.io.images import write_image
from isalux_mm.models.deeplab import PACKAGED

# of every tool the options, with one folder that is amiss
CASES = {
    'benchmark_whole': ['AMISS'],
    'check_harmless': ['isalux_zero_shot', '--photos', 'AMISS'],
    'check_harmless ': ['isalux_zero_shot', '--photos', 'GOOD', '--low', 'GOOD', '--gt', 'AMISS'],
    'compare_dtypes': ['a=GOOD', 'b=AMISS'],
    'compare_synthesis': ['GOOD', 'AMISS'],
    'compare_synthesis ': ['GOOD', '--real', 'a=PAIRS', '--real', 'b=AMISS'],
    'contact_sheet': ['isalux_zero_shot', '--inputs', 'GOOD', 'AMISS', '--out', 'OUT'],
    'contact_sheet ': ['isalux_zero_shot', '--inputs', 'GOOD', '--references', 'GOOD', 'AMISS', '--out', 'OUT'],
    'distill': ['config.py', 'isalux_zero_shot', 'OUT', '--photographs', 'GOOD', 'AMISS'],
    'draw_detections': ['config.py', 'weights.pth', '--images', 'AMISS', '--labels', 'GOOD', '--out', 'OUT'],
    'model_converters/deeplab_tflite2torch': ['network.tflite', 'OUT', '--check', 'AMISS'],
    'score_segmentation': ['--photos', 'AMISS'],
    'score_semantic_prior': [str(PACKAGED), '--photos', 'GOOD', 'AMISS'],
    'score_semantic_prior ': [str(PACKAGED), '--pairs', 'PAIRS', 'AMISS'],
}


@pytest.mark.parametrize('there', [True, False], ids=['empty', 'absent'])
@pytest.mark.parametrize('name', CASES)
def test_a_folder_without_pictures_ends_the_command(name, there, tmp_path, monkeypatch, capsys):
    for place in ('good/a.png', 'pairs/low/a.png', 'pairs/high/a.png'):
        write_image(tmp_path / place, np.zeros((8, 8, 3), np.float32))
    amiss = tmp_path / 'amiss'
    if there:
        amiss.mkdir()
    places = dict(GOOD=tmp_path / 'good', PAIRS=tmp_path / 'pairs', OUT=tmp_path / 'out.png', AMISS=amiss)
    options = list(CASES[name])
    for word, place in places.items():
        options = [option.replace(word, str(place)) for option in options]
    tool = load_tool(name.strip())
    monkeypatch.setattr(sys, 'argv', [name, *options])
    with pytest.raises(SystemExit) as ended:
        tool.main()
    message = capsys.readouterr().err
    assert ended.value.code == 2 and f'expected a folder with pictures, got {amiss}' in message


def test_what_is_no_folder_is_called_so(tmp_path, capsys):
    parser = argparse.ArgumentParser()
    for there in (False, True):
        if there:
            (tmp_path / 'a').mkdir()
        with pytest.raises(SystemExit):
            demand_pictures(parser, tmp_path / 'a')
        assert ('no folder' in capsys.readouterr().err) != there
    write_image(tmp_path / 'a/below/b.png', np.zeros((8, 8, 3), np.float32))
    demand_pictures(parser, tmp_path / 'a')


def test_classes_are_folders_with_names(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['compare_dtypes', 'folder'])
    with pytest.raises(SystemExit):
        load_tool('compare_dtypes').main()
    assert 'expected NAME=FOLDER, got folder' in capsys.readouterr().err
