"""Inputs in every form become sources with the right names."""
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from isalux_mm.apis.sources import from_memory, gather

COLORS = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    for name in ('a.jpg', 'sub/b.PNG', 'sub/deep/c.tif', 'out/a.jpg', 'notes.txt', '.hidden.png'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(COLORS).save(tmp_path / name, format='PNG')
    return tmp_path


def names(sources):
    return [source.name.as_posix() for source in sources]


def test_folders_keep_their_structure_and_leave_the_results_out(folder):
    assert names(gather(folder, leave_out=folder / 'out')) == ['a.jpg', 'sub/b.PNG', 'sub/deep/c.tif']
    assert names(gather(str(folder), recursive=False)) == ['a.jpg']


def test_a_folder_of_inputs_within_the_folder_of_results_is_read(folder):
    assert names(gather(folder / 'sub', leave_out=folder)) == ['b.PNG', 'deep/c.tif']


def test_patterns_keep_what_lies_below_their_fixed_part(folder):
    assert names(gather(str(folder / 'sub/**/*'))) == ['b.PNG', 'deep/c.tif']
    assert names(gather(str(folder / '*'))) == ['a.jpg']
    assert names(gather(str(folder / '**/*.jpg'), leave_out=folder / 'out')) == ['a.jpg']


def test_brackets_in_a_file_name_are_no_pattern(folder):
    (folder / 'a.jpg').rename(folder / 'a[1].jpg')
    assert names(gather(folder / 'a[1].jpg')) == ['a[1].jpg']


def test_files_of_one_name_keep_their_folders(folder):
    found = gather([folder / 'a.jpg', folder / 'out/a.jpg', folder / 'sub/b.PNG', folder / 'a.jpg'])
    assert names(found) == ['a.jpg', 'out/a.jpg', 'sub/b.PNG']
    two = gather([folder / 'out', folder / 'sub', folder / 'out/a.jpg'])
    assert names(two) == ['a.jpg', 'b.PNG', 'deep/c.tif']


@pytest.mark.parametrize(('files', 'results'), [
    (('a.heic', 'b.jpg'), ('a.jpg', 'b.jpg')),
    (('a.heic', 'a.jpg'), ('a.heic.jpg', 'a.jpg')),  # as telephones lay them side by side
    (('a.heic', 'a.HEIF'), ('a.HEIF.jpg', 'a.heic.jpg')),
    (('a.dng', 'a.TIF'), ('a.TIF', 'a.dng.tif')),
    (('sub/a.heic', 'sub/a.jpg'), ('sub/a.heic.jpg', 'sub/a.jpg')),
])
def test_results_of_other_formats_meet_no_other(tmp_path, files, results):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b'x')
    assert names(gather(tmp_path)) == list(results)


def test_missing_files_stay_to_be_reported(folder):
    source, = gather(folder / 'none.jpg')
    assert source.content == folder / 'none.jpg'


@pytest.mark.parametrize('dtype', ['uint8', 'uint16', 'float32', 'float64'])
@pytest.mark.parametrize('channels', [0, 1, 3, 4])
def test_arrays(dtype, channels):
    scale = dict(uint8=1, uint16=257).get(dtype, 1 / 255)
    samples = (np.dstack([COLORS, COLORS[..., 0]]).astype(float) * scale).astype(dtype)
    samples = samples[..., 0] if channels == 0 else samples[..., :channels]
    picture = from_memory(samples)
    expected = COLORS if channels > 1 else np.repeat(COLORS[..., :1], 3, 2)
    np.testing.assert_allclose(picture.image * 255, expected, atol=1e-3)
    assert (picture.alpha is not None) == (channels == 4)
    assert picture.depth == (dtype if 'uint' in dtype else 'float32')


@pytest.mark.parametrize('make', [
    lambda: COLORS[..., ::-1].copy(),
    lambda: torch.from_numpy(COLORS[..., ::-1].copy()).permute(2, 0, 1),
    lambda: torch.from_numpy(COLORS[..., ::-1].copy()).permute(2, 0, 1).half() / 255,
])
def test_bgr_arrays_and_tensors(make):
    picture = from_memory(make(), 'bgr')
    np.testing.assert_allclose(picture.image * 255, COLORS, atol=0.2)


@pytest.mark.parametrize('mode', ['L', 'RGB', 'RGBA', 'P', 'CMYK', '1'])
def test_pil_images_are_turned_upright(mode):
    image = Image.fromarray(COLORS).convert(mode)
    image.getexif()[0x0112] = 6
    picture = from_memory(image)
    np.testing.assert_allclose(picture.image * 255, np.rot90(np.asarray(image.convert('RGB')), -1), atol=1e-3)


def test_a_batch_tensor_is_a_list_of_pictures():
    assert names(gather(torch.rand(2, 3, 4, 5))) == ['00000000.png', '00000001.png']
    assert names(gather([COLORS, torch.rand(2, 3, 4, 5)])) == ['00000000.png', '00000001.png', '00000002.png']


@pytest.mark.parametrize(('inputs', 'error', 'message'), [
    ([], ValueError, 'found none in nothing'),
    (3, TypeError, 'inputs must be paths, arrays .* got int'),
    ([None], TypeError, 'got NoneType'),
])
def test_no_inputs(inputs, error, message):
    with pytest.raises(error, match=message):
        gather(inputs)


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match=f'found none in {tmp_path}'):
        gather(tmp_path)


@pytest.mark.parametrize(('content', 'message'), [
    (np.full((2, 2, 3), 255.0), r'lie in \[0, 1\], got 255 to 255'),
    (np.full((2, 2, 3), np.nan), 'must be finite'),
    (np.zeros((2, 2, 3), np.int32), 'a picture must be'),
    (torch.zeros(2, 3, 4, 5), 'a picture must be'),
])
def test_wrong_arrays(content, message):
    with pytest.raises(ValueError, match=message):
        from_memory(content)


def test_home_is_known(monkeypatch, folder):
    monkeypatch.setenv('HOME', str(folder))
    assert gather('~/a.jpg')[0].content == Path(folder / 'a.jpg')


@pytest.mark.parametrize('inputs', ['', ['a.png', '']])
def test_an_empty_path_is_not_the_current_folder(folder, monkeypatch, inputs):
    monkeypatch.chdir(folder)
    with pytest.raises(ValueError, match='inputs must be no empty path'):
        gather(inputs)
