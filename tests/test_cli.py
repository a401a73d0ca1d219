"""The command `isalux`: sub-commands, exit codes, errors; run in this process and as a module."""
import csv
import re
import subprocess

import numpy as np
import pytest
from PIL import Image
from processes import PATIENCE, environment, started, wait_until

from isalux_mm import cli
from isalux_mm.apis.jobs import to_tensor
from isalux_mm.functional.image_quality import psnr
from isalux_mm.io.picture_file import read_picture

BRIGHT = np.kron(np.random.default_rng(0).integers(60, 220, (5, 7, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
DARK = (BRIGHT * 0.12).astype(np.uint8)
QUIET = ['--quiet', '--device', 'cpu']


def save(path, samples=DARK):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(samples).save(path)
    return path


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Runs a command line in a fresh folder; gives exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        try:
            code = cli.main([str(a) for a in arguments])
        except SystemExit as error:
            code = error.code
        return code, *capsys.readouterr()

    return run


def test_help_names_every_command(call):
    code, out, _ = call('--help')
    assert code == 0 and all(name in out for name in ('enhance', 'compare', 'explain', 'models'))
    assert all(call(module.__name__.rpartition('.')[2], '--help')[0] == 0 for module in cli.COMMANDS)


def test_models_lists_the_default(call):
    code, out, _ = call('models')
    assert code == 0 and 'illumination-prior' in out
    assert all(line in out for line in ('* isalux_general', '  isalux_lol', '  isalux_zero_shot'))


def test_enhance_a_picture_without_any_option(call, tmp_path):
    save(tmp_path / 'dark.png')
    code, out, _ = call('enhance', 'dark.png')
    assert (code, out) == (0, '1 enhanced (results in enhanced)\n')
    assert np.asarray(Image.open(tmp_path / 'enhanced/dark.png')).mean() > 3 * DARK.mean()
    assert call('enhance', 'dark.png')[1].startswith('0 enhanced, 1 skipped, finished before')


def test_enhance_options_reach_the_inferencer(call, tmp_path):
    save(tmp_path / 'in/sub/dark.png')
    assert call('enhance', 'in', '--out', 'none', '--strength', 0, *QUIET)[0] == 0
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / 'none/sub/dark.png')), DARK)
    assert call('enhance', 'in', '--out', 'b', '--reference-brightness', 0.7, '--explain', *QUIET)[0] == 0
    luma = np.asarray(Image.open(tmp_path / 'b/sub/dark.png')) @ (0.299, 0.587, 0.114)
    assert luma.mean() / 255 == pytest.approx(0.7, abs=0.01)
    assert (tmp_path / 'b/sub/dark_explained.png').is_file()
    code, _, err = call('enhance', 'in', '--no-recursive', *QUIET)
    assert code == 2 and 'inputs must hold a picture' in err


def test_broken_files_are_listed_and_the_exit_code_says_so(call, tmp_path):
    save(tmp_path / 'in/a.png')
    (tmp_path / 'in/b.png').write_bytes(b'')
    code, out, err = call('enhance', 'in', 'missing.jpg', *QUIET)
    assert code == 1 and out.startswith('1 enhanced, 2 failed:')
    assert 'b.png: the file is empty (0 bytes)' in err and 'missing.jpg: no such file' in err


@pytest.mark.parametrize(('arguments', 'message'), [
    (['enhance', 'a.png', '--strength', '2'], 'strength must be in'),
    (['enhance', 'a.png', '--model', 'nobody'], "model must be one of"),
    (['enhance', 'a.png', '--out', '.'], 'out must lead to other files'),
    (['enhance', 'a.png', '--device', 'nothing'], 'device must be one that this PyTorch reaches'),
    (['train', 'nothing'], 'config must be an existing file or one of the package, such as isalux_cpu'),
    (['test', 'nothing', 'isalux_zero_shot'], 'config must be an existing file'),
    (['test', 'isalux_lol', 'none.pth'], 'isalux_zero_shot, got none.pth'),
    (['enhance', 'a.png', '--weights', 'none.pth'], 'checkpoint must be an existing file'),
    (['enhance', 'a.png', '--tile', 'large'], 'argument --tile'),
    (['enhance', 'a.png', '--at-once', '0'], '--at-once must be at least 1, got 0'),
    (['enhance'], 'INPUT'),
    (['compare', 'a.png', '--reference', 'nowhere'], 'reference must be an existing file or folder'),
    (['compare', 'a.png', '--peers', 'A=nowhere'], 'no folder nowhere'),
    (['compare', 'a.png', '--crop', '0', '0', '999', '9'], 'crops must lie in the picture'),
    ([], 'COMMAND'),
])
def test_wrong_use(call, tmp_path, arguments, message):
    save(tmp_path / 'a.png')
    code, _, err = call(*arguments)
    assert code == 2 and message in err and 'Traceback' not in err


