"""What `isalux compare` takes for a partner, and what it refuses before any work."""
import csv

import numpy as np
import pytest
from PIL import Image

from isalux_mm import cli

DARK = np.random.default_rng(0).integers(5, 30, (40, 56, 3), dtype=np.uint8)
OPTIONS = ['--model', 'curve.py', '--quiet', '--device', 'cpu']


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Runs the command in a folder with two pictures, of which one name is the other's behind a known prefix."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'curve.py').write_text("model = dict(type='LowLightEnhancer', network=dict(type='GammaCurve'))\n")
    for name, samples in (('tide', DARK), ('lowtide', DARK[::-1])):
        for folder in ('low', 'gt'):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(np.ascontiguousarray(samples)).save(tmp_path / folder / f'{name}.png')

    def run(*arguments):
        try:
            code = cli.main(['compare', *arguments, *OPTIONS])
        except SystemExit as error:
            code = error.code
        return code, *capsys.readouterr()

    return run


def test_equal_names_are_partners_first(call):
    assert call('low', '--reference', 'gt', '--csv', 'f.csv')[0] == 0
    with open('f.csv', newline='') as file:
        figures = {row['image']: float(row['PSNR']) for row in csv.DictReader(file) if row['method'] == 'input'}
    # both are their own reference; PSNR of what is equal has no end
    assert figures.keys() == {'lowtide.png', 'tide.png'} and min(figures.values()) >= 100


def test_two_references_of_one_name_are_refused(call, tmp_path):
    Image.fromarray(DARK).save(tmp_path / 'gt/tide.bmp')
    code, _, err = call('low', '--reference', 'gt')
    assert code and "share the name 'tide'" in err and not (tmp_path / 'compared').exists()


@pytest.mark.parametrize('name', ['input', 'ours', 'reference', 'X'])
def test_no_two_pictures_of_a_sheet_have_one_name(call, tmp_path, name):
    code, _, err = call('low', '--reference', 'gt', '--peers', f'{name}=gt', 'X=low')
    assert code == 2 and f'would be called {name}' in err and not (tmp_path / 'compared').exists()


def test_figures_without_a_reference_are_refused(call):
    code, _, err = call('low', '--csv', 'f.csv')
    assert code == 2 and '--csv writes figures against a reference' in err


def test_a_reference_of_another_size_has_no_figures_and_that_is_said(call, tmp_path):
    Image.fromarray(DARK[:32]).save(tmp_path / 'gt/tide.png')
    code, _, err = call('low/tide.png', '--reference', 'gt', '--csv', 'f.csv')
    assert code == 0 and 'tide.png: no figures, the reference is of another size' in err


def test_a_table_that_cannot_be_written_is_told_before_the_work(call, tmp_path):
    (tmp_path / 'file').write_text('')
    code, _, err = call('low', '--reference', 'gt', '--csv', 'file/f.csv')
    assert code and 'file is no folder' in err and not (tmp_path / 'compared').exists()


@pytest.mark.parametrize('place', ['low/tide.png', 'gt/tide.png', 'gt/lowtide.png', 'peer/alone.png'])
def test_no_table_is_written_over_a_picture_with_a_partner_or_without(call, tmp_path, place):
    (tmp_path / 'peer').mkdir()
    Image.fromarray(DARK).save(tmp_path / 'peer/alone.png')
    before = (tmp_path / place).read_bytes()
    code, _, err = call('low/tide.png', '--reference', 'gt', '--peers', 'peer', '--csv', place, '--overwrite')
    assert code == 2 and f'out must lead to other files than the inputs, got {place}' in err
    assert (tmp_path / place).read_bytes() == before


def test_a_peer_of_another_size_has_no_figures_and_that_is_said(call, tmp_path):
    (tmp_path / 'peer').mkdir()
    Image.fromarray(DARK[:32]).save(tmp_path / 'peer/tide.png')
    code, out, err = call('low/tide.png', '--reference', 'gt', '--peers', 'peer')
    assert code == 0 and 'ours' in out
    assert err == 'tide.png: no figures of peer, of another size than the reference\n'
