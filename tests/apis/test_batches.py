"""Batches: one file never ends one, no file that was there is touched, results that meet by name are kept apart."""
import os
import struct
import threading

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from isalux_mm.apis import EnhanceInferencer
from isalux_mm.apis import inferencer as module
from isalux_mm.apis.jobs import Job, products_of
from isalux_mm.apis.sources import Source, gather
from isalux_mm.io.picture_file import Picture

DARK = (np.random.default_rng(0).random((37, 53, 3)) * 40).astype(np.uint8)


def save(path, samples=DARK):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(samples).save(path)
    return path


def listed(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob('*') if not path.is_dir())


@pytest.fixture
def curve():
    """An inferencer of a network without weights: fast."""
    config = Config(dict(model=dict(type='LowLightEnhancer', network=dict(type='GammaCurve'))))
    return EnhanceInferencer(config, device='cpu', show_progress=False)


class RustPanic(BaseException):
    """As a decoder written in Rust raises them."""


@pytest.mark.parametrize('error', [struct.error, KeyError, RecursionError, AssertionError, RustPanic])
@pytest.mark.parametrize('stage', ['read', 'network', 'write', 'explain'])
def test_one_file_never_ends_a_batch(curve, tmp_path, monkeypatch, stage, error):
    for i in range(5):
        save(tmp_path / f'in/{i}.png', DARK // (i + 1))
    names = {'read': (Source, 'read'), 'network': (curve, 'enhance'), 'write': (module, 'write_picture'),
             'explain': (module, 'draw_explained')}
    place, name = names[stage]
    real, calls = getattr(place, name), []

    def fails_once(*args, **options):
        calls.append(args)
        if len(calls) == 3:
            raise error('the third')
        return real(*args, **options)

    monkeypatch.setattr(place, name, fails_once)
    result = curve(tmp_path / 'in', out=tmp_path / 'out', return_explanation=stage == 'explain')
    report, third = result['report'], str(tmp_path / 'in/2.png')
    assert list(report.failed) == [third] and 'the third' in report.failed[third]
    assert (error.__name__ in report.tracebacks[third]) and report.tracebacks[third].startswith('Traceback')
    assert len(report.done) == (5 if stage == 'explain' else 4)  # the picture itself is whole
    assert 'explanation: ' in report.failed[third] or stage != 'explain'
    assert len(listed(tmp_path / 'out')) == (9 if stage == 'explain' else 4)


def test_an_explanation_that_cannot_be_written_is_one_failure(curve, tmp_path):
    for i in range(3):
        save(tmp_path / f'in/{i}.png')
    (tmp_path / 'out/0_explained.png').mkdir(parents=True)
    result = curve(tmp_path / 'in', out=tmp_path / 'out', return_explanation=True)
    assert listed(tmp_path / 'out') == ['0.png', '1.png', '1_explained.png', '2.png', '2_explained.png']
    assert 'explanation: ' in result['report'].failed[str(tmp_path / 'in/0.png')]
    assert result['visualization'][0] is None and len(result['report'].explained) == 2


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_what_is_not_finite_is_refused(curve, tmp_path, monkeypatch, bad):
    for i in range(3):
        save(tmp_path / f'in/{i}.png', DARK // (i + 1))
    mean = DARK.mean() / 255
    forward = type(curve.network).forward

    def broken(self, image, **options):
        result = forward(self, image, **options)
        result[image.mean(dim=(1, 2, 3)) > mean * 0.9, 0, 3, 4] = bad  # of the first picture alone
        return result

    monkeypatch.setattr(type(curve.network), 'forward', broken)
    report = curve(tmp_path / 'in', out=tmp_path / 'out', batch_size=3)['report']
    assert listed(tmp_path / 'out') == ['1.png', '2.png'] and list(report.failed) == [str(tmp_path / 'in/0.png')]
    assert "the network's result (float32) must be finite, got 1 NaN or infinite values" in str(report.failed)
    with pytest.raises(ValueError, match="the network's result"):
        curve(DARK)
    monkeypatch.undo()
    image = DARK.astype(np.float32) / 255
    image[0, 0, 0] = bad
    with pytest.raises(ValueError, match='images must be finite'):
        curve.forward([(Job(0, Source(DARK, tmp_path), None), Picture(image))])
    assert not curve.forward([(Job(0, Source(tmp_path / 'a.png', tmp_path), None), Picture(image))])
    with pytest.raises(ValueError, match='images must be finite'):
        curve.enhance(torch.full((1, 3, 8, 8), bad))


def test_files_of_others_stay(curve, tmp_path):
    save(tmp_path / 'in/a.png')
    for name in ('a.png', 'a_explained.png', '.a.png', 'a.partial.png', 'a.png.tmp'):
        (tmp_path / 'out').mkdir(exist_ok=True)
        (tmp_path / 'out' / name).write_text('of somebody')
        os.utime(tmp_path / 'out' / name, ns=(0, 0))
    before = listed(tmp_path / 'out')
    report = curve(tmp_path / 'in', out=tmp_path / 'out', return_explanation=True)['report']
    assert report.skipped and listed(tmp_path / 'out') == before
    assert {(tmp_path / 'out' / name).read_text() for name in before} == {'of somebody'}


def test_what_is_missing_of_a_finished_picture_is_made(curve, tmp_path):
    save(tmp_path / 'in/a.png')
    curve(tmp_path / 'in', out=tmp_path / 'out')
    written = (tmp_path / 'out/a.png').stat().st_mtime_ns
    result = curve(tmp_path / 'in', out=tmp_path / 'out', return_explanation=True)
    assert result['predictions'] == [str(tmp_path / 'out/a.png')] == result['report'].skipped
    assert result['visualization'] == [str(tmp_path / 'out/a_explained.png')] == result['report'].explained
    assert (tmp_path / 'out/a.png').stat().st_mtime_ns == written and not result['report'].done
    assert curve(tmp_path / 'in', out=tmp_path / 'out', return_explanation=True)['visualization'] == [
        str(tmp_path / 'out/a_explained.png')]


@pytest.mark.parametrize(('names', 'made'), [
    (('a.jpg', 'a.png'), ('a.jpg', 'a.jpg_explained.png', 'a.png', 'a.png_explained.png')),
    (('a.jpg', 'a_explained.png'),
     ('a.jpg', 'a_explained.png', 'a_explained_2.png', 'a_explained_explained.png')),
    (('b/a.png', 'B/a.png'), ('B/a.png', 'B/a_explained.png', 'b/a_2.png', 'b/a_2_explained.png')),
    (('図' * 83 + '.png', ), ('図' * 83 + '.png', '図' * 80 + '_explained.png')),
])
def test_names_that_meet_are_kept_apart(curve, tmp_path, names, made):
    for name in names:
        save(tmp_path / 'in' / name)
    report = curve(tmp_path / 'in', out=tmp_path / 'out', return_explanation=True)['report']
    assert listed(tmp_path / 'out') == sorted(made) and not report.failed


def test_a_drawing_is_never_an_input(tmp_path):
    for name in ('a.png', 'a_compared.png'):
        save(tmp_path / name)
    with pytest.raises(ValueError, match='out must lead to other files than the inputs, got .*a_compared.png'):
        products_of(gather(tmp_path), tmp_path, '_compared.png')
    with pytest.raises(ValueError, match='out must lead to other files'):
        products_of(gather(tmp_path), tmp_path / 'out', '_compared.png', tmp_path / 'a.png')


def test_paths_that_cannot_be_looked_at_are_failures_of_their_own(curve, tmp_path):
    (tmp_path / 'loop.png').symlink_to('loop.png')
    inputs = [save(tmp_path / 'a.png'), tmp_path / ('b' * 300 + '.png'), tmp_path / 'loop.png', '~nobody-here/a.png',
              tmp_path / 'nul\0.png']
    report = curve(inputs, out=tmp_path / 'out')['report']
    assert len(report.done) == 1 and len(report.failed) == 4


def test_pictures_in_memory_are_never_taken_for_each_other(curve, tmp_path):
    first, = curve(DARK, out=tmp_path / 'out')['predictions']
    before = (tmp_path / 'out/00000000.png').read_bytes()
    with pytest.raises(FileExistsError, match='00000000.png exists; overwrite'):
        curve(DARK[::-1].copy(), out=tmp_path / 'out')
    assert (tmp_path / 'out/00000000.png').read_bytes() == before
    assert curve(DARK[::-1].copy(), out=tmp_path / 'out', redo=True)['predictions'] == [first]
    assert (tmp_path / 'out/00000000.png').read_bytes() != before


def test_a_folder_of_results_is_a_folder(curve, tmp_path):
    save(tmp_path / 'in/a.png')
    (tmp_path / 'out').write_text('of somebody')
    with pytest.raises(NotADirectoryError, match='out must be a folder'):
        curve(tmp_path / 'in', out=tmp_path / 'out')
    with pytest.raises(NotADirectoryError, match='out must be a folder'):
        products_of(gather(tmp_path / 'in'), tmp_path / 'out', '_x.png')
    assert (tmp_path / 'out').read_text() == 'of somebody'


def test_a_folder_that_cannot_be_listed_is_a_failure(curve, tmp_path, monkeypatch):
    save(tmp_path / 'in/a.png')
    save(tmp_path / 'in/closed/b.png')
    for name in ('scandir', 'listdir'):
        real = getattr(os, name)

        def refused(path, real=real):
            if os.path.basename(path) == 'closed':
                raise PermissionError(13, 'Permission denied', str(path))
            return real(path)

        monkeypatch.setattr(os, name, refused)
    report = curve(tmp_path / 'in', out=tmp_path / 'out')['report']
    assert len(report.done) == 1 and list(report.failed) == [str(tmp_path / 'in/closed')]
    assert 'Permission denied' in report.failed[str(tmp_path / 'in/closed')]
    with pytest.raises(ValueError, match='inputs must hold a picture'):
        curve(tmp_path / 'out' / 'nothing/*')
    assert list(curve(tmp_path / 'in/closed')['report'].failed) == [str(tmp_path / 'in/closed')]


@pytest.mark.parametrize('batch_size', [1, 3])
def test_one_is_written_while_the_next_is_enhanced(curve, tmp_path, monkeypatch, batch_size):
    """The thread that writes waits for the network's next picture: one after the other would last for ever."""
    for i in range(7):
        save(tmp_path / f'in/{i}.png', DARK // (i + 1))
    entered, real_enhance, real_write = [threading.Event() for _ in range(8)], curve.enhance, module.write_picture
    threads, calls = set(), []

    def enhance(images, **options):
        calls.append(len(images))
        entered[sum(calls[:-1]) // batch_size].set()
        return real_enhance(images, **options)

    def write(path, picture, **options):
        threads.add(threading.current_thread())
        step = int(path.stem) // batch_size
        if step < 6 // batch_size:
            assert entered[step + 1].wait(60)
        return real_write(path, picture, **options)

    monkeypatch.setattr(curve, 'enhance', enhance)
    monkeypatch.setattr(module, 'write_picture', write)
    report = curve(tmp_path / 'in', out=tmp_path / 'out', batch_size=batch_size)['report']
    assert report.done == [str(tmp_path / f'out/{i}.png') for i in range(7)] and not report.failed
    assert len(threads) == 1 and threading.main_thread() not in threads


def test_failures_are_reported_in_the_order_of_the_inputs(curve, tmp_path, monkeypatch):
    """Reading is two pictures ahead of writing."""
    for i in range(4):
        save(tmp_path / f'in/{i}.png')
    (tmp_path / 'in/1.png').write_bytes(b'broken')
    (tmp_path / 'in/3.png').write_bytes(b'broken')
    monkeypatch.setattr(module, 'write_picture', lambda *args, **options: 1 / 0)
    report = curve(tmp_path / 'in', out=tmp_path / 'out')['report']
    assert list(report.failed) == list(report.tracebacks) == [str(tmp_path / f'in/{i}.png') for i in range(4)]


def test_what_is_being_written_at_an_interrupt_is_finished_and_reported(curve, tmp_path, monkeypatch):
    for i in range(5):
        save(tmp_path / f'in/{i}.png')
    real, calls = curve.enhance, []

    def interrupted(images, **options):
        calls.append(images)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(images, **options)

    monkeypatch.setattr(curve, 'enhance', interrupted)
    with pytest.raises(KeyboardInterrupt):
        curve(tmp_path / 'in', out=tmp_path / 'out')
    assert listed(tmp_path / 'out') == ['0.png', '1.png']
    assert curve.report.done == [str(tmp_path / 'out/0.png'), str(tmp_path / 'out/1.png')]
    assert 'isalux-write' not in {thread.name.rpartition('_')[0] for thread in threading.enumerate()}
