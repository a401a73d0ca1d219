"""Limits of pictures: pixels, sides, memory; ours, adjustable, and not Pillow's."""
import threading
import warnings

import numpy as np
import pytest
from picture_parts import png
from PIL import Image

from isalux_mm.io import limits as module
from isalux_mm.io.limits import (
    PictureLimits,
    PictureTooLargeError,
    estimated_memory,
    limits_in_force,
    machine_memory,
    pillow_limit_lifted,
)
from isalux_mm.io.picture_file import read_picture, read_size

GIB = 2**30


@pytest.mark.parametrize(('limits', 'size', 'message'), [
    (PictureLimits(pixels=100), (11, 10), r'11 x 10 pixels, 0 megapixels; 0 are taken \(ISALUX_MAX_PIXELS'),
    (PictureLimits(side=100), (101, 1), r'101 x 1 pixels, a side may have 100 \(ISALUX_MAX_SIDE'),
    (PictureLimits(memory=GIB), (3000, 2000), r'about 1.3 GiB of memory, 1.0 may be used \(ISALUX_MAX_MEMORY'),
])
def test_each_limit_says_what_it_is_and_how_it_is_raised(limits, size, message):
    with pytest.raises(PictureTooLargeError, match=message):
        limits.check(*size)
    PictureLimits(memory=2**50).check(*size)


@pytest.mark.parametrize(('width', 'height'), [
    (4000, 3000), (12000, 9000), (16320, 12240), (65500, 1000), (1_000_000, 12)])
def test_what_people_have_is_taken(width, height):
    """12, 108 and 200 megapixels of telephones, a panorama, and the longest side."""
    PictureLimits(memory=16 * GIB).check(width, height)


def test_what_is_beyond_is_not():
    for size in ((12_000_000, 1), (20000, 20000), (65535, 65535)):
        with pytest.raises(PictureTooLargeError):
            PictureLimits().check(*size)


def test_memory_is_estimated_by_pixels():
    # 56 bytes a pixel, and 170 of the network up to 24 megapixels
    assert estimated_memory(1_000_000) == 226_000_000
    assert estimated_memory(200_000_000) == 200_000_000 * 56 + 24_000_000 * 170


def test_the_environment_sets_them(monkeypatch, tmp_path):
    assert limits_in_force() == PictureLimits()
    monkeypatch.setenv('ISALUX_MAX_PIXELS', '240')
    monkeypatch.setenv('ISALUX_MAX_MEMORY', '2_000_000_000')
    assert limits_in_force() == PictureLimits(pixels=240, memory=2_000_000_000)
    (tmp_path / 'a.png').write_bytes(png(19, 13))
    for read in (read_picture, read_size):
        with pytest.raises(PictureTooLargeError, match='a.png: 19 x 13 pixels'):
            read(tmp_path / 'a.png')
        read(tmp_path / 'a.png', limits=PictureLimits())
    monkeypatch.setenv('ISALUX_MAX_SIDE', 'much')
    with pytest.raises(ValueError, match="ISALUX_MAX_SIDE must be a whole number of at least 1, got 'much'"):
        limits_in_force()


@pytest.mark.parametrize('name', ['pixels', 'side', 'memory'])
def test_no_limit_below_one(name):
    with pytest.raises(ValueError, match=f'{name} must be at least 1, got 0'):
        PictureLimits(**{name: 0})


def test_a_container_has_the_memory_of_its_group(monkeypatch, tmp_path):
    (tmp_path / 'memory.max').write_text('123456789\n')
    monkeypatch.setattr(module, 'CGROUP_LIMITS', (tmp_path / 'memory.max', tmp_path / 'none'))
    assert machine_memory() == 123456789
    (tmp_path / 'memory.max').write_text('max\n')
    assert machine_memory() > 123456789


def test_pillows_limit_rules_nothing_here_and_is_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 50)
    (tmp_path / 'a.png').write_bytes(png(19, 13))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert read_picture(tmp_path / 'a.png').image.shape == (13, 19, 3)
    assert Image.MAX_IMAGE_PIXELS == 50
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with pillow_limit_lifted():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(10)
    with pillow_limit_lifted():
        leave.set()
        thread.join()
        assert Image.MAX_IMAGE_PIXELS is None
    assert Image.MAX_IMAGE_PIXELS == 50


@pytest.mark.parametrize('suffix', ['.png', '.jpg', '.tif', '.webp', '.npy'])
def test_no_pixel_is_decoded_ahead_of_the_check(tmp_path, monkeypatch, suffix):
    path = tmp_path / f'a{suffix}'
    image = np.zeros((13, 19, 3), np.uint8)
    np.save(path, image) if suffix == '.npy' else Image.fromarray(image).save(path)
    monkeypatch.setattr(Image.Image, 'load', lambda self: pytest.fail('decoded'))
    monkeypatch.setattr('isalux_mm.io.decoding.read_deep_tiff', lambda *a: pytest.fail('decoded'))
    with pytest.raises(PictureTooLargeError):
        read_picture(path, limits=PictureLimits(pixels=5))
