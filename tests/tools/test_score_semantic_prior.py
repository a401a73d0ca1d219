"""The table of a prior's agreement in the dark, and the way of adapted weights into the package."""
import numpy as np
import pytest
import torch
from loading import load_tool
from safetensors.torch import load_file
from skimage import data

from isalux_mm.io.images import write_image
from isalux_mm.models.deeplab import PACKAGED
from isalux_mm.registry import MODELS

scorer = load_tool('score_semantic_prior')
publisher = load_tool('model_converters/adapted_prior2package')


@pytest.fixture(scope='module')
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp('photographs')
    for name in ('astronaut', 'chelsea'):
        write_image(folder / f'{name}.png', getattr(data, name)()[::2, ::2].astype(np.float32) / 255)
    return folder


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines() if '|' in line]


def test_table(photographs, capsys):
    """The same weights on both sides: full agreement in the light, none won back but by the exposure."""
    options = ['--photos', str(photographs), '--gains', '1', '0.01', '--short-side', '129']
    assert scorer.main([str(PACKAGED), *options]) == 0
    head, _, bright, dark = rows(capsys.readouterr().out)
    assert len(head) == len(bright) == len(dark) == 9
    assert bright[1:] == ['1.000', bright[2], bright[3], '-', '1.000', bright[6], bright[7], '-']
    assert dark[2:4] == [dark[3]] * 2 and float(dark[1]) < float(dark[2])


def test_pairs_and_what_was_won_back(photographs, tmp_path, capsys):
    for kind, factor in (('high', 1), ('low', 0.05)):
        for name in ('astronaut', 'chelsea'):
            image = getattr(data, name)()[::4, ::4].astype(np.float32) / 255
            write_image(tmp_path / kind / f'{name}.png', image * factor)
    assert scorer.main([str(PACKAGED), '--pairs', str(tmp_path), '--short-side', '97']) == 0
    table = rows(capsys.readouterr().out)
    assert [row[0] for row in table[2:]] == [f'{tmp_path}, low', f'{tmp_path}, high']


def test_what_was_won_back_and_its_interval():
    """Two classes, four pixels a picture, by hand: 4 of 8 pixels right, then 6, half of what was missing; class by
    class an overlap of 2 of 6, then of 3 of 5. One picture wins everything back, the other nothing, so that sets of
    one of them twice are the ends."""
    half, whole = torch.tensor([[1, 1], [1, 1]]), torch.tensor([[2, 0], [0, 2]])
    before, after = torch.stack([half, half]), torch.stack([half, whole])
    assert scorer.row('x', [before, before, after], resamples=100) == (
        '| x | 0.500 | 0.500 | 0.750 | 50% (0% to 100%) | 0.333 | 0.333 | 0.600 | 40% (0% to 100%) |')
    assert scorer.row('x', [torch.stack([whole, whole]), before], resamples=100) == (
        '| x | 1.000 | 0.500 | - | 1.000 | 0.333 | - |')


def test_no_picture_that_can_be_read(tmp_path, capsys):
    (tmp_path / 'a.png').write_bytes(b'no picture')
    with pytest.raises(SystemExit):
        scorer.main([str(PACKAGED), '--photos', str(tmp_path), '--gains', '1', '--short-side', '97'])
    assert 'gain 1: expected pictures that can be read, found none' in capsys.readouterr().err


@pytest.mark.parametrize('options', [['--pairs', '{0}'], ['--photos', '{0}/low', '{0}/absent']])
def test_folders_are_looked_at_before_anything_is_measured(options, tmp_path, monkeypatch, capsys):
    """The last of several sets, too."""
    monkeypatch.setattr(scorer, 'load_prior', lambda *args, **more: pytest.fail('work before the folders were seen'))
    write_image(tmp_path / 'low/a.png', np.zeros((8, 8, 3), np.float32))
    with pytest.raises(SystemExit):
        scorer.main([str(PACKAGED), *(option.format(tmp_path) for option in options)])
    assert 'expected a folder with pictures' in capsys.readouterr().err


def test_adapted_weights_come_into_the_package(tmp_path, capsys):
    stock = dict(type='PackagedSemanticPrior')
    model = MODELS.build(dict(type='PriorAdaptation', teacher=stock, student=stock))
    torch.save(dict(meta=dict(iter=3), state_dict=model.state_dict()), tmp_path / 'iter_3.pth')
    assert publisher.main([str(tmp_path / 'iter_3.pth'), str(tmp_path / 'prior.safetensors')]) == 0
    assert '2,130,101 weights' in capsys.readouterr().out
    own = model.student.network.state_dict()
    found = load_file(tmp_path / 'prior.safetensors')
    assert found.keys() == own.keys()
    assert all(torch.equal(value, own[name].half()) for name, value in found.items())


def test_another_checkpoint_is_refused(tmp_path):
    torch.save(dict(state_dict=dict(a=torch.zeros(2))), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='expected a checkpoint of PriorAdaptation'):
        publisher.student_weights(tmp_path / 'a.pth')


@pytest.mark.parametrize(('options', 'message'), [
    ([], 'expected --pairs or --photos, got neither'),
    (['--pairs'], 'argument --pairs: expected at least one argument'),
    (['--photos'], 'argument --photos: expected at least one argument'),
    (['--photos', '.', '--gains'], 'argument --gains: expected at least one argument'),
])
def test_a_table_has_rows(options, message, capsys):
    with pytest.raises(SystemExit) as ended:
        scorer.main([str(PACKAGED), *options])
    assert ended.value.code == 2 and message in capsys.readouterr().err


def test_a_pair_of_two_sizes_is_named_and_the_others_count(tmp_path, capsys):
    for name, low, high in (('a', (40, 53), (40, 53)), ('b', (40, 53), (40, 37))):
        for kind, size in (('low', low), ('high', high)):
            write_image(tmp_path / kind / f'{name}.png', np.full((*size, 3), 0.4, np.float32))
    assert scorer.main([str(PACKAGED), '--pairs', str(tmp_path), '--short-side', '33']) == 1
    found = capsys.readouterr()
    assert len(rows(found.out)) == 4
    told = f'{tmp_path}/low/b.png: expected the size of {tmp_path}/high/b.png, 37 x 40, got 53 x 40'
    assert found.err.count(told) == 1


@pytest.mark.parametrize('value', [float('nan'), 7e4])
def test_adapted_weights_are_finite_in_half_precision(tmp_path, value):
    torch.save({'student.network.a': torch.tensor([1.0, value])}, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='a.pth: a in half precision, .* must be finite'):
        publisher.main([str(tmp_path / 'a.pth'), str(tmp_path / 'prior.safetensors')])
    assert not (tmp_path / 'prior.safetensors').exists()
