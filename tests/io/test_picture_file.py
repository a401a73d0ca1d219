"""Picture files: what they carry survives reading and writing."""
import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from isalux_mm.io.images import list_images
from isalux_mm.io.picture_file import (
    ImageReadError,
    Picture,
    picture_of,
    read_picture,
    read_size,
    to_stored,
    to_upright,
    write_picture,
)

RNG = np.random.default_rng(0)
COLORS = cv2.resize(RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8), (53, 37))  # smooth
DEEP = RNG.integers(0, 65536, (37, 53, 4), dtype=np.uint16)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
LOSSLESS = ['.png', '.tif']


def exif_of(orientation=1, **texts):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[271] = texts.get('make', 'Maker')
    exif.get_ifd(0x8825)[1] = 'N'  # GPS: latitude reference
    return exif


@pytest.mark.parametrize('orientation', range(1, 9))
def test_turning_is_pillows_and_can_be_undone(orientation):
    picture = Image.fromarray(COLORS)
    picture.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(picture))
    np.testing.assert_array_equal(to_upright(COLORS, orientation), expected)
    np.testing.assert_array_equal(to_stored(expected, orientation), COLORS)


@pytest.mark.parametrize('orientation', [1, 3, 6, 7])
@pytest.mark.parametrize('suffix', ['.png', '.tif', '.jpg', '.webp'])
def test_orientation_exif_profile_and_resolution_survive(tmp_path, suffix, orientation):
    source, result = tmp_path / f'a{suffix}', tmp_path / 'out' / f'a{suffix}'
    options = {} if suffix != '.webp' else dict(lossless=True)
    exif = exif_of(orientation).tobytes()
    Image.fromarray(COLORS).save(source, exif=exif, icc_profile=PROFILE, dpi=(300, 300), **options)
    picture = read_picture(source)
    with Image.open(source) as file:
        seen = np.asarray(ImageOps.exif_transpose(file))
    np.testing.assert_allclose(picture.image * 255, seen, atol=1e-3)
    assert read_size(source) == seen.shape[:2]
    write_picture(result, picture)
    with Image.open(result) as file:
        exif = file.getexif()
        assert (exif[0x0112], exif[271]) == (orientation, 'Maker')
        assert suffix == '.tif' or exif.get_ifd(0x8825)[1] == 'N'  # TIFFs keep texts alone
        assert file.info['icc_profile'] == PROFILE
        assert suffix == '.webp' or file.info['dpi'] == pytest.approx((300, 300), abs=0.1)  # WebP has no resolution
        again = np.asarray(ImageOps.exif_transpose(file)).astype(int)
    assert np.abs(again - seen).mean() < (1e-9 if suffix in LOSSLESS else 3)


def test_the_old_thumbnail_is_left_out(tmp_path):
    exif = exif_of()
    blob = exif.tobytes()
    Image.fromarray(COLORS).save(tmp_path / 'a.jpg', exif=blob)
    write_picture(tmp_path / 'b.jpg', read_picture(tmp_path / 'a.jpg'))
    with Image.open(tmp_path / 'b.jpg') as file:
        assert not file.getexif().get_ifd(1)


@pytest.mark.parametrize('orientation', [1, 3, 6])
@pytest.mark.parametrize('channels', [1, 3, 4])
@pytest.mark.parametrize('suffix', ['.png', '.tif'])
def test_16_bits_survive(tmp_path, suffix, channels, orientation):
    source, result = tmp_path / f'a{suffix}', tmp_path / 'out' / f'a{suffix}'
    samples = DEEP[..., 0] if channels == 1 else DEEP[..., :channels]
    picture = Picture(*[getattr(picture_of(to_upright(samples, orientation)), f) for f in ('image', 'alpha', 'depth',
                                                                                         'gray')],
                      orientation=orientation, exif=exif_of(orientation).tobytes(), icc=PROFILE, dpi=(300.0, 300.0))
    write_picture(source, picture)
    stored = tifffile.imread(source) if suffix == '.tif' else cv2.imread(str(source), cv2.IMREAD_UNCHANGED)
    if suffix == '.png' and channels > 1:
        stored = stored[..., [2, 1, 0, 3][:channels]]
    assert stored.dtype == np.uint16
    assert np.abs(stored.astype(int) - samples).max() <= (1 if channels == 1 else 0)  # luma of equal channels rounds
    again = read_picture(source)
    np.testing.assert_allclose(again.image, picture.image, atol=1.01 / 65535)
    assert (again.depth, again.gray, again.orientation, again.icc) == ('uint16', channels == 1, orientation, PROFILE)
    assert again.dpi == pytest.approx((300, 300), abs=0.1)
    write_picture(result, again)
    assert read_picture(result).samples().tolist() == again.samples().tolist()
    assert read_size(source) == again.image.shape[:2]


@pytest.mark.parametrize(('suffix', 'mode'), [
    ('.png', 'LA'), ('.png', 'RGBA'), ('.png', 'PA'), ('.tif', 'LA'), ('.tif', 'RGBA'), ('.webp', 'RGBA')])
def test_alpha_survives(tmp_path, suffix, mode):
    alpha = RNG.integers(1, 256, COLORS.shape[:2], dtype=np.uint8)
    picture = Image.fromarray(np.dstack([COLORS, alpha]))
    if mode == 'PA':
        picture = Image.fromarray(COLORS).convert('P')
        picture.save(tmp_path / 'a.png', transparency=3)
        alpha = np.where(np.asarray(picture) == 3, 0, 255)
    else:
        picture.convert(mode).save(tmp_path / f'a{suffix}', **(dict(lossless=True) if suffix == '.webp' else {}))
    read = read_picture(tmp_path / f'a{suffix}')
    np.testing.assert_allclose(read.alpha * 255, alpha, atol=1e-3)
    write_picture(tmp_path / f'b{suffix}', read)
    with Image.open(tmp_path / f'b{suffix}') as file:
        np.testing.assert_array_equal(np.asarray(file.convert('RGBA'))[..., 3], alpha)
    write_picture(tmp_path / 'b.jpg', read)  # which holds none
    assert read_picture(tmp_path / 'b.jpg').alpha is None


