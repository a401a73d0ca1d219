"""The table of a segmentor behind enhancers in the dark, without labels."""
import csv

import numpy as np
import pytest
import torch
from loading import load_tool
from skimage import data

from isalux_mm.io.images import write_image

scorer = load_tool('score_segmentation')


@pytest.fixture(scope='module')
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp('photographs')
    for name in ('astronaut', 'chelsea', 'coffee'):
        write_image(folder / f'{name}.png', getattr(data, name)()[::3, ::3].astype(np.float32) / 255)
    return folder


def test_table(photographs, tmp_path, capsys):
    options = ['--photos', str(photographs), '--enhancers', '0.45', '--gains', '1', '0.004', '--resamples', '100']
    assert scorer.main([*options, '--csv', str(tmp_path / 'f.csv')]) == 0
    printed = [text for text in capsys.readouterr().out.splitlines() if text.startswith('|')]
    with open(tmp_path / 'f.csv', newline='') as file:
        rows = {(row['enhancer'], float(row['gain'])): row for row in csv.DictReader(file)}
    assert len(rows) == 6 and len(printed) == 2 + 6
    assert float(rows['none', 1]['pixels']) == float(rows['none', 1]['mean IoU']) == 1  # against itself
    dark, curve, adapted = (rows[name, 0.004] for name in ('none', '0.45', scorer.ADAPTED))
    assert float(dark['pixels']) < 0.9 and float(adapted['pixels']) > float(dark['pixels'])
    assert float(curve['difference of pixels']) == pytest.approx(float(curve['pixels']) - float(dark['pixels']))
    assert float(curve['low']) <= float(curve['difference of pixels']) <= float(curve['high'])
    with pytest.raises(SystemExit):
        scorer.main([*options, '--csv', str(tmp_path / 'f.csv')])
    assert '--overwrite' in capsys.readouterr().err


def test_agreement_of_resampled_pictures_counts_pixels():
    """Of pictures of 4 and 8 pixels with 4 and 2 that agree, by hand."""
    counts = [torch.tensor([[3, 0], [0, 1]]), torch.tensor([[1, 3], [3, 1]])]
    assert scorer.resampled_agreement(counts, np.array([[1, 1], [2, 0], [0, 2]])) == pytest.approx([0.5, 1, 0.25])


def test_a_folder_without_pictures_that_can_be_read(tmp_path, capsys):
    (tmp_path / 'a.png').write_bytes(b'no picture')
    with pytest.raises(SystemExit):
        scorer.main(['--photos', str(tmp_path), '--enhancers', '0.45'])
    assert '--photos must hold pictures that can be read' in capsys.readouterr().err


@pytest.mark.parametrize('name, mode, expected', [
    ('isalux_detect_small', 'fast', 'fast'), ('isalux_detect_small', 'full', 'full'), ('0.45', 'fast', 'full')])
def test_a_mode_is_of_packaged_models(name, mode, expected):
    """A power law has none."""
    assert scorer.neck_of(name, 64, mode).mode == expected
