"""Every layout of pixels is read right; what cannot be read is named."""
import cv2
import numpy as np
import pytest
from PIL import Image

from isalux_mm.io.images import check_whole, list_images, read_image, write_image
from isalux_mm.io.picture_file import ImageReadError, read_size

COLORS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
UNCOMPRESSED = (cv2.IMWRITE_TIFF_COMPRESSION, 1)  # OpenCV's default for float is the lossy LogLuv


def save(path, array, mode=None, **options):
    Image.fromarray(array, mode).save(path, **options)
    return path


def test_8_bit_rgb(tmp_path):
    image = read_image(save(tmp_path / 'a.png', COLORS))
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, COLORS / 255, atol=1e-6)


def test_gray_becomes_three_channels(tmp_path):
    image = read_image(save(tmp_path / 'a.png', COLORS[..., 0]))
    np.testing.assert_allclose(image, np.repeat(COLORS[..., :1], 3, 2) / 255, atol=1e-6)


def test_alpha_is_dropped(tmp_path):
    rgba = np.dstack([COLORS, np.full((6, 9), 7, np.uint8)])
    np.testing.assert_allclose(read_image(save(tmp_path / 'a.png', rgba)), COLORS / 255, atol=1e-6)


def test_palette(tmp_path):
    picture = Image.fromarray(COLORS).convert('P')
    picture.save(tmp_path / 'a.png')
    np.testing.assert_allclose(read_image(tmp_path / 'a.png'), np.asarray(picture.convert('RGB')) / 255, atol=1e-6)


@pytest.mark.parametrize('suffix', ['.png', '.tif'])
@pytest.mark.parametrize('channels', [1, 3])
def test_16_bits_keep_their_depth(tmp_path, suffix, channels):
    deep = np.random.default_rng(1).integers(0, 65536, (5, 7, 3), dtype=np.uint16)
    deep = deep if channels == 3 else deep[..., 0]
    cv2.imwrite(str(tmp_path / f'a{suffix}'), deep[..., ::-1] if channels == 3 else deep)
    expected = deep if channels == 3 else np.repeat(deep[..., None], 3, 2)
    np.testing.assert_allclose(read_image(tmp_path / f'a{suffix}'), expected / 65535, atol=1e-6)


def test_exif_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(np.full((4, 8, 3), 128, np.uint8)).save(tmp_path / 'a.jpg', exif=exif)
    assert read_image(tmp_path / 'a.jpg').shape == (8, 4, 3)
    assert read_size(tmp_path / 'a.jpg') == (8, 4)


def test_float_arrays(tmp_path):
    np.save(tmp_path / 'a.npy', COLORS.astype(np.float64) / 255)
    np.testing.assert_allclose(read_image(tmp_path / 'a.npy'), COLORS / 255, atol=1e-6)
    assert read_size(tmp_path / 'a.npy') == (6, 9)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
@pytest.mark.parametrize('order', ['rgb', 'bgr'])
def test_integer_arrays_in_both_orders(tmp_path, dtype, order):
    array = COLORS.astype(dtype) * (257 if dtype == np.uint16 else 1)
    np.save(tmp_path / 'a.npy', array if order == 'rgb' else array[..., ::-1])
    np.testing.assert_allclose(read_image(tmp_path / 'a.npy', array_order=order), COLORS / 255, atol=1e-6)


@pytest.mark.parametrize('mode', ['LA', '1', 'CMYK'])
def test_other_modes(tmp_path, mode):
    picture = Image.fromarray(COLORS).convert(mode)
    name = tmp_path / ('a.tif' if mode == 'CMYK' else 'a.png')
    picture.save(name)
    np.testing.assert_allclose(read_image(name), np.asarray(picture.convert('RGB')) / 255, atol=1e-6)


