"""`isalux evaluate`: what it prints and writes, its exit codes, many pictures."""
import csv
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from loading import load_tool
from PIL import Image
from processes import PATIENCE, environment, started, wait_until

from isalux_mm import cli

GT = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
FAST = ['--measures', 'PSNR', 'SSIM', '--quiet']


def save(path, samples=GT):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(samples).save(path)
    return path


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Runs the command in a fresh folder with three pictures of two methods; gives exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    for k in range(3):
        save(tmp_path / f'gt/{k}.png')
        save(tmp_path / f'out/{k}.png', GT // 2 if k else GT)
        save(tmp_path / f'peer/{k}.png', GT // 3)

    def run(*arguments):
        try:
            code = cli.main(['evaluate', *(str(a) for a in arguments)])
        except SystemExit as error:
            code = error.code
        return code, *capsys.readouterr()

    return run


def test_from_a_folder_to_a_row(call):
    code, out, err = call('Mine=out', '--reference', 'gt', *FAST)
    assert (code, err) == (0, '')
    assert 'Mine: 3 pictures of out against gt' in out
    # equal: 100 dB; floor(x / 2) of uniform levels has an error of about x / 2: 10.75 dB
    mean = float(re.search(r'^\| PSNR ↑ \| ([\d.]+) dB', out, re.MULTILINE)[1])
    assert mean == pytest.approx((100 + 2 * 10.75) / 3, abs=0.2)
    assert 'PSNR: 1 of 3 pictures are equal to their references, to rounding at least, and count as 100 dB' in out
    assert re.search(rf'^\| Mine \| 3 \| {mean:.2f} \[[\d.]+ to 100.00\] \| 0\.\d+ \[', out, re.MULTILINE)
    assert '10,000 resampled means, seed 0' in out


def test_against_another_method(call):
    code, out, err = call('out', '--reference', 'gt', '--against', 'peer', '--json', 's.json', '--csv', 's.csv', *FAST)
    assert code == 0 and 'out minus peer' in out and '| 3 of 3 | 0 of 3 |' in out
    with open('s.csv') as file:
        rows = list(csv.DictReader(file))
    assert [(r['method'], r['image']) for r in rows] == [(m, f'{k}.png') for m in ('out', 'peer') for k in range(3)]
    assert rows[0]['PSNR'] == 'inf'
    with open('s.json') as file:
        found = json.load(file)
    assert found['methods']['out']['measures'][0]['capped'] == 1 and found['comparisons'][0]['better'] == 3
    assert found['comparisons'][0]['p'] == pytest.approx(0.25)  # the least that three pictures can give


def test_without_reference(call):
    code, out, err = call('out', '--quiet')
    assert code == 0 and '| NIQE ↓ | - |' in out and 'note: NIQE has no value of 3 pictures' in err


def test_broken_and_unmatched_files_are_listed_and_the_exit_code_says_so(call, tmp_path):
    (tmp_path / 'out/1.png').write_bytes(b'')
    save(tmp_path / 'gt/9.png')
    code, out, err = call('out', '--reference', 'gt', *FAST)
    assert code == 1 and 'out: 2 pictures of out' in out
    assert '1 pictures could not be scored:\n  out/1.png: the file is empty' in err
    assert '1 references have no result of out:\n  gt/9.png' in err
    save(tmp_path / 'peer/stray.png')
    code, _, err = call('peer', '--reference', 'gt', *FAST)
    assert code == 1 and '1 results were not scored:\n  peer/stray.png has no reference' in err


@pytest.mark.parametrize(('arguments', 'message'), [
    ([], 'which folder of results is to be scored?'),
    (['nowhere'], 'no folder nowhere'),
    (['out', '--reference', 'nowhere'], '--reference must be an existing folder, got nowhere'),
    (['out', '--resume'], '--resume goes on from a CSV'),
    (['out', '--workers', '0'], '--workers must be at least 1, got 0'),
    (['out', '--against', 'out'], 'both folders are called out'),
    (['out', '--measures', 'PSNR'], 'PSNR needs a folder of reference pictures'),
    (['out', '--reference', 'gt', '--protocol', 'lol-v1'], 'wants references of the 15 pictures'),
    (['out', '--reference', 'small'], 'another size, which only a protocol may settle'),
])
def test_wrong_use(call, tmp_path, arguments, message):
    save(tmp_path / 'small/1.png', GT[:20])
    code, _, err = call(*arguments)
    assert code == 2 and message in err and 'Traceback' not in err


def test_the_list_of_measures(call):
    code, out, _ = call('--list-measures')
    assert code == 0 and all(text in out for text in (
        '| PSNR | higher | reference |', 'Retinexformer', 'HVI-CIDNet', 'LYT-Net', 'protocol lol-v1: LOL-v1',
        '| DISTS | lower | reference, weights of vgg |'))


def test_the_tool_is_the_command(call, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['evaluate.py', 'out', '--reference', 'gt', *FAST])
    assert load_tool('evaluate').main() == 0 and 'out: 3 pictures' in capsys.readouterr().out


def many(folder, count: int, size: tuple[int, int] = (96, 128)) -> None:
    """Pictures of a few contents, by hard links."""
    rng = np.random.default_rng(0)
    for kind in ('gt', 'out'):
        first = save(folder / kind / '0000.png', rng.integers(0, 256, (*size, 3), dtype=np.uint8))
        for k in range(1, count):
            (folder / kind / f'{k:04d}.png').hardlink_to(first)


HASTY = """
import sys
from isalux_mm import cli
from isalux_mm.apis import evaluating
evaluating.SAVED_EVERY = 0.2
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_interrupted_it_keeps_what_is_finished_and_goes_on(tmp_path):
    many(tmp_path, 2000, (200, 300))
    command = ['-c', HASTY, 'evaluate', 'out', '--reference', 'gt', '--csv', 's.csv', '--workers', '2', *FAST]
    with started(*command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                 env=environment()) as process:
        wait_until((tmp_path / 's.csv').exists, process)
        process.terminate()
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and 'finished pictures are in s.csv; --resume goes on from there' in err
    with open(tmp_path / 's.csv') as file:
        before = list(csv.DictReader(file))
    assert 0 < len(before) < 2000
    for path in sorted((tmp_path / 'out').iterdir())[len(before) + 20:]:
        path.unlink()  # enough is enough
    command += ['--resume', '--workers', '1']
    done = subprocess.run([sys.executable, *command], cwd=tmp_path, env=environment(), capture_output=True, text=True,
                          timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    with open(tmp_path / 's.csv') as file:
        after = {row['image']: row for row in csv.DictReader(file)}
    assert len(after) == len(before) + 20
    assert all(after[row['image']] == row for row in before if row['image'] in after)


MEASURED = """
import resource, sys, time
from isalux_mm import cli
started = time.process_time()
code = cli.main('evaluate out --reference gt --workers 1 --measures PSNR SSIM --csv s.csv'.split())
most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(f'\\ncost {code} {time.process_time() - started} {most}')
"""


@pytest.mark.slow
def test_a_thousand_pictures_take_four_times_as_long_as_250_and_no_more_memory(tmp_path):
    """With 5% broken files, which are listed; time is the processor's, whatever else the machine does."""
    costs = []
    for count in (250, 1000):
        folder = tmp_path / str(count)
        many(folder, count)
        broken = [folder / f'out/{k:04d}.png' for k in range(0, count, 20)]
        for path in broken:
            path.unlink()
            path.write_bytes(b'broken')
        done = subprocess.run([sys.executable, '-c', MEASURED], cwd=folder, env=environment(), capture_output=True,
                              text=True, timeout=PATIENCE)
        code, seconds, memory = done.stdout.split('cost ')[1].split()
        assert code == '1' and done.stderr.count('no readable picture') == len(broken)
        assert f'out: {count - len(broken)} pictures' in done.stdout
        costs.append((float(seconds), int(memory)))
    (short, small), (long, large) = costs
    assert long < 5.5 * short  # 4 less what it costs to start; squared work would be 16
    assert large < small + 30_000  # kilobytes; 750 pictures more would be 55 MB as bytes, 440 MB as numbers


@pytest.mark.parametrize('option', ['--csv', '--json'])
@pytest.mark.parametrize('place', ['gt/0.png', 'out/0.png', 'dark/0.png', 'gt/0.png/x.csv'])
def test_no_figures_over_a_picture_and_none_where_nothing_can_be_written(call, tmp_path, option, place):
    save(tmp_path / 'dark/0.png')
    before = {path: path.read_bytes() for path in tmp_path.rglob('*.png')}
    code, out, err = call('out', '--reference', 'gt', '--low', 'dark', option, place, '--overwrite', *FAST)
    assert code == 2 and out == '' and place in err
    assert {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()} == before
