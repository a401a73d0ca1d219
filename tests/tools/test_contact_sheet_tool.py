"""tools/contact_sheet.py: one column a picture, references by name, a choice of pictures."""
import sys

import numpy as np
import pytest
from loading import load_tool

from isalux_mm.io.images import read_image, write_image
from isalux_mm.visualization.contact_sheet import BAND_GAP, CAPTION, GAP, MARGIN


@pytest.fixture
def tool():
    return load_tool('contact_sheet')


@pytest.fixture
def folder(tmp_path):
    for name, level in (('low1', 0.1), ('low2', 0.2), ('low3', 0.6)):
        write_image(tmp_path / f'low/{name}.png', np.full((32, 48, 3), level))
    write_image(tmp_path / 'high/normal1.png', np.tile([1.0, 0.0, 0.0], (32, 48, 1)))
    return tmp_path


def call(tool, monkeypatch, *options):
    monkeypatch.setattr(sys, 'argv', ['contact_sheet.py', 'isalux_zero_shot', *map(str, options)])
    return tool.main()


def test_rows_and_references(tool, folder, monkeypatch):
    out = folder / 'sheet.png'
    assert call(tool, monkeypatch, '--inputs', folder / 'low', '--references', folder / 'high', '--out', out,
                '--columns', 2, '--width', 48) == 0
    sheet = read_image(out)
    first, second = 3 * (32 + GAP) + CAPTION, 2 * (32 + GAP) + CAPTION  # the second band has no reference
    assert sheet.shape == (first + BAND_GAP + second, MARGIN + 2 * (48 + GAP), 3)
    states = [sheet[row * (32 + GAP):, MARGIN:][:32, :48] for row in range(3)]
    assert np.allclose(states[0], 26 / 255) and states[1].mean() > 0.2  # 0.1 in 8 bits; brightened
    assert np.allclose(states[2], [1, 0, 0])


def test_choice_of_pictures(tool, folder, monkeypatch, capsys):
    out = folder / 'sheet.png'
    assert call(tool, monkeypatch, '--inputs', folder / 'low', '--out', out, '--well-lit', '--width', 48) == 0
    assert '1 pictures' in capsys.readouterr().out
    with pytest.raises(SystemExit):
        call(tool, monkeypatch, '--inputs', folder / 'high', '--out', out)
    assert 'sheet.png exists; overwrite (--overwrite)' in capsys.readouterr().err
    options = ['--inputs', folder / 'high', '--out', out, '--well-lit', '--overwrite']
    assert call(tool, monkeypatch, *options) == 1  # red: .299
    assert 'no picture' in capsys.readouterr().err


def test_a_broken_picture_is_named_and_the_others_drawn(tool, folder, monkeypatch, capsys):
    (folder / 'low/low2.png').write_text('no picture')
    out = folder / 'sheet.png'
    assert call(tool, monkeypatch, '--inputs', folder / 'low', '--out', out, '--width', 48) == 1
    output = capsys.readouterr()
    assert 'low2.png: no readable picture' in output.err and '2 pictures' in output.out and out.is_file()


def test_inputs_without_a_reference_are_named(tool, folder, monkeypatch, capsys):
    assert call(tool, monkeypatch, '--inputs', folder / 'low', '--references', folder / 'high', '--out',
                folder / 'sheet.png', '--width', 48) == 0
    assert 'without a reference: low2.png, low3.png' in capsys.readouterr().err


@pytest.mark.parametrize('place', ['low/sheet.png', 'high/sheet.png', 'low/new/sheet.png'])
def test_a_sheet_becomes_no_input_of_the_next_run(tool, folder, monkeypatch, capsys, place):
    with pytest.raises(SystemExit) as ended:
        call(tool, monkeypatch, '--inputs', folder / 'low', '--references', folder / 'high', '--out', folder / place)
    assert ended.value.code == 2 and '--out must lie outside of' in capsys.readouterr().err
    assert not (folder / place).exists()


@pytest.mark.parametrize(('options', 'name', 'message'), [
    (['--columns', '100', '--width', '30000'], 'sheet.jpg', '--columns 100 and --width 30000 .* JPEG may have 65,500'),
    (['--columns', '1', '--width', '20000'], 'sheet.png', '--columns 1 and --width 20000 make too large a sheet: '),
])
def test_a_sheet_that_is_too_large_is_refused_before_the_work(tool, folder, monkeypatch, options, name, message):
    monkeypatch.setattr(tool.EnhanceInferencer, 'enhance', lambda *args: pytest.fail('work before the size was seen'))
    with pytest.raises(ValueError, match=message):
        call(tool, monkeypatch, '--inputs', folder / 'low', '--out', folder / name, *options)
