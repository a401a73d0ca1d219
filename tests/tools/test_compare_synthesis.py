"""tools/compare_synthesis.py: the table, what it does not span, its errors."""
import sys
from pathlib import Path

import numpy as np
import pytest
from loading import load_tool
from skimage import data

from isalux_mm.io.images import write_image

CONFIGS = Path(__file__).parents[2] / 'configs'


@pytest.fixture
def tool():
    return load_tool('compare_synthesis')


@pytest.fixture
def folders(tmp_path):
    """Two photographs; two pairs of them whose low side is a tenth, red half as much again."""
    for number, photo in enumerate((data.coffee()[100:180, 200:320], data.chelsea()[50:130, 100:220])):
        photo = photo.astype(np.float32) / 255
        write_image(tmp_path / f'photos/{number}.png', photo)
        write_image(tmp_path / f'real/high/{number}.png', photo)
        write_image(tmp_path / f'real/low/{number}.png', photo * np.float32([0.15, 0.1, 0.1]))
    return tmp_path


def call(tool, monkeypatch, *args):
    monkeypatch.setattr(sys, 'argv', ['compare_synthesis.py', *map(str, args)])
    return tool.main()


def test_the_table(tool, folders, monkeypatch, capsys):
    assert call(tool, monkeypatch, folders / 'photos', '--real', f'mine={folders / "real"}') == 0
    out, err = capsys.readouterr()
    table = out.splitlines()
    assert table[0] == '| | mine | synthesis |' and len(table) == 2 + len(tool.ROWS)
    rows = {cells[1].strip(): cells[2].strip() for cells in (line.split('|') for line in table[2:])}
    assert rows['cast, red over green'].startswith('1.5') and rows['cast, blue over green'].startswith('1.0')
    assert 'not spanned' in err  # two pictures span little


def test_the_same_seed_gives_the_same_table(tool, folders, monkeypatch, capsys):
    tables = []
    for seed in (1, 1, 2):
        call(tool, monkeypatch, folders / 'photos', '--seed', seed)
        tables.append(capsys.readouterr().out)
    assert tables[0] == tables[1] != tables[2]


def test_as_a_config_makes_them_dark(tool, folders, monkeypatch, capsys):
    """The graded references are paler than the photographs, which the base leaves as they are."""
    saturations = []
    for options in (('--base', 'lol'), ('--config', CONFIGS / 'isalux_zero_shot_graded.py')):
        assert call(tool, monkeypatch, folders / 'photos', *options) == 0
        row, = (line for line in capsys.readouterr().out.splitlines() if 'saturation of the reference' in line)
        saturations.append(float(row.split('|')[2].split()[0]))
    assert saturations[1] < saturations[0]
    assert call(tool, monkeypatch, folders / 'photos', '--config', CONFIGS / 'isalux_lol.py') == 2
    assert '--config must be a config that trains on photographs made dark, got' in capsys.readouterr().err


def test_a_folder_is_made_dark_as_the_config_does_it(tool):
    config = CONFIGS / 'isalux_zero_shot_rooms.py'
    photographs, rooms = (tool.synthesis_of(config, [Path(folder)]) for folder in ('data/photos', 'data/rooms'))
    assert rooms.grade.brightness == (0.8, 1.18) != photographs.grade.brightness
    assert rooms.luma_band == photographs.luma_band == (0.24, 0.68)  # of KeepLuma
    assert tool.synthesis_of(config, [Path('else')]).grade.brightness == photographs.grade.brightness


@pytest.mark.parametrize('luma', [0.3, 0.6])
def test_references_are_kept_in_the_band(tool, folders, luma):
    """Of a band of one value they all have it, but for what is clipped and rounded."""
    synthesis = tool.Synthesis(tool.BASES['lol'], tool.PairMixture(lamp_share=0.0, pale_share=0.0), None, (luma, luma))
    made = tool.synthetic_pairs(tool.list_images(folders / 'photos'), synthesis, None, max_side=100, seed=0,
                                attempts=tool.Attempts())
    assert [pair.reference_luma for pair in made] == pytest.approx([luma, luma], abs=0.02)


def test_what_is_not_spanned(tool):
    one = dict.fromkeys(tool.ROWS, (0.5, 0.2, 0.8))
    inside, outside = dict(one, slope=(0.5, 0.3, 0.7)), dict(one, slope=(0.5, 0.3, 0.9))
    assert tool.uncovered(one, dict(a=one, b=inside)) == []
    line, = tool.uncovered(one, dict(a=outside))
    assert line == 'log slope: a reaches from 0.30 to 0.90, the synthesis from 0.20 to 0.80'


