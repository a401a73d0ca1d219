"""The command `isalux` and people's files: names, what is there, one failure among many, how it ends."""
import argparse
import csv
import io
import os
import signal
import sys

import numpy as np
import pytest
from PIL import Image

from isalux_mm import cli
from isalux_mm.apis import EnhanceInferencer
from isalux_mm.cli.test import of_gain, runner_config
from isalux_mm.io.formats import OTHER_SUFFIXES, SUFFIXES, WRITTEN_SUFFIXES
from isalux_mm.io.picture_file import read_picture

DARK = np.kron(np.random.default_rng(0).integers(5, 30, (5, 7, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
CURVE = "model = dict(type='LowLightEnhancer', network=dict(type='GammaCurve'))\n"  # no weights: fast
OPTIONS = ['--model', 'curve.py', '--quiet', '--device', 'cpu']


def save(path, samples=DARK):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(samples).save(path)
    return path


def listed(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob('*') if not path.is_dir())


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Runs a command line in a fresh folder; gives exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'curve.py').write_text(CURVE)

    def run(*arguments):
        try:
            code = cli.main([*map(str, arguments)])
        except SystemExit as error:
            code = error.code
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize(('command', 'made'), [
    (['enhance', '--explain'], ['a.jpg', 'a.jpg_explained.png', 'a.png', 'a.png_explained.png']),
    (['explain'], ['a.jpg_explained.png', 'a.png_explained.png']),
    (['compare'], ['a.jpg_compared.png', 'a.png_compared.png']),
])
def test_pictures_of_one_stem_have_results_of_their_own(call, tmp_path, command, made):
    save(tmp_path / 'in/a.jpg')
    save(tmp_path / 'in/a.png', DARK[::-1].copy())
    assert call(command[0], 'in', '--out', 'out', *command[1:], *OPTIONS)[0] == 0
    assert listed(tmp_path / 'out') == made
    drawn = [read_picture(tmp_path / 'out' / name).image for name in made if name.startswith('a.') and '_' in name]
    assert (drawn[0] != drawn[1]).any()


@pytest.mark.parametrize('command', ['enhance', 'explain', 'compare'])
def test_what_is_there_stays_until_it_is_to_be_overwritten(call, tmp_path, command):
    save(tmp_path / 'in/a.png')
    name = dict(enhance='a.png', explain='a_explained.png', compare='a_compared.png')[command]
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / name).write_text('of somebody')
    code, out, err = call(command, 'in', '--out', 'out', '--strength', 0.5, *OPTIONS)
    assert code == 0 and '--overwrite' in out and not err
    assert (tmp_path / 'out' / name).read_text() == 'of somebody'
    assert call(command, 'in', '--out', 'out', '--overwrite', *OPTIONS)[0] == 0
    assert read_picture(tmp_path / 'out' / name).image.size and listed(tmp_path / 'out') == [name]


def test_a_second_run_says_why_it_skips(call, tmp_path):
    save(tmp_path / 'in/a.png')
    call('enhance', 'in', *OPTIONS)
    os.utime(tmp_path / 'enhanced/a.png', ns=(0, 0))
    code, out, _ = call('enhance', 'in', '--strength', 0.5, *OPTIONS)
    assert (code, out) == (0, '0 enhanced, 1 skipped, finished before (1 older than the input; perhaps with other '
                              'options, or of another input: --overwrite makes them anew) (results in enhanced)\n')


def test_a_file_that_compare_cannot_use_is_one_failure(call, tmp_path):
    for i in range(3):
        save(tmp_path / f'low/{i}.png', DARK // (i + 1))
        save(tmp_path / f'high/{i}.png', DARK * 8)
    (tmp_path / 'high/1.png').write_text('no picture')
    save(tmp_path / 'low/small.png', DARK[:20, :20])
    options = ['--reference', 'high', '--crop', 0, 0, 30, 30, '--csv', 'f.csv', *OPTIONS]
    code, out, err = call('compare', 'low', *options)
    assert code == 1 and listed(tmp_path / 'compared') == ['0_compared.png', '2_compared.png']
    assert 'low/1.png: high/1.png: no readable picture' in err and 'small.png: crops must lie in the picture' in err
    with open(tmp_path / 'f.csv', newline='') as file:
        assert {row['image'] for row in csv.DictReader(file)} == {'0.png', '2.png'}
    code, _, err = call('compare', 'low', *options)
    assert code == 2 and 'f.csv exists; overwrite (--overwrite) makes it anew' in err
    code, _, err = call('compare', 'low', '--reference', 'high', '--csv', 'low/0.png', '--overwrite', *OPTIONS)
    assert code == 2 and 'out must lead to other files than the inputs' in err
    assert read_picture(tmp_path / 'low/0.png').image.size


def test_debug_shows_where(call, tmp_path, monkeypatch):
    for i in range(2):
        save(tmp_path / f'in/{i}.png', DARK // (i + 1))
    real = EnhanceInferencer.enhance

    def fails(self, images):
        if images.max() > DARK.max() / 400:
            raise KeyError('unforeseen')
        return real(self, images)

    monkeypatch.setattr(EnhanceInferencer, 'enhance', fails)
    code, out, err = call('enhance', 'in', *OPTIONS)
    assert code == 1 and "0.png: KeyError: 'unforeseen'" in err and 'Traceback' not in err
    code, out, err = call('enhance', 'in', '--overwrite', '--debug', *OPTIONS)
    assert code == 1 and 'Traceback' in err and 'in fails' in err
    monkeypatch.setattr(EnhanceInferencer, '__call__', lambda self, *args, **options: {}['nothing'])
    code, _, err = call('enhance', 'in', *OPTIONS)
    assert (code, err) == (2, "isalux enhance: KeyError: 'nothing' (--debug shows where)\n")
    with pytest.raises(KeyError):
        call('enhance', 'in', '--debug', *OPTIONS)


@pytest.mark.skipif(os.name != 'posix', reason='signals of POSIX')
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_every_signal_that_ends_it_is_an_interrupt(call, tmp_path, monkeypatch, number):
    before = signal.getsignal(number)
    monkeypatch.setattr(EnhanceInferencer, '__call__', lambda *args, **options: os.kill(os.getpid(), number))
    save(tmp_path / 'a.png')
    code, _, err = call('enhance', 'a.png', *OPTIONS)
    assert code == 130 and 'interrupted; what was finished is kept' in err
    assert signal.getsignal(number) is before


def test_names_that_the_terminal_does_not_know_are_printed(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), 'ascii', errors='strict')
    monkeypatch.setattr(sys, 'stdout', stream)
    with cli.any_name_printed():
        print('図', os.fsdecode(b'\xe9'))
    assert stream.errors == 'strict'
    stream.flush()
    assert stream.buffer.getvalue() == b'\\u56f3 \\udce9' + os.linesep.encode()


def test_the_longest_names(call, tmp_path):
    names = ['図' * 83 + '.png', 'a' * 251 + '.png', 'ü' * 125 + '.png']
    for name in names:
        save(tmp_path / 'in' / name)
    for command in (['enhance', '--explain'], ['explain'], ['compare']):
        assert call(command[0], 'in', '--out', command[0], *command[1:], *OPTIONS)[0] == 0
        assert len(listed(tmp_path / command[0])) == (6 if command[0] == 'enhance' else 3)
    assert {name for name in listed(tmp_path / 'enhance') if '_explained' not in name} == set(names)


@pytest.mark.parametrize('option', ['--csv', '--json'])
def test_a_table_of_a_test_is_not_written_over_a_file(call, tmp_path, option):
    (tmp_path / 'values').write_text('of somebody')
    code, _, err = call('test', 'isalux_lol', 'isalux_zero_shot', option, 'values')
    assert code == 2 and 'values exists; overwrite (--overwrite) makes it anew' in err
    code, _, err = call('test', 'isalux_lol', 'isalux_zero_shot', '--csv', 'one', '--json', 'one')
    assert code == 2 and 'two results would be written to one file' in err


def test_every_gain_of_a_test_has_files_of_its_own(tmp_path):
    config = tmp_path / 'gains.py'
    config.write_text("work_dir = 'w'\nmetric = dict(type='PairedImageQuality')\ntest_evaluator = [metric, metric]\n"
                      "test_dataloader = dict(dataset=dict(pipeline=[dict(type='DarkenImage')]))\n")
    args = argparse.Namespace(config=str(config), cfg_options=None, launcher='none', local_rank=0, work_dir=None,
                              out='o', csv=tmp_path / 'f.csv', gains=[1, 0.1], overwrite=False)
    found = [runner_config(args, gain) for gain in args.gains]
    assert [cfg.custom_hooks[0].out_dir for cfg in found] == ['o_gain_1', 'o_gain_0.1']
    names = [evaluator.csv_path for cfg in found for evaluator in cfg.test_evaluator]
    assert names == [str(tmp_path / f'f_gain_{name}.csv') for name in ('1', '1_2', '0.1', '0.1_2')]
    args.gains = [0.1]
    assert of_gain(args, args.csv, 0.1) == args.csv


@pytest.mark.parametrize('arguments', [
    ['export', 'curve.py', 'curve.py'], ['export', 'curve.py', 'w.onnx', '--weights', 'w.onnx']])
def test_an_export_never_falls_on_what_it_is_made_of(call, tmp_path, arguments):
    (tmp_path / 'w.onnx').write_text('weights')
    code, _, err = call(*arguments, '--overwrite')
    assert code == 2 and 'out must lead to other files than the inputs' in err
    assert (tmp_path / 'curve.py').read_text() == CURVE and (tmp_path / 'w.onnx').read_text() == 'weights'


def test_fast_mode_is_that_of_the_inferencer(call, tmp_path):
    save(tmp_path / 'a.png')
    assert call('enhance', 'a.png', '--out', 'fast', '--fast', *OPTIONS)[0] == 0
    assert call('enhance', 'a.png', '--out', 'full', *OPTIONS)[0] == 0
    found, full = (read_picture(tmp_path / folder / 'a.png').samples() for folder in ('fast', 'full'))
    fast = EnhanceInferencer('curve.py', device='cpu', mode='fast', show_progress=False)
    np.testing.assert_array_equal(found, fast('a.png')['predictions'][0])
    assert (found != full).any() and abs(found.astype(float) - full).mean() < 20


def test_fast_mode_knows_no_tiles(call, tmp_path):
    save(tmp_path / 'a.png')
    code, _, errors = call('enhance', 'a.png', '--out', 'out', '--fast', '--tile', '64', *OPTIONS)
    assert code == 2 and 'tile' in errors and not (tmp_path / 'out').exists()


@pytest.mark.parametrize(('folder', 'name'), [('work', 'detector_tested.py'), ('elsewhere', 'detector.py')])
def test_a_config_in_the_work_folder_is_not_written_over(tmp_path, folder, name):
    config = tmp_path / 'work/detector.py'
    config.parent.mkdir()
    config.write_text("test_dataloader = dict(dataset=dict(pipeline=[dict(type='DarkenImage', gain=1.0)]))\n")
    args = argparse.Namespace(config=str(config), work_dir=str(tmp_path / folder), cfg_options=None, launcher='none',
                              local_rank=0, out=None, csv=None, overwrite=False)
    for gain in (1, 0.1):
        assert os.path.basename(runner_config(args, gain).filename) == name  # mmengine's Runner dumps to this name


@pytest.mark.parametrize('out', [
    *(f'b{suffix}' for suffix in SUFFIXES if suffix not in WRITTEN_SUFFIXES), *map('b{}'.format, OTHER_SUFFIXES)])
def test_a_file_that_no_picture_can_be_written_to_is_wrong_use(call, tmp_path, out):
    save(tmp_path / 'a.png')
    code, _, err = call('enhance', 'a.png', '--out', out, *OPTIONS)
    assert code == 2 and 'out must end in a format that is written' in err and not (tmp_path / out).exists()


@pytest.mark.parametrize('command', ['enhance', 'explain', 'compare'])
@pytest.mark.parametrize('out', ['all.png', 'all.heic', 'all.gif', 'all.TXT'])
def test_a_folder_of_results_does_not_get_the_name_of_a_file(call, tmp_path, command, out):
    for i in range(2):
        save(tmp_path / f'in/{i}.png')
    code, _, err = call(command, 'in', '--out', out, *OPTIONS)
    assert code == 2 and f'out must be a folder here, got the name of a file, {out}' in err
    assert not (tmp_path / out).exists()
    for folder in (tmp_path / out, tmp_path / 'v1.5'):  # of any name if it is there; dots are fine
        folder.mkdir()
        assert call(command, 'in', '--out', folder, *OPTIONS)[0] == 0 and len(listed(folder)) == 2


@pytest.mark.parametrize('arguments', [
    ['enhance', 'in', '--out', 'file/x', *OPTIONS], ['enhance', 'in', '--out', 'file/x.png', *OPTIONS],
    ['enhance', 'in', '--out', 'file/x', '--overwrite', *OPTIONS], ['explain', 'in', '--out', 'file/x', *OPTIONS],
    ['compare', 'in', '--out', 'file/x', *OPTIONS],
    ['compare', 'in', '--reference', 'in', '--csv', 'file/x.csv', *OPTIONS],
    ['export', 'curve.py', 'file/x.onnx'], ['export', 'curve.py', 'file/x.pt2', '--format', 'torch']],
    ids=lambda arguments: ' '.join(arguments[:5]))
def test_a_place_that_cannot_be_written_to_is_told_before_the_work(call, tmp_path, arguments):
    save(tmp_path / 'in/a.png')
    (tmp_path / 'file').write_text('mine')
    code, out, err = call(*arguments)
    assert (code, out) == (2, '') and 'file is no folder' in err and '[Errno' not in err
    assert listed(tmp_path) == ['curve.py', 'file', 'in/a.png']


@pytest.mark.parametrize('arguments', [
    ['enhance', '', *OPTIONS], ['enhance', 'a.png', '--out', '', *OPTIONS], ['compare', '', *OPTIONS],
    ['compare', 'a.png', '--out', '', *OPTIONS], ['compare', 'a.png', '--reference', '', *OPTIONS],
    ['compare', 'a.png', '--peers', 'X=', *OPTIONS], ['explain', '', *OPTIONS], ['evaluate', ''],
    ['evaluate', 'in', '--reference', ''], ['evaluate', 'in', '--low', ''], ['evaluate', 'in', '--against', 'X=']],
    ids=lambda arguments: ' '.join(arguments[:4]))
def test_an_empty_path_is_not_the_current_folder(call, tmp_path, arguments):
    for name in ('a.png', 'in/a.png'):
        save(tmp_path / name)
    before = listed(tmp_path)
    code, _, err = call(*arguments)
    assert code == 2 and 'empty' in err and listed(tmp_path) == before
