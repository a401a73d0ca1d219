"""The converters: a reproducible, resumable set in LOL-v1's layout, and the demo's photographs."""
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from loading import load_tool
from PIL import Image

from isalux_mm.datasets.image_datasets import PairedImageDataset
from isalux_mm.functional.degradation_ranges import DegradationRanges
from isalux_mm.io.images import read_image

SIZE = (40, 28)  # width, height


@pytest.fixture(scope='module')
def tools():
    """The two converters as modules."""
    return load_tool('dataset_converters/synthesize_lowlight'), load_tool('dataset_converters/prepare_demo')


@pytest.fixture
def photos(tmp_path):
    """Six small pictures, two of them of one name in two folders."""
    folder, rng = tmp_path / 'photos', np.random.default_rng(0)
    for name in ('a.png', 'b.jpg', 'c.png', 'd.png', 'x/e.png', 'y/e.png'):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
        small.resize(SIZE, Image.Resampling.BILINEAR).save(folder / name)
    return folder


def run(tool, monkeypatch, *args):
    monkeypatch.setattr(sys, 'argv', ['synthesize_lowlight.py', *map(str, args)])
    return tool.main()


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob('*.png'))}


def test_the_layout_is_that_of_lol(tools, photos, tmp_path, monkeypatch, capsys):
    assert run(tools[0], monkeypatch, photos, tmp_path / 'out', '--val-names', 'b', '--workers', 1) == 0
    assert '6 of 6 pairs' in capsys.readouterr().out
    train = PairedImageDataset(str(tmp_path / 'out'), dict(low='our485/low', gt='our485/high'))
    held_out = PairedImageDataset(str(tmp_path / 'out'), dict(low='eval15/low', gt='eval15/high'))
    assert len(train) == 5 and Path(held_out.get_data_info(0)['low_path']).name == 'b.png' and len(held_out) == 1
    for k in range(5):
        low, gt = (read_image(train.get_data_info(k)[f'{kind}_path']) for kind in ('low', 'gt'))
        assert low.shape == gt.shape == (SIZE[1], SIZE[0], 3)
        assert 0.03 < low.mean() / gt.mean() < 0.4


def test_the_set_does_not_depend_on_the_workers_but_on_the_seed(tools, photos, tmp_path, monkeypatch):
    for name, seed, workers in (('one', 1, 1), ('two', 1, 2), ('other', 2, 1)):
        assert run(tools[0], monkeypatch, photos, tmp_path / name, '--seed', seed, '--workers', workers) == 0
    one, two, other = (contents(tmp_path / name) for name in ('one', 'two', 'other'))
    assert one == two and one.keys() == other.keys() and len(one) == 12
    assert all(one[name] != other[name] for name in one if '/low/' in name)


def test_a_second_run_makes_only_what_is_missing(tools, photos, tmp_path, monkeypatch):
    out = tmp_path / 'out'
    run(tools[0], monkeypatch, photos, out, '--workers', 1)
    before = contents(out)
    lost, kept = out / 'our485' / 'low' / 'c.png', out / 'our485' / 'low' / 'd.png'
    lost.unlink()
    kept.write_bytes(b'mark')
    run(tools[0], monkeypatch, photos, out, '--workers', 1)
    assert kept.read_bytes() == b'mark'
    assert lost.read_bytes() == before['our485/low/c.png']


def test_other_options_are_refused_in_the_same_folder(tools, photos, tmp_path, monkeypatch, capsys):
    out = tmp_path / 'out'
    assert run(tools[0], monkeypatch, photos, out, '--workers', 1) == 0
    assert json.loads((out / 'synthesis.json').read_text())['seed'] == 0
    assert run(tools[0], monkeypatch, photos, out, '--workers', 1, '--seed', 5, '--max-side', 20) == 2
    assert 'begun with other options (max_side, seed)' in capsys.readouterr().err


def test_variants_and_sizes(tools, photos, tmp_path, monkeypatch):
    out = tmp_path / 'out'
    run(tools[0], monkeypatch, photos, out, '--val-names', 'a', '--variants', 2, '--max-side', 20, '--workers', 1)
    low = {p.stem for p in (out / 'our485' / 'low').iterdir()}
    assert len(low) == 10 and len(list((out / 'eval15' / 'low').iterdir())) == 1
    first, second = (read_image(out / 'our485' / 'low' / f'{name}.png') for name in sorted(low)[:2])
    assert first.shape == (14, 20, 3) and np.abs(first - second).max() > 1 / 255


