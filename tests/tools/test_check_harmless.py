"""tools/check_harmless.py: what it reads, its table and exit status, its errors."""
import sys

import numpy as np
import pytest
import torch
from loading import load_tool

from isalux_mm.io.images import write_image
from isalux_mm.registry import MODELS

SMALL = """
model = dict(type='LowLightEnhancer', network=dict(
    type='ISALux', embed_dims=(8, ), depths=(1, ), num_heads=(1, ), semantic_prior=dict(type='NoPrior'){more}))
"""


@pytest.fixture
def tool():
    return load_tool('check_harmless')


@pytest.fixture
def folder(tmp_path):
    """Photographs, of which two are well lit; pairs; configs; weights."""
    rng = np.random.default_rng(0)
    for name, level in (('a', 0.5), ('b', 0.1), ('c', 0.5)):
        picture = np.kron(rng.random((4, 5, 3)), np.ones((8, 8, 1))) * 2 * level
        write_image(tmp_path / f'photos/{name}.png', picture.clip(0, 1))
        write_image(tmp_path / f'high/{name}.png', picture.clip(0, 1))
        write_image(tmp_path / f'low/{name}.png', picture.clip(0, 1) / 5)
    (tmp_path / 'plain.py').write_text(SMALL.format(more=''), encoding='utf-8')
    (tmp_path / 'names.py').write_text("lol_v1_holdout = ['a', 'c']", encoding='utf-8')
    model = MODELS.build(dict(type='LowLightEnhancer', network=dict(
        type='ISALux', embed_dims=(8, ), depths=(1, ), num_heads=(1, ), semantic_prior=dict(type='NoPrior'))))
    torch.nn.init.constant_(model.network.to_rgb.bias, 0.2)
    torch.save(model.state_dict(), tmp_path / 'plain.pth')
    return tmp_path


def call(tool, monkeypatch, capsys, *options):
    monkeypatch.setattr(sys, 'argv', ['check_harmless.py', *map(str, options)])
    status = tool.main()
    return status, [[cell.strip() for cell in line.split('|')[1:-1]]
                    for line in capsys.readouterr().out.splitlines() if line.startswith('|')][2:]


def test_table_and_status(tool, folder, monkeypatch, capsys):
    options = [folder / 'plain.py', folder / 'plain.pth', '--photos', folder / 'photos', '--count', 2, '--exposed', 1,
               '--low', folder / 'low', '--gt', folder / 'high', '--names', folder / 'names.py']
    status, rows = call(tool, monkeypatch, capsys, *options)
    assert status == 1 and len(rows) == 11
    assert {row[3] for row in rows} <= {'yes', '**no**'}
    black = next(row for row in rows if row[0].startswith('black'))
    assert float(black[1]) > 0.1 and black[3] == '**no**'
    _, rows = call(tool, monkeypatch, capsys, *options, '--cfg-options', 'model.network.safeguards=fade,gray,black')
    gray = [row for row in rows if row[0].startswith(('grey ', 'black ', 'white ', 'lamp '))]
    assert len(gray) == 5 and {row[3] for row in gray} == {'yes'}


def test_without_data_the_cards_alone(tool, folder, monkeypatch, capsys):
    _, rows = call(tool, monkeypatch, capsys, folder / 'plain.py', folder / 'plain.pth')
    assert len(rows) == 5


@pytest.mark.parametrize(('options', 'message'), [
    (['plain.pth', '--photos', 'photos', '--count', '3'], 'must hold 3 photographs .* has 2'),
    ([], 'needs a checkpoint'),
])
def test_errors(tool, folder, monkeypatch, capsys, options, message):
    options = [folder / o if (folder / o).exists() else o for o in options]
    with pytest.raises(ValueError, match=message):
        call(tool, monkeypatch, capsys, folder / 'plain.py', *options)


@pytest.mark.parametrize(('names', 'error', 'message'), [
    ('plain.py', ValueError, '--names must be a config with lol_v1_holdout'),
    ('unknown.py', ValueError, '(?s)no image in .*low:.*z'),
    ('absent.py', SystemExit, '2'),
])
def test_pairs_are_looked_for_before_anything_is_measured(tool, folder, monkeypatch, capsys, names, error, message):
    monkeypatch.setattr(tool, 'load_network', lambda *args: pytest.fail('work before the names were read'))
    (folder / 'unknown.py').write_text("lol_v1_holdout = ['a', 'z']", encoding='utf-8')
    with pytest.raises(error, match=message):
        call(tool, monkeypatch, capsys, folder / 'plain.py', folder / 'plain.pth', '--low', folder / 'low',
             '--gt', folder / 'high', '--names', folder / names)


def test_names_need_pairs(tool, folder, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        call(tool, monkeypatch, capsys, folder / 'plain.py', folder / 'plain.pth', '--names', folder / 'names.py')
    assert '--names are those of pairs' in capsys.readouterr().err


def test_pairs_go_together(tool, folder, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        call(tool, monkeypatch, capsys, 'isalux_zero_shot', '--low', folder / 'low')
    assert '--low and --gt go together' in capsys.readouterr().err


def test_a_photograph_too_small_for_ssim_is_named_and_left_out(tool, folder, monkeypatch, capsys):
    write_image(folder / 'photos/aa.png', np.full((10, 40, 3), 0.5))
    monkeypatch.setattr(sys, 'argv', ['check_harmless.py', str(folder / 'plain.py'), str(folder / 'plain.pth'),
                                      '--photos', str(folder / 'photos'), '--count', '2', '--exposed', '1'])
    tool.main()
    found = capsys.readouterr()
    assert f'{folder}/photos/aa.png: SSIM needs 11 x 11 pixels or more, got 40 x 10' in found.err
    assert 'SSIM' in found.out