def test_explain(call, tmp_path):
    save(tmp_path / 'in/sub/a.png')
    (tmp_path / 'in/b.png').write_text('no picture')
    code, out, err = call('explain', 'in', *QUIET)
    assert (code, out.strip()) == (1, 'explained/sub/a_explained.png') and 'b.png' in err
    assert Image.open(tmp_path / 'explained/sub/a_explained.png').width > 1000


def test_compare_draws_and_measures(call, tmp_path):
    for i in range(2):
        save(tmp_path / f'low/low{i}.png', DARK // (i + 1))
        save(tmp_path / f'high/normal{i}.png', BRIGHT)
        save(tmp_path / f'peer/{i}.png', BRIGHT // 2)
    code, out, err = call('compare', 'low', '--reference', 'high', '--peers', 'Half=peer', '--csv', 'f.csv',
                          '--highlights', 'clip', *QUIET)
    assert code == 0 and not err
    with open(tmp_path / 'f.csv') as file:
        rows = list(csv.DictReader(file))
    assert [(r['method'], r['image']) for r in rows] == [(m, f'low{i}.png') for i in range(2)
                                                         for m in ('input', 'ours', 'Half')]
    halved, reference = (to_tensor(read_picture(tmp_path / p).image)[None] for p in ('peer/0.png', 'high/normal0.png'))
    assert float(rows[2]['PSNR']) == pytest.approx(psnr(halved, reference).item(), abs=1e-4)
    means = {line.split()[0]: line.split()[1:] for line in out.splitlines()[1:4]}
    assert means['Half'][:2] == ['2', f'{psnr(halved, reference).item():.2f}']
    assert float(means['ours'][1]) > float(means['input'][1])
    assert Image.open(tmp_path / 'compared/low0_compared.png').width == 4 * 420 + 3 * 6  # input, ours, reference, peer


def test_compare_without_reference_and_with_other_sizes(call, tmp_path):
    save(tmp_path / 'a.png')
    save(tmp_path / 'peer/a.png', BRIGHT[:20, :30])
    code, out, err = call('compare', 'a.png', '--peers', 'peer', '--crop', 0, 0, 10, 8, *QUIET)
    assert code == 0 and 'PSNR' not in out
    code, out, err = call('compare', 'a.png', '--reference', tmp_path / 'peer', '--out', 'c2', *QUIET)
    assert code == 0 and 'PSNR' not in out  # of another size: nothing to measure


def test_it_runs_as_a_module_and_ends_whole_on_sigterm(tmp_path):
    large = save(tmp_path / 'in/000.png', np.kron(DARK, np.ones((8, 8, 1), np.uint8)))
    for i in range(1, 400):  # minutes of work
        (tmp_path / f'in/{i:03d}.png').hardlink_to(large)
    with started('-m', 'isalux_mm', 'enhance', 'in', '--quiet', '--device', 'cpu', cwd=tmp_path,
                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        wait_until((tmp_path / 'enhanced/001.png').exists, process)
        process.terminate()
        out, err = process.communicate(timeout=PATIENCE)
    written = list((tmp_path / 'enhanced').iterdir())
    assert process.returncode == 130 and 'interrupted; what was finished is kept' in err
    counted = int(re.match(r'(\d+) enhanced', out)[1])
    assert 2 <= len(written) < 400 and counted in (len(written), len(written) - 1)  # the last may not be counted yet
    for path in written:
        assert read_picture(path).image.shape == (8 * DARK.shape[0], 8 * DARK.shape[1], 3)
