"""Formats: one table, told by content, HEIC, AVIF, JPEG XL and camera raw where their packages are."""
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from picture_parts import COLORS, base, in_mode, saved
from PIL import Image

from isalux_mm.io import plugins
from isalux_mm.io.formats import BY_SUFFIX, FORMATS, IMAGE_SUFFIXES, SUFFIXES, WRITTEN_SUFFIXES, format_of, result_name
from isalux_mm.io.images import list_images
from isalux_mm.io.picture_file import (
    ImageReadError,
    picture_of,
    picture_of_pil,
    read_picture,
    read_size,
    write_picture,
)

SMOOTH = np.asarray(Image.fromarray(COLORS).resize((64, 48), Image.Resampling.BICUBIC))
ORIENTED = Image.Exif()
ORIENTED[0x0112] = 6
HEIF_HEAD = b'\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic' + bytes(40)
CFA, DNG_MODEL, DNG_VERSION, DNG_WHITE, DNG_MATRIX, DNG_NEUTRAL = 32803, 50708, 50706, 50717, 50721, 50728
ASCII, BYTE, SHORT, LONG, RATIONAL, SRATIONAL = 2, 1, 3, 4, 5, 10


def test_the_table_names_every_suffix_once():
    listed = [suffix for one in FORMATS for suffix in one.suffixes]
    assert len(listed) == len(set(listed)) == len(BY_SUFFIX) == len(SUFFIXES) == len(IMAGE_SUFFIXES) + 1
    assert all(suffix == suffix.lower() and suffix.startswith('.') for suffix in listed)
    assert all(one.depths or (one.result in WRITTEN_SUFFIXES and one.extra) for one in FORMATS)


@pytest.mark.parametrize(('name', 'result'), [
    ('a.jpg', 'a.jpg'), ('a.JFIF', 'a.JFIF'), ('a/b.HEIC', 'a/b.jpg'), ('a.cr3', 'a.tif'), ('a.jxl', 'a.png'),
    ('a.avif', 'a.avif'), ('a.txt', 'a.txt'), ('a.b.nef', 'a.b.tif')])
def test_names_of_results(name, result):
    assert result_name(Path(name)) == Path(result)


@pytest.mark.parametrize('suffix', ['.jfif', '.jpe', '.jif', '.JPG', '.Tif', '.dib', '.PNG', '.WebP'])
def test_seldom_suffixes_are_read_and_written(tmp_path, suffix):
    kind = format_of(f'a{suffix}').suffixes[0]
    (tmp_path / f'a{suffix}').write_bytes(base(kind))
    picture = read_picture(tmp_path / f'a{suffix}')
    write_picture(tmp_path / f'b{suffix}', picture)
    assert np.abs(read_picture(tmp_path / f'b{suffix}').image - picture.image).mean() < 0.02
    assert len(list_images(tmp_path)) == 2


def heic() -> bytes:
    pillow_heif = pytest.importorskip('pillow_heif', reason='no pillow-heif')
    pillow_heif.register_heif_opener()
    return saved(Image.fromarray(SMOOTH), 'HEIF', quality=95, exif=ORIENTED.tobytes())


def jxl() -> bytes:
    pytest.importorskip('pillow_jxl', reason='no pillow-jxl-plugin')
    return saved(Image.fromarray(SMOOTH), 'JXL', quality=95, exif=ORIENTED.tobytes())


def avif() -> bytes:
    return saved(Image.fromarray(SMOOTH), 'AVIF', quality=95, exif=ORIENTED.tobytes())


@pytest.mark.parametrize('make', [heic, jxl, avif])
@pytest.mark.parametrize('suffix', ['own', '.jpg'])
def test_pictures_of_telephones_are_read_upright_whatever_they_are_called(tmp_path, make, suffix):
    path = tmp_path / ('a' + (f'.{make.__name__}' if suffix == 'own' else suffix))
    path.write_bytes(make())
    picture = read_picture(path)
    upright = np.rot90(SMOOTH, -1) / 255  # orientation 6
    assert picture.image.shape == upright.shape and np.abs(picture.image - upright).mean() < 0.02
    assert read_size(path) == upright.shape[:2]
    write_picture(tmp_path / 'out' / result_name(Path(path.name)), picture)
    again = read_picture(tmp_path / 'out' / result_name(Path(path.name)))
    assert np.abs(again.image - upright).mean() < 0.02


def dng(path, orientation=1):
    """A raw file of 64 x 48 pixels, RGGB, 14 bits, grey but for a red half."""
    mosaic = np.full((48, 64), 3000, np.uint16)
    mosaic[::2, :32:2] = 9000
    matrix = [10000, 10000, 0, 10000, 0, 10000, 0, 10000, 10000, 10000, 0, 10000, 0, 10000, 0, 10000, 10000, 10000]
    tifffile.imwrite(path, mosaic, photometric=CFA, metadata=None, extratags=[
        (274, SHORT, 1, orientation, True), (33421, SHORT, 2, (2, 2), True),
        (33422, BYTE, 4, bytes((0, 1, 1, 2)), True),
        (DNG_VERSION, BYTE, 4, bytes((1, 4, 0, 0)), True), (DNG_MODEL, ASCII, 0, 'Made by a test', True),
        (DNG_WHITE, LONG, 1, 16383, True), (DNG_MATRIX, SRATIONAL, 9, matrix, True),
        (DNG_NEUTRAL, RATIONAL, 3, [1, 1, 1, 1, 1, 1], True)])
    return path