def test_gray_stays_gray_with_its_luma(tmp_path):
    Image.fromarray(COLORS[..., 0]).save(tmp_path / 'a.png')
    read = read_picture(tmp_path / 'a.png')
    enhanced = read.with_image(np.broadcast_to(np.float32([0.5, 0.25, 1.0]), read.image.shape))
    write_picture(tmp_path / 'b.png', enhanced)
    with Image.open(tmp_path / 'b.png') as file:
        assert file.mode == 'L'
        assert set(np.unique(file).tolist()) == {round((0.299 * 0.5 + 0.587 * 0.25 + 0.114) * 255)}  # BT.601


def test_float_tiff_survives(tmp_path):
    samples = RNG.random((5, 7, 3), dtype=np.float32)
    tifffile.imwrite(tmp_path / 'a.tif', samples, photometric='rgb')
    write_picture(tmp_path / 'b.tif', read_picture(tmp_path / 'a.tif'))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / 'b.tif'), samples)


@pytest.mark.parametrize('dtype', ['uint8', 'uint16', 'float32'])
def test_arrays_survive(tmp_path, dtype):
    samples = (RNG.random((5, 7, 3)) * dict(uint8=255, uint16=65535, float32=1)[dtype]).astype(dtype)
    np.save(tmp_path / 'a.npy', samples)
    write_picture(tmp_path / 'b.npy', read_picture(tmp_path / 'a.npy'))
    np.testing.assert_array_equal(np.load(tmp_path / 'b.npy'), samples)


def test_lzw_tiff_and_inverted_gray(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.tif'), DEEP[..., 2::-1], (cv2.IMWRITE_TIFF_COMPRESSION, 5))  # LZW: not tifffile's
    np.testing.assert_array_equal(read_picture(tmp_path / 'a.tif').samples(), DEEP[..., :3])
    tifffile.imwrite(tmp_path / 'b.tif', DEEP[..., 0], photometric='miniswhite')
    np.testing.assert_allclose(read_picture(tmp_path / 'b.tif').image[..., 0], 1 - DEEP[..., 0] / 65535, atol=1e-6)


def test_cmyk_becomes_srgb_without_its_profile(tmp_path):
    Image.fromarray(COLORS).convert('CMYK').save(tmp_path / 'a.jpg', icc_profile=b'no profile at all')
    read = read_picture(tmp_path / 'a.jpg')
    assert read.icc is None
    with Image.open(tmp_path / 'a.jpg') as file:
        np.testing.assert_allclose(read.image * 255, np.asarray(file.convert('RGB')), atol=1e-3)


def huge(path):
    header = b'\x00\x00\xff\xff\x00\x00\xff\xff\x08\x02\x00\x00\x00'
    with open(path, 'wb') as file:
        file.write(b'\x89PNG\r\n\x1a\n')
        PngImagePlugin.putchunk(file, b'IHDR', header)
        PngImagePlugin.putchunk(file, b'IDAT', b'')
        PngImagePlugin.putchunk(file, b'IEND', b'')


def test_broken_files_are_named(tmp_path):
    huge(tmp_path / 'huge.png')
    (tmp_path / 'folder.png').mkdir()
    (tmp_path / 'dead.png').symlink_to(tmp_path / 'nowhere')
    too_large = '4,295 megapixels; 250 are taken .ISALUX_MAX_PIXELS'
    for name, reason in (('huge.png', too_large), ('folder.png', 'not a regular file'), ('dead.png', 'no such')):
        with pytest.raises(ImageReadError, match=f'{name}: .*{reason}'):
            read_picture(tmp_path / name)


@pytest.mark.parametrize('samples', [np.zeros((2, 2, 5), np.uint8), np.zeros((2, 2), np.int64), np.zeros(3, np.uint8)])
def test_no_picture(samples):
    with pytest.raises(ValueError, match='a picture must be'):
        picture_of(samples)


def test_unknown_suffix_leaves_nothing_behind(tmp_path):
    with pytest.raises(ValueError, match=r"known picture format.*'\.xyz'"):
        write_picture(tmp_path / 'a.xyz', picture_of(COLORS))
    assert not list(tmp_path.iterdir())


def test_links_that_lead_back_end(tmp_path):
    (tmp_path / 'set').mkdir()
    Image.fromarray(COLORS).save(tmp_path / 'set' / 'a.png')
    (tmp_path / 'set' / 'back').symlink_to(tmp_path / 'set')
    assert [p.name for p in list_images(tmp_path)] == ['a.png']


@pytest.mark.parametrize('suffix', ['.png', '.jpg', '.tif', '.npy'])
def test_what_is_not_finite_or_there_is_not_written(tmp_path, suffix):
    path, image = tmp_path / f'a{suffix}', np.full((5, 7, 3), 0.5, np.float32)
    for bad in (np.nan, np.inf):
        spoilt = image.copy()
        spoilt[1, 2, 0] = bad
        with pytest.raises(ValueError, match='a picture must be finite to be written'):
            write_picture(path, Picture(spoilt))
    write_picture(path, Picture(image))
    with pytest.raises(FileExistsError):
        write_picture(path, Picture(image * 0))
    assert read_picture(path).image.max() > 0.4
    write_picture(path, Picture(image * 0), overwrite=True)
    assert read_picture(path).image.max() < 0.1