def test_a_broken_photograph_is_named_and_the_rest_made(tools, photos, tmp_path, monkeypatch, capsys):
    (photos / 'd.png').write_text('no picture')
    assert run(tools[0], monkeypatch, photos, tmp_path / 'out', '--workers', 1) == 1
    output = capsys.readouterr()
    assert 'd.png: no readable picture' in output.err and '5 of 6 pairs' in output.out and '1 failed' in output.out


def test_whatever_a_photograph_raises_is_its_own(tools, photos, tmp_path, monkeypatch, capsys):
    real = tools[0].synthesize_pair

    def fails(photo, ranges, target, rng):
        if not calls:
            calls.append(photo)
            raise KeyError('unforeseen')
        return real(photo, ranges, target, rng)

    calls = []
    monkeypatch.setattr(tools[0], 'synthesize_pair', fails)
    assert run(tools[0], monkeypatch, photos, tmp_path / 'out', '--workers', 1) == 1
    assert "KeyError: 'unforeseen'" in capsys.readouterr().err


def test_pairs_that_were_not_made_here_stay(tools, photos, tmp_path, monkeypatch, capsys):
    (tmp_path / 'out/our485').mkdir(parents=True)
    assert run(tools[0], monkeypatch, photos, tmp_path / 'out', '--workers', 1) == 2
    assert 'our485 is there, and was not made here' in capsys.readouterr().err


@pytest.mark.parametrize('paths, names', [
    (['p/a.png', 'p/b.png'], ['a', 'b']),
    (['p/a.png', 'q/a.png', 'q/b.png'], ['p_a_png', 'q_a_png', 'b']),
    (['p/a.png', 'q/a.png'], ['p_a_png', 'q_a_png']),
    (['p/a.png', 'p/a.jpg'], ['p_a_png', 'p_a_jpg']),
    (['r/p/a.png', 's/p/a.png'], ['r_p_a_png', 's_p_a_png']),
    (['p/a.png', 'p/A.png'], ['p_a_png', 'p_A_png_2']),  # for a file system that takes them for one
    (['p/' + 'a' * 250 + 'x.png', 'p/' + 'a' * 250 + 'y.png'], ['p_' + 'a' * 243, 'p_' + 'a' * 243 + '_2']),
])
def test_names_stay_unique(tools, paths, names):
    assert tools[0].unique_names([Path(p) for p in paths]) == names


@pytest.mark.parametrize('options, message', [
    (['--val-fraction', '1'], r'--val-fraction must be in \[0, 1\), got 1.0'),
    (['--workers', '0'], '--workers: expected a whole number from 1 up, got 0'),
    (['--seed', '-1'], '--seed: expected a whole number from 0 up, got -1'),
    (['--mean-ratio', '0.5', '0.1'], '--mean-ratio must be LOW <= HIGH'),
])
def test_bad_arguments(tools, photos, tmp_path, monkeypatch, capsys, options, message):
    with pytest.raises(SystemExit) as error:
        run(tools[0], monkeypatch, photos, tmp_path / 'out', *options)
    assert error.value.code == 2
    assert re.search(message, capsys.readouterr().err)


def test_bad_folders(tools, photos, tmp_path, monkeypatch, capsys):
    for folder, out, message in ((tmp_path / 'none', tmp_path / 'out', 'photos must be a folder'),
                                 (photos, photos / 'out', 'out must lie outside of the photographs')):
        with pytest.raises(SystemExit):
            run(tools[0], monkeypatch, folder, out)
        assert message in capsys.readouterr().err
    (tmp_path / 'empty').mkdir()
    assert run(tools[0], monkeypatch, tmp_path / 'empty', tmp_path / 'out') == 2
    assert run(tools[0], monkeypatch, photos, tmp_path / 'out', '--val-names', 'zebra') == 2
    assert run(tools[0], monkeypatch, photos, tmp_path / 'out', '--val-names', 'a', 'b', 'c', 'd', 'e') == 2
    errors = capsys.readouterr().err
    for message in ('no photograph in', "not among the photographs: ['zebra']", 'no photograph is left to train on'):
        assert message in errors


