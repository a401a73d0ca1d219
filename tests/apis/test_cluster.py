"""Pictures by many workers: the rules of one process, every picture once whichever worker is lost."""
from pathlib import Path

import fsspec
import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image
from ray_stand_in import StandIn

from isalux_mm.apis import EnhanceInferencer, EnhanceReport, Tone, cluster
from isalux_mm.apis.cluster import LIVES, enhance_on_ray
from isalux_mm.cli import main

DARK = (np.random.default_rng(0).random((17, 23, 3)) * 40).astype(np.uint8)


def curve():
    """An inferencer of a network without weights: fast."""
    config = Config(dict(model=dict(type='LowLightEnhancer', network=dict(type='GammaCurve'))))
    return EnhanceInferencer(config, device='cpu', show_progress=False)


@pytest.fixture
def pictures(tmp_path):
    """Nine pictures in two folders, a broken one, one whose result is there."""
    folder = tmp_path / 'in'
    (folder / 'sub').mkdir(parents=True)
    for i in range(8):
        Image.fromarray(DARK // (i + 1)).save(folder / ('sub' if i % 2 else '') / f'{i}.png')
    Image.fromarray(DARK).save(folder / 'there.jpg', comment='kept')
    (folder / 'broken.png').write_bytes(b'nothing')
    return folder


@pytest.fixture
def stand_in(monkeypatch):
    """Puts a stand-in in Ray's place."""
    def put(*args, **options):
        ray = StandIn(*args, **options)
        monkeypatch.setattr(cluster, 'running_ray', ray.running)
        return ray
    return put


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def plain(pictures, out, **options):
    return curve()(pictures, out=out, **options)['report']


def run(pictures, out, **options):
    return enhance_on_ray(pictures, out, build=curve, show_progress=False, **options)


def told(report, out):
    """A report without tracebacks and the folder of the results."""
    return [str(part).replace(str(out), 'OUT')
            for part in (report.done, report.skipped, report.outdated, report.failed, report.lost)]


@pytest.mark.parametrize('dies', [
    lambda number, name, task: None,
    lambda number, name, task: 'before' if (number, name) == (0, 'enhance') else None,
    lambda number, name, task: 'after' if number == 1 and task and task.index == 3 else None,
    lambda number, name, task: 'after' if number < 3 and name == 'enhance' else None,
    lambda number, name, task: 'before' if name == 'prepare' and number == 0 else None,
], ids=['all live', 'before its first', 'when it had written', 'three of them', 'at its start'])
def test_results_and_report_are_those_of_one_process(pictures, tmp_path, stand_in, dies):
    ray = stand_in(dies)
    out = [tmp_path / 'plain', tmp_path / 'ray']
    for folder in out:
        folder.mkdir()
        (folder / 'there.jpg').write_bytes(b'of before')
    expected, found = plain(pictures, out[0]), run(pictures, out[1])
    assert told(found, out[1]) == told(expected, out[0])
    assert found.tracebacks.keys() == expected.tracebacks.keys()
    assert content(out[1]) == content(out[0])
    assert all(actor.dead for actor in ray.actors)
    assert ray.options == dict(num_cpus=1, num_gpus=0, max_restarts=0)


def test_tone_and_redo_reach_the_workers(pictures, tmp_path, stand_in):
    stand_in(lambda number, name, task: 'after' if number == 0 and name == 'enhance' else None)
    out = [tmp_path / 'plain', tmp_path / 'ray']
    for folder in out:
        folder.mkdir()
        (folder / 'there.jpg').write_bytes(b'of before')
    expected = plain(pictures, out[0], redo=True, strength=0.5, reference_brightness=0.4)
    found = run(pictures, out[1], redo=True, tone=Tone(0.5, 0.4))
    assert told(found, out[1]) == told(expected, out[0])
    assert content(out[1]) == content(out[0]) and content(out[1])['there.jpg'] != b'of before'


def test_a_picture_that_takes_workers_along_fails_alone(pictures, tmp_path, stand_in):
    ray = stand_in(lambda number, name, task: 'before' if task and task.name.endswith('4.png') else None)
    report = run(pictures, tmp_path / 'out')
    assert report.failed.pop(str(pictures / '4.png')) == f'{LIVES} workers were lost over it: the worker died'
    assert list(report.failed) == [str(pictures / 'broken.png')]
    assert len(report.done) == 8 and len(ray.actors) == 2 + LIVES


def test_a_file_of_another_program_is_never_taken_for_a_lost_workers(pictures, tmp_path, stand_in):
    """It came while the run was on."""
    out = tmp_path / 'out'

    def dies(number, name, task):
        if number == 0 and task:
            Path(task.target).parent.mkdir(parents=True, exist_ok=True)
            Path(task.target).write_bytes(b'of another')
            return 'before'
        return None

    stand_in(dies)
    report = run([pictures / '0.png', pictures / '2.png'], out)
    assert list(report.failed) == [str(pictures / '0.png')] and 'exists' in report.failed[str(pictures / '0.png')]
    assert (out / '0.png').read_bytes() == b'of another' and report.done == [str(out / '2.png')]


def test_drafts_of_lost_workers_are_cleared_away(pictures, tmp_path, stand_in):
    out = tmp_path / 'out'

    def dies(number, name, task):
        if number == 0 and task:
            target = Path(task.target)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.with_name(f'.{target.stem}-0123456789ab{target.suffix}').write_bytes(b'half')
            return 'before'
        return None

    stand_in(dies)
    run(pictures, out)
    assert not list(out.rglob('.*'))


def test_workers_that_never_start_end_the_run(pictures, tmp_path, stand_in):
    stand_in(lambda number, name, task: 'before')
    with pytest.raises(RuntimeError, match=f'{LIVES} workers were lost at their start'):
        run(pictures, tmp_path / 'out')


def test_a_network_that_cannot_be_built_is_said(pictures, tmp_path, stand_in):
    stand_in()

    def wrong():
        raise ValueError('model must be one of these')

    with pytest.raises(ValueError, match='model must be one of these'):
        enhance_on_ray(pictures, tmp_path / 'out', build=wrong, show_progress=False)


def test_an_interrupt_keeps_what_was_finished(pictures, tmp_path, stand_in):
    calls = []

    def dies(number, name, task):
        calls.append(task)
        if len(calls) == 6:
            raise KeyboardInterrupt

    ray, report = stand_in(dies), EnhanceReport()
    with pytest.raises(KeyboardInterrupt):
        run(pictures, tmp_path / 'out', report=report)
    assert sorted(report.done) == sorted(str(tmp_path / 'out' / name) for name in content(tmp_path / 'out'))
    assert report.done and all(actor.dead for actor in ray.actors)


@pytest.mark.parametrize(('number', 'cores', 'options', 'expected'), [
    (10, 2, {}, 2), (10, 8, dict(threads=4), 2), (10, 8, dict(workers=3), 3), (2, 8, {}, 2), (10, 0, {}, 1)])
def test_number_of_workers(tmp_path, stand_in, number, cores, options, expected):
    for i in range(number):
        (tmp_path / f'{i}.png').write_bytes(b'broken')
    ray = stand_in(cores=cores)
    run(tmp_path, tmp_path / 'out', **options)
    assert len(ray.actors) == expected


@pytest.mark.parametrize('options', [dict(workers=0), dict(threads=0), dict(gpus=-1)])
def test_numbers_out_of_range(tmp_path, options):
    with pytest.raises(ValueError, match='must be at least 1 and gpus at least 0'):
        run(tmp_path, tmp_path / 'out', **options)


@pytest.fixture
def bucket(pictures):
    """The pictures in a file system of fsspec's in memory."""
    system = fsspec.filesystem('memory')
    system.put(str(pictures), '/bucket/in', recursive=True)
    yield 'memory://bucket/in'
    system.rm('/bucket', recursive=True)


@pytest.mark.parametrize('dies', [lambda number, name, task: None,
                                  lambda number, name, task: 'after' if number == 0 and task else None],
                         ids=['all live', 'one is lost'])
def test_from_a_bucket_to_a_bucket(bucket, pictures, tmp_path, stand_in, dies):
    stand_in(dies)
    out, address = tmp_path / 'plain', 'memory://bucket/in/out'
    out.mkdir()
    (out / 'there.jpg').write_bytes(b'of before')
    fsspec.filesystem('memory').pipe('/bucket/in/out/there.jpg', b'of before')
    expected, found = plain(pictures, out), run(bucket, address)
    assert [part.replace(address, 'OUT').replace(bucket, str(pictures)) for part in told(found, address)] \
        == told(expected, out)
    system = fsspec.filesystem('memory')
    stored = {path.removeprefix('/bucket/in/out/'): system.cat(path) for path in system.find('/bucket/in/out')}
    assert stored == content(out)
    again = run(bucket, address)
    assert not again.done and len(again.skipped) == 9  # the results below the inputs are none themselves


def test_from_a_bucket_to_a_folder_and_back(bucket, pictures, tmp_path, stand_in):
    stand_in()
    plain(pictures, tmp_path / 'plain')
    run(bucket, tmp_path / 'out')
    assert content(tmp_path / 'out') == content(tmp_path / 'plain')
    report = run(f'file://{pictures}', 'memory://bucket/other')
    assert len(fsspec.filesystem('memory').find('/bucket/other')) == 9
    assert report.done[0].startswith('memory://bucket/other/')


def test_one_file_of_a_bucket(bucket, tmp_path, stand_in):
    stand_in()
    assert run(f'{bucket}/sub/1.png', tmp_path / 'out').done == [str(tmp_path / 'out/1.png')]


def test_what_no_address_may_be(bucket, pictures, tmp_path, stand_in):
    stand_in()
    with pytest.raises(ValueError, match='one address alone'):
        run([bucket, str(pictures)], tmp_path / 'out')
    with pytest.raises(ValueError, match='other files than the inputs'):
        run(bucket, bucket)
    with pytest.raises(FileNotFoundError, match='no such file or folder'):
        run('memory://bucket/nothing', tmp_path / 'out')


def test_the_command(pictures, tmp_path, stand_in, capsys):
    ray = stand_in()
    code = main(['enhance', str(pictures), '--out', str(tmp_path / 'out'), '--engine', 'ray', '--device', 'cpu',
                 '--threads', '2', '--address', 'auto', '--strength', '0'])
    told = capsys.readouterr()
    assert code == 1 and '9 enhanced, 1 failed' in told.out and 'broken.png' in told.err
    assert ray.address == 'auto' and ray.options['num_cpus'] == 2
    assert np.array_equal(np.asarray(Image.open(tmp_path / 'out/0.png')), DARK)  # of strength 0


def test_what_the_command_does_not_take(pictures, tmp_path, capsys):
    assert main(['enhance', str(pictures), '--out', str(tmp_path / 'out'), '--engine', 'ray', '--explain']) == 2
    assert 'a worker takes a picture at a time' in capsys.readouterr().err