def test_a_few_evenly(tool):
    assert tool.evenly(10, 3) == [0, 3, 6] and tool.evenly(2, 5) == [0, 1] == tool.evenly(2, None)


def test_errors(tool, folders, monkeypatch, capsys):
    """Ahead of all work, of the last set and of the config as well."""
    monkeypatch.setattr(tool, 'pair_statistics', lambda *images: pytest.fail('work before all was looked at'))
    write_image(folders / 'odd/low/a.png', np.zeros((8, 8, 3), np.float32))
    write_image(folders / 'odd/high/b.png', np.zeros((8, 8, 3), np.float32))
    good = ('--real', f'mine={folders / "real"}')
    assert call(tool, monkeypatch, folders / 'photos', *good, '--real', f'odd={folders / "odd"}') == 2
    assert 'odd' in capsys.readouterr().err
    assert call(tool, monkeypatch, folders / 'photos', *good, '--config', folders / 'absent.py') == 2
    assert 'absent.py' in capsys.readouterr().err


def test_a_pair_that_cannot_be_read_ends_it(tool, folders, monkeypatch, capsys):
    (folders / 'real/low/0.png').write_bytes(b'no picture')
    assert call(tool, monkeypatch, folders / 'photos', '--real', f'mine={folders / "real"}') == 2
    assert '0.png' in capsys.readouterr().err


def test_a_set_has_a_name(tool, folders, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        call(tool, monkeypatch, folders / 'photos', '--real', 'nameless')
    assert '--real must be NAME=FOLDER, got nameless' in capsys.readouterr().err


@pytest.mark.parametrize(('sets', 'message'), [
    (['a={0}/real', 'a={0}/other'], 'must have names of their own, beside synthesis, got a='),
    (['synthesis={0}/real'], 'must have names of their own, beside synthesis, got synthesis='),
    (['={0}/real'], '--real must be NAME=FOLDER, got ='),
])
def test_sets_have_names_of_their_own(tool, folders, monkeypatch, capsys, sets, message):
    with pytest.raises(SystemExit) as ended:
        call(tool, monkeypatch, folders / 'photos', *(f'--real={one.format(folders)}' for one in sets))
    assert ended.value.code == 2 and message in capsys.readouterr().err


def test_what_is_too_small_is_named_and_the_others_count(tool, folders, monkeypatch, capsys):
    for name in ('photos', 'real/low', 'real/high'):
        write_image(folders / name / 'small.png', np.full((8, 40, 3), 0.5, np.float32))
    assert call(tool, monkeypatch, folders / 'photos', '--real', f'mine={folders / "real"}') == 1
    found = capsys.readouterr()
    assert found.out.startswith('| | mine | synthesis |')
    for name in ('photos', 'real/low'):
        assert f'{folders / name}/small.png: low and reference must have one size of 16' in found.err
    for name in ('0', '1'):
        (folders / f'real/low/{name}.png').unlink()
        (folders / f'real/high/{name}.png').unlink()
    with pytest.raises(ValueError, match='--real mine: expected pairs that can be measured, found none'):
        call(tool, monkeypatch, folders / 'photos', '--real', f'mine={folders / "real"}')


def test_a_target_of_the_luma_is_the_configs(tool, folders):
    """Its mean is met by every reference where its deviation is nothing."""
    config = folders / 'target.py'
    config.write_text("train_dataloader = dict(dataset=dict(type='Repeated', dataset=dict(type='Any', pipeline=["
                      "dict(type='Unknown'), dict(type='isalux_mm.SynthesizeLowLight', base='lol', "
                      'target_luma=(0.35, 0.0))])))')
    synthesis = tool.synthesis_of(config)
    assert synthesis.target_luma == (0.35, 0.0) and synthesis.luma_band is None
    made = tool.synthetic_pairs(tool.list_images(folders / 'photos'), synthesis, None, max_side=100, seed=0,
                                attempts=tool.Attempts())
    assert [pair.reference_luma for pair in made] == pytest.approx([0.35, 0.35], abs=0.02)


@pytest.mark.parametrize(
    'name', ['semantic_prior/dark_adaptation', 'dark_coco/yolox_nano_joint', '_base_/default_runtime'])
def test_a_config_that_makes_no_photographs_dark(tool, name):
    if 'coco' in name:
        pytest.importorskip('mmdet')
    with pytest.raises(ValueError, match='made dark, got .*without a step SynthesizeLowLight in a training pipeline'):
        tool.synthesis_of(CONFIGS / f'{name}.py')


def test_a_config_is_a_config(tool, folders):
    with pytest.raises(ValueError, match='--config must be a config file .* got .*0.png'):
        tool.synthesis_of(folders / 'photos/0.png')