@pytest.mark.parametrize(('orientation', 'shape'), [(1, (48, 64)), (6, (64, 48))])
def test_camera_raw_is_developed_upright_dark_and_in_16_bits(tmp_path, orientation, shape):
    pytest.importorskip('rawpy', reason='no rawpy')
    path = dng(tmp_path / 'a.DNG', orientation)
    picture = read_picture(path)
    assert picture.image.shape[:2] == read_size(path) == shape
    assert picture.depth == 'uint16' and picture.icc and picture.lost == ("the camera's EXIF", )
    upright = picture.image if orientation == 1 else np.rot90(picture.image, 1)
    red, gray = upright[8:40, 8:24].mean((0, 1)), upright[8:40, 40:56].mean((0, 1))
    assert red[0] > red[1] + 0.2 and red[0] > red[2] + 0.2
    # a fifth of full scale is 0.47 in sRGB; the camera's own brightening would make it nearly white
    assert gray.max() - gray.min() < 0.06 and 0.3 < gray.mean() < 0.6
    write_picture(tmp_path / result_name(Path('a.DNG')), picture)
    assert tifffile.imread(tmp_path / 'a.tif').dtype == np.uint16


@pytest.mark.parametrize(('name', 'content', 'module', 'extra'), [
    ('a.heic', HEIF_HEAD, 'pillow_heif', 'heif'), ('a.jpg', HEIF_HEAD, 'pillow_heif', 'heif'),
    ('a.jxl', b'\xff\x0a' + bytes(40), 'pillow_jxl', 'jxl'), ('a.nef', b'II*\x00' + bytes(40), 'rawpy', 'raw')])
def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch, name, content, module, extra):
    plugins._registered.cache_clear()
    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / name).write_bytes(content)
    for read in (read_picture, read_size):
        with pytest.raises(ImageReadError, match=rf"{name}: {module} is needed .*isalux-mm\[{extra}\]"):
            read(tmp_path / name)


@pytest.mark.parametrize('name', ['a.heic', 'a.dng', 'a.jxl', 'a.xyz'])
def test_what_is_read_alone_is_not_written(tmp_path, name):
    with pytest.raises(ValueError, match='known picture format that is written'):
        write_picture(tmp_path / name, picture_of(COLORS))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(('name', 'side'), [('a.webp', 16383), ('a.jpg', 65500)])
def test_a_side_too_long_for_a_format_is_a_sentence(tmp_path, name, side):
    write_picture(tmp_path / name, picture_of(np.zeros((1, side, 3), np.uint8)))
    with pytest.raises(ValueError, match=rf'{name}: a side of .* takes {side:,}; PNG and TIFF take longer ones'):
        write_picture(tmp_path / f'b{name}', picture_of(np.zeros((1, side + 1, 3), np.uint8)))


@pytest.mark.parametrize('suffix', ['.png', '.jpg', '.bmp'])
def test_a_postscript_file_is_never_handed_to_its_interpreter(tmp_path, suffix):
    (tmp_path / f'a{suffix}').write_bytes(b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nquit\n')
    with pytest.raises(ImageReadError, match='no readable picture'):
        read_picture(tmp_path / f'a{suffix}')


def test_modes_are_the_same_by_file_and_in_memory(tmp_path):
    """One reader: what a file gives, its image in memory and its samples give."""
    for mode in ('1', 'L', 'LA', 'P', 'RGB', 'RGBA', 'CMYK', 'I;16', 'I', 'F', 'LAB', 'YCbCr'):
        image = in_mode(mode)
        path = tmp_path / f'{mode.replace(";", "")}.tif'
        image.save(path)
        by_path, in_memory = read_picture(path), picture_of_pil(image)
        np.testing.assert_array_equal(by_path.image, in_memory.image, err_msg=mode)
        assert (by_path.depth, by_path.gray) == (in_memory.depth, in_memory.gray), mode
        assert (by_path.alpha is None) == (in_memory.alpha is None), mode
        np.testing.assert_allclose(picture_of(by_path.samples()).image, by_path.image, atol=1e-7, err_msg=mode)
    values = np.arange(0, 60000, 10000, dtype='>u2').reshape(2, 3)
    big_endian = picture_of_pil(Image.frombytes('I;16B', (3, 2), values.tobytes()))
    np.testing.assert_allclose(big_endian.image[..., 0] * 65535, values, atol=0.01)
    for wrong in (in_mode('L').convert('F'), Image.fromarray(np.full((2, 2), 70000, np.int32))):
        with pytest.raises(ValueError, match='must lie in'):
            picture_of_pil(wrong)