def test_the_demo_uses_real_photographs_and_keeps_three_apart(tools, tmp_path):
    synthesize, demo = tools
    photos = demo.packaged_photos()
    assert len(photos) == 9 and all(read_image(p).shape[0] >= 300 for p in photos)
    jobs = synthesize.make_jobs(photos, demo.HELD_OUT, 1)
    held_out = {j.photo for j in jobs if j.split == synthesize.VAL}
    trained = {j.photo for j in jobs if j.split == synthesize.TRAIN}
    assert {p.stem for p in held_out} == {'chelsea', 'coffee', 'rocket'} and len(trained) == 6
    assert not held_out & trained
    errors = synthesize.run_jobs(jobs[:2], tmp_path, max_side=64, seed=0, workers=1, ranges=DegradationRanges())
    assert not errors and max(read_image(tmp_path / 'our485' / 'low' / 'astronaut.png').shape) == 64


def test_the_demo_names_a_missing_package(tools, monkeypatch):
    monkeypatch.setattr(tools[1], 'find_spec', lambda name: None)
    with pytest.raises(FileNotFoundError, match='the demo needs the package skimage'):
        tools[1].packaged_photos()


def test_the_base_of_cameras_and_a_fixed_range_of_exposure(tools, photos, tmp_path, monkeypatch):
    for name, options in (('plain', ()), ('cameras', ('--base', 'cameras')),
                          ('dark', ('--base', 'cameras', '--mean-ratio', 0.05, 0.06))):
        assert run(tools[0], monkeypatch, photos, tmp_path / name, '--workers', 1, *options) == 0
    plain, cameras = (contents(tmp_path / name) for name in ('plain', 'cameras'))
    assert plain.keys() == cameras.keys() and all(plain[name] != cameras[name] for name in plain if '/low/' in name)
    record = json.loads((tmp_path / 'dark' / tools[0].RECORD).read_text())
    assert record['ranges']['mean_ratio'] == [0.05, 0.06]
    assert (record['ranges']['extreme_share'], record['ranges']['lit_share']) == (0, 0)


def test_a_set_begun_before_a_range_was_added_goes_on(tools, photos, tmp_path, monkeypatch):
    out = tmp_path / 'out'
    run(tools[0], monkeypatch, photos, out, '--workers', 1)
    record = json.loads((out / tools[0].RECORD).read_text())
    del record['ranges']['luma_share'], record['ranges']['tinted_share']
    (out / tools[0].RECORD).write_text(json.dumps(record))
    assert run(tools[0], monkeypatch, photos, out, '--workers', 1) == 0


def test_other_variants_and_photographs_are_refused(tools, photos, tmp_path, monkeypatch, capsys):
    """A photograph of the same name, too; a damaged one may be put right, and more may be added."""
    out, good = tmp_path / 'out', (photos / 'd.png').read_bytes()
    (photos / 'd.png').write_text('no picture')
    options = ('--val-names', 'a', '--workers', 1)
    assert run(tools[0], monkeypatch, photos, out, *options) == 1
    (photos / 'd.png').write_bytes(good)
    (photos / 'f.png').write_bytes(good)
    assert run(tools[0], monkeypatch, photos, out, *options) == 0
    assert run(tools[0], monkeypatch, photos, out, *options, '--variants', 2) == 2
    assert 'begun with other options (variants' in capsys.readouterr().err
    (photos / 'c.png').write_bytes(good + b'more')
    assert run(tools[0], monkeypatch, photos, out, *options) == 2
    assert 'begun with other options (photographs, of our485/c say)' in capsys.readouterr().err
    (photos / 'c.png').unlink()
    assert run(tools[0], monkeypatch, photos, out, *options) == 2


def test_a_set_begun_before_photographs_were_recorded_goes_on(tools, photos, tmp_path, monkeypatch):
    out = tmp_path / 'out'
    run(tools[0], monkeypatch, photos, out, '--workers', 1)
    record = json.loads((out / tools[0].RECORD).read_text())
    (out / tools[0].RECORD).write_text(json.dumps({k: v for k, v in record.items() if k not in tools[0].LATER}))
    assert run(tools[0], monkeypatch, photos, out, '--workers', 1) == 0
    assert json.loads((out / tools[0].RECORD).read_text()) == record


@pytest.mark.parametrize('content', ['', '{', '[1]', '{"ranges": 3}', '{"photographs": null}'])
def test_a_damaged_record_is_named(tools, photos, tmp_path, monkeypatch, capsys, content):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / tools[0].RECORD).write_text(content)
    assert run(tools[0], monkeypatch, photos, tmp_path / 'out', '--workers', 1) == 2
    assert 'out/synthesis.json must be the record of a set' in capsys.readouterr().err