def test_16_bit_alpha_is_dropped(tmp_path):
    deep = np.random.default_rng(1).integers(0, 65536, (5, 7, 4), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / 'a.png'), deep)
    np.testing.assert_allclose(read_image(tmp_path / 'a.png'), deep[..., 2::-1] / 65535, atol=1e-6)


def test_float_tiff(tmp_path):
    array = np.random.default_rng(1).random((5, 7, 3), dtype=np.float32)
    cv2.imwrite(str(tmp_path / 'a.tif'), array[..., ::-1], UNCOMPRESSED)
    np.testing.assert_allclose(read_image(tmp_path / 'a.tif'), array, atol=1e-6)
    assert read_size(tmp_path / 'a.tif') == (5, 7)


@pytest.mark.parametrize('suffix', ['.png', '.jpg', '.bmp', '.tif', '.webp'])
def test_files_cut_off_are_found_without_their_header_telling(tmp_path, suffix):
    whole, cut = tmp_path / f'whole{suffix}', tmp_path / f'cut{suffix}'
    save(whole, np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    check_whole(whole)
    content = whole.read_bytes()
    cut.write_bytes(content[:len(content) // 2] if suffix != '.tif' else content[:-3000])
    with pytest.raises(ImageReadError, match=f'cut{suffix}: no readable picture'):
        check_whole(cut)


def text(path):
    path.write_text('no picture at all')


def truncated(path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:3000])


def not_finite(path):
    array = np.ones((2, 2, 3))
    array[0, 0, 0] = np.nan
    with open(path, 'wb') as file:
        np.save(file, array)


def not_finite_tiff(path):
    array = np.full((5, 7, 3), 0.5, np.float32)
    array[:2, 0] = np.inf
    cv2.imwrite(str(path), array, UNCOMPRESSED)


@pytest.mark.parametrize('name, make, message', [
    ('a.png', text, 'no readable picture'),
    ('a.png', lambda p: p.write_bytes(b''), 'the file is empty'),
    ('a.png', truncated, 'no readable picture'),
    ('a.npy', not_finite, '1 NaN or infinite values of 12'),
    ('a.npy', lambda p: np.save(p, np.ones(2)), r'must hold \(H, W\) or \(H, W, C\), got shape \(2,\)'),
    ('a.npy', lambda p: np.save(p, np.ones((2, 2, 3), np.int64)), r'a picture must be .* got int64'),
    ('a.npy', lambda p: np.save(p, np.full((2, 2, 3), 255.0)), r'must lie in \[0, 1\], got 255 to 255'),
    ('a.tif', not_finite_tiff, '6 NaN or infinite values of 105'),
    ('a.png', lambda p: None, 'no such file'),
])
def test_unreadable_files_are_named(tmp_path, name, make, message):
    make(tmp_path / name)
    with pytest.raises(ImageReadError, match=f'{name}: .*{message}'):
        read_image(tmp_path / name)


def test_writing_is_whole_or_not_at_all(tmp_path, monkeypatch):
    write_image(tmp_path / 'sub' / 'a.png', COLORS / 255)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / 'sub' / 'a.png')), COLORS)

    def fail(self, file, **options):
        file.write(b'half')
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, 'save', fail)
    with pytest.raises(KeyboardInterrupt):
        write_image(tmp_path / 'b.png', COLORS / 255)
    assert [p.name for p in tmp_path.iterdir()] == ['sub']


def test_listing_follows_links_and_skips_hidden_files(tmp_path):
    (tmp_path / 'real').mkdir()
    (tmp_path / 'set').mkdir()
    save(tmp_path / 'real' / 'b.png', COLORS)
    save(tmp_path / 'set' / 'a.PNG', COLORS)
    save(tmp_path / 'set' / '.hidden.png', COLORS)
    (tmp_path / 'set' / 'linked').symlink_to(tmp_path / 'real')
    assert [p.name for p in list_images(tmp_path / 'set')] == ['a.PNG', 'b.png']
    assert [p.name for p in list_images(tmp_path / 'set', recursive=False)] == ['a.PNG']
