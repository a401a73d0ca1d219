"""tools/compare_on_pairs.py: the table's figures, references of another size, its errors."""
import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from loading import load_tool
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from isalux_mm.cli.options import run_tool
from isalux_mm.io.images import read_image, write_image

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tool():
    return load_tool('compare_on_pairs')


@pytest.fixture
def pairs(tmp_path):
    photo = data.coffee()[150:214, 250:330] / 255
    write_image(tmp_path / 'low/low1.png', photo**2 * 0.3)
    write_image(tmp_path / 'gt/normal1.png', photo)
    return tmp_path


def call(tool, monkeypatch, folder, *options):
    monkeypatch.setattr(sys, 'argv', [
        'compare_on_pairs.py', str(ROOT / 'configs/isalux_zero_shot.py'), *map(str, options), '--low',
        str(folder / 'low'), '--gt', str(folder / 'gt'), '--csv', str(folder / 'values.csv'), '--overwrite'])
    assert tool.main() == 0
    with open(folder / 'values.csv', newline='') as file:
        return {row['method']: row for row in csv.DictReader(file)}


def test_figures_and_pictures(tool, pairs, monkeypatch):
    weights = ROOT / 'isalux_mm/weights/isalux_zero_shot.safetensors'
    rows = call(tool, monkeypatch, pairs, weights, '--out', pairs / 'out')
    assert list(rows) == ['input', 'gamma', 'CLAHE', 'ISALux']
    low, gt = read_image(pairs / 'low/low1.png'), read_image(pairs / 'gt/normal1.png')
    expected = peak_signal_noise_ratio(gt, low, data_range=1)
    assert float(rows['input']['PSNR']) == pytest.approx(expected, abs=1e-3)
    assert float(rows['ISALux']['PSNR']) > expected + 3
    np.testing.assert_allclose(read_image(pairs / 'out/input/low1.png'), low, atol=1e-6)


def test_references_of_another_size(tool, pairs, monkeypatch, capsys):
    small = tool.cv2.resize(read_image(pairs / 'gt/normal1.png'), (40, 32), interpolation=tool.cv2.INTER_CUBIC)
    write_image(pairs / 'gt/normal1.png', small[3:31, 2:36], overwrite=True)
    # the input is its own reference: one window alone fits exactly
    write_image(pairs / 'low/low1.png', data.coffee()[150:214, 250:330] / 255, overwrite=True)
    right = call(tool, monkeypatch, pairs, '--resize', 40, 32, '--window', 2, 3)
    wrong = call(tool, monkeypatch, pairs, '--resize', 40, 32, '--window', 3, 3)
    assert float(right['input']['PSNR']) > 45 > float(wrong['input']['PSNR'])
    with pytest.raises(AssertionError):
        call(tool, monkeypatch, pairs, '--resize', 40, 32, '--window', 20, 3)
    assert 'does not fit the result' in capsys.readouterr().err


def test_one_pair_that_fails_leaves_the_others(tool, pairs, monkeypatch, capsys):
    real, calls = tool.paired_quality, []

    def fails_first(*args):
        calls.append(args)
        if len(calls) == 1:
            raise KeyError('unforeseen')
        return real(*args)

    for name in ('low/low2.png', 'gt/normal2.png'):
        write_image(pairs / name, read_image(pairs / name.replace('2', '1')))
    monkeypatch.setattr(tool, 'paired_quality', fails_first)
    monkeypatch.setattr(sys, 'argv', ['compare_on_pairs.py', 'none.py', '--low', str(pairs / 'low'), '--gt',
                                      str(pairs / 'gt'), '--csv', str(pairs / 'values.csv')])
    assert tool.main() == 1
    out, err = capsys.readouterr()
    assert "low1.png: KeyError: 'unforeseen'" in err and '1 pairs' in out
    with open(pairs / 'values.csv', newline='') as file:
        assert {row['image'] for row in csv.DictReader(file)} == {'low2.png'}
    with pytest.raises(SystemExit):
        tool.main()
    assert 'values.csv exists; overwrite' in capsys.readouterr().err


@pytest.mark.parametrize('reads', ['low', 'gt'])
@pytest.mark.parametrize('resize', [[], ['--resize', 80, 64]])
def test_results_are_written_over_nothing_that_is_read(tool, pairs, monkeypatch, capsys, reads, resize):
    other = dict(low='gt', gt='low')[reads]
    (pairs / reads).rename(pairs / 'input')
    for path in ((pairs / 'input').iterdir()):
        path.rename(path.with_name('low1.png'))
    before = (pairs / 'input/low1.png').read_bytes()
    monkeypatch.setattr(sys, 'argv', [
        'compare_on_pairs.py', 'none.py', f'--{reads}', str(pairs / 'input'), f'--{other}', str(pairs / other), '--out',
        str(pairs), '--overwrite', *map(str, resize)])
    assert run_tool(tool.main) == 2
    assert 'out must lead to other files than the inputs' in capsys.readouterr().err
    assert (pairs / 'input/low1.png').read_bytes() == before and not (pairs / 'gamma').exists()


@pytest.mark.parametrize(('options', 'message'), [
    (['--out', 'FOLDER', '--csv', 'FOLDER/gamma/low1.png'], 'two results would be written to one file'),
    (['--out', 'FOLDER/low/low1.png/x'], 'low1.png is no folder'),
    (['--csv', 'FOLDER/low/low1.png/x.csv'], 'low1.png is no folder')])
def test_places_are_looked_at_before_the_work(tool, pairs, monkeypatch, capsys, options, message):
    monkeypatch.setattr(tool, 'read_image', lambda path: pytest.fail('the work has begun'))
    monkeypatch.setattr(sys, 'argv', [
        'compare_on_pairs.py', 'none.py', '--low', str(pairs / 'low'), '--gt', str(pairs / 'gt'),
        *(option.replace('FOLDER', str(pairs)) for option in options)])
    with pytest.raises(SystemExit) as ended:
        sys.exit(run_tool(tool.main))
    assert ended.value.code == 2 and message in capsys.readouterr().err


def test_equal_names_are_pairs_first_whatever_the_sizes(tool, tmp_path):
    for folder in ('low', 'gt'):
        for name in ('tide.png', 'lowtide.png'):
            write_image(tmp_path / folder / name, np.zeros((8, 8, 3)))
    for resized in (False, True):
        pairs = tool.find_pairs(tmp_path / 'low', tmp_path / 'gt', resized)
        assert sorted(pairs) == [(tmp_path / 'low' / name, tmp_path / 'gt' / name)
                                 for name in ('lowtide.png', 'tide.png')]
    write_image(tmp_path / 'gt/tide.bmp', np.zeros((8, 8, 3)))
    for resized in (False, True):
        with pytest.raises(ValueError, match="share the name '.*tide'"):
            tool.find_pairs(tmp_path / 'low', tmp_path / 'gt', resized)
