"""What a picture carries: kept by format, or named as lost; metadata never stops pixels."""
import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from picture_parts import BLOCKS, COLORS, base, chunk, exif, png, saved, webp_with, with_segment
from PIL import Image, ImageCms, PngImagePlugin

from isalux_mm.io.carried import is_lossless_webp
from isalux_mm.io.exif import ExifError, checked_exif, orientation_of, oriented
from isalux_mm.io.picture_file import ImageReadError, read_picture, write_picture

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
IPTC = b'8BIM\x04\x04\x00\x00\x00\x00\x00\x05abcde\x00'
THUMBNAIL = b'8BIM\x04\x0c\x00\x00\x00\x00\x00\x04abcd'
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
MAKER = exif([(0x10f, 2, 6, b'Maker\x00'), (0x112, 3, 1, b'\x06\x00'), (0x8769, 4, 1, struct.pack('<I', 90))],
             more=bytes(80))
BOUNDED = settings(max_examples=150, deadline=None, derandomize=True, database=None,
                   suppress_health_check=[HealthCheck.function_scoped_fixture])


def rich_png():
    pieces = [chunk(b'gAMA', struct.pack('>I', 100000)), chunk(b'cHRM', bytes(range(32))),
              chunk(b'cICP', b'\x09\x10\x00\x01'),
              chunk(b'iCCP', b'icc\x00\x00' + zlib.compress(PROFILE)), chunk(b'eXIf', MAKER),
              chunk(b'iTXt', b'XML:com.adobe.xmp\x00\x00\x00\x00\x00' + XMP), chunk(b'tEXt', b'Author\x00Somebody'),
              chunk(b'zTXt', b'Comment\x00\x00' + zlib.compress(bytes(2 * 2**20)))]
    return png(extra=b''.join(pieces))


def rich_jpeg():
    content = base('.jpg')
    for marker, piece in ((0xFE, b'A comment'), (0xED, b'Photoshop 3.0\x00' + THUMBNAIL + IPTC),
                          (0xE2, b'ICC_PROFILE\x00\x01\x01' + PROFILE),
                          (0xE1, b'http://ns.adobe.com/xap/1.0/\x00' + XMP), (0xE1, b'Exif\x00\x00' + MAKER)):
        content = with_segment(content, marker, piece)
    return content


def rich_tiff():
    out = io.BytesIO()
    tifffile.imwrite(out, COLORS, photometric='rgb', iccprofile=PROFILE, metadata=None, extratags=[
        (700, 1, len(XMP), XMP, True), (34377, 7, len(IPTC), IPTC, True),
        (271, 2, 0, 'Maker', True), (274, 3, 1, 6, True)])
    return out.getvalue()


RICH = {'.png': rich_png, '.jpg': rich_jpeg, '.tif': rich_tiff,
        '.webp': lambda: saved(Image.fromarray(COLORS), 'WEBP', lossless=True, exif=b'Exif\x00\x00' + MAKER, xmp=XMP,
                               icc_profile=PROFILE),
        '.avif': lambda: saved(Image.fromarray(COLORS), 'AVIF', exif=b'Exif\x00\x00' + MAKER, xmp=XMP,
                               icc_profile=PROFILE)}
# what the documentation lists, by source and target
KEPT = {
    ('.png', '.png'): ('exif', 'icc', 'xmp', 'texts', 'color'), ('.png', '.jpg'): ('exif', 'icc', 'xmp'),
    ('.jpg', '.jpg'): ('exif', 'icc', 'xmp', 'iptc', 'comment'), ('.jpg', '.png'): ('exif', 'icc', 'xmp'),
    ('.jpg', '.tif'): ('icc', 'xmp', 'iptc'), ('.tif', '.tif'): ('icc', 'xmp', 'iptc', 'exif'),
    ('.tif', '.jpg'): ('exif', 'icc', 'xmp', 'iptc'), ('.webp', '.webp'): ('exif', 'icc', 'xmp', 'lossless'),
    ('.png', '.webp'): ('exif', 'icc', 'xmp'), ('.avif', '.avif'): ('exif', 'icc', 'xmp'), ('.webp', '.bmp'): (),
    ('.avif', '.jpg'): ('exif', 'icc', 'xmp'),
}
LOST = {
    ('.png', '.png'): (), ('.jpg', '.jpg'): (), ('.webp', '.webp'): (), ('.avif', '.avif'): (), ('.tif', '.tif'): (),
    ('.png', '.jpg'): ('texts', 'gamma and primaries'), ('.jpg', '.png'): ('IPTC', 'the comment'),
    ('.jpg', '.tif'): ('the comment', 'EXIF and GPS beyond its texts'), ('.tif', '.jpg'): (), ('.avif', '.jpg'): (),
    ('.png', '.webp'): ('texts', 'gamma and primaries'), ('.webp', '.bmp'): ('EXIF', 'the colour profile', 'XMP'),
}


@pytest.mark.parametrize(('source', 'target'), KEPT)
def test_what_is_kept_and_what_is_named(tmp_path, source, target):
    (tmp_path / f'a{source}').write_bytes(RICH[source]())
    picture = read_picture(tmp_path / f'a{source}')
    assert picture.orientation == 6 and not picture.lost
    lost = write_picture(tmp_path / f'b{target}', picture)
    again = read_picture(tmp_path / f'b{target}')
    assert again.image.shape == picture.image.shape  # upright, whether the format has an orientation or not
    for name in KEPT[source, target]:
        carried = getattr(picture, name)
        assert carried and (getattr(again, name) == carried or name == 'exif'), name
    if 'exif' in KEPT[source, target]:
        assert again.orientation == 6 and b'Maker' in again.exif
        rewritten = {'.tif', '.avif'} & {source, target}  # by Pillow
        assert rewritten or again.exif == MAKER, 'byte for byte'
    assert lost == LOST[source, target]


def test_a_deep_png_keeps_the_same(tmp_path):
    (tmp_path / 'a.png').write_bytes(rich_png())
    picture = read_picture(tmp_path / 'a.png')
    deep = type(picture)(picture.image, picture.image[..., 0], 'uint16', True, exif=picture.exif, texts=picture.texts)
    assert write_picture(tmp_path / 'b.png', deep) == ()
    again = read_picture(tmp_path / 'b.png')
    assert (again.depth, again.gray, again.texts) == ('uint16', True, picture.texts)
    np.testing.assert_allclose(again.alpha, picture.image[..., 0], atol=1e-5)
    lost = write_picture(tmp_path / 'c.jpg', deep)
    assert lost[-2:] == ('transparency (laid on white)', 'depth (uint16 became uint8)')


def test_thumbnails_are_left_out(tmp_path):
    thumbnail = saved(Image.fromarray(COLORS), 'JPEG')
    block = exif([(0x112, 3, 1, b'\x01\x00')], following=26)
    block += struct.pack('<HHHIIHHIII', 2, 0x201, 4, 1, 56, 0x202, 4, 1, len(thumbnail), 0) + thumbnail
    (tmp_path / 'a.jpg').write_bytes(with_segment(with_segment(
        base('.jpg'), 0xED, b'Photoshop 3.0\x00' + THUMBNAIL), 0xE1, b'Exif\x00\x00' + block))
    assert (tmp_path / 'a.jpg').read_bytes().count(b'\xff\xd8\xff') == 2
    write_picture(tmp_path / 'b.jpg', read_picture(tmp_path / 'a.jpg'))
    content = (tmp_path / 'b.jpg').read_bytes()
    assert content.count(b'\xff\xd8\xff') == 1 and b'8BIM' not in content
    with Image.open(tmp_path / 'b.jpg') as file:
        assert not file.getexif().get_ifd(1) and file.getexif()[0x112] == 1


@pytest.mark.parametrize('name', BLOCKS)
def test_broken_exif_is_kept_or_named_and_the_result_opens(tmp_path, name):
    (tmp_path / 'a.jpg').write_bytes(with_segment(base('.jpg'), 0xE1, b'Exif\x00\x00' + BLOCKS[name]))
    picture = read_picture(tmp_path / 'a.jpg')
    for target in ('b.jpg', 'b.png', 'b.tif', 'b.webp'):
        lost = write_picture(tmp_path / target, picture)
        assert (picture.exif is None) == any(text.startswith('EXIF (') for text in lost)
        assert read_picture(tmp_path / target).image.shape == picture.image.shape


def test_more_than_a_segment_holds_is_named_and_orientation_stays(tmp_path):
    block = exif([(0x112, 3, 1, b'\x06\x00'), (0x10f, 2, 70_000, b'a' * 69_999 + b'\x00')])
    (tmp_path / 'a.png').write_bytes(png(extra=chunk(b'eXIf', block)))
    picture = read_picture(tmp_path / 'a.png')
    assert write_picture(tmp_path / 'b.jpg', picture) == ('EXIF (beyond 64 KiB)', )
    again = read_picture(tmp_path / 'b.jpg')
    assert again.orientation == 6 and again.image.shape == picture.image.shape
    assert write_picture(tmp_path / 'b.png', picture) == () and read_picture(tmp_path / 'b.png').exif == block


def test_a_large_profile_takes_several_segments(tmp_path):
    profile = np.random.default_rng(0).bytes(200_000)
    image = saved(Image.fromarray(COLORS), 'PNG', icc_profile=profile)
    (tmp_path / 'a.png').write_bytes(image)
    write_picture(tmp_path / 'b.jpg', read_picture(tmp_path / 'a.png'))
    assert read_picture(tmp_path / 'b.jpg').icc == profile


def test_text_of_any_size_is_kept_unopened(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text('Comment', 'x' * 3 * 2**20, zip=True)
    Image.fromarray(COLORS).save(tmp_path / 'a.png', pnginfo=info)
    with pytest.raises(ValueError, match='too large'):
        Image.open(tmp_path / 'a.png').load()
    picture = read_picture(tmp_path / 'a.png')
    write_picture(tmp_path / 'b.png', picture)
    assert read_picture(tmp_path / 'b.png').texts == picture.texts


@pytest.mark.parametrize(('lossless', 'exact'), [(True, True), (False, False)])
def test_a_webp_without_loss_stays_one(tmp_path, lossless, exact):
    (tmp_path / 'a.webp').write_bytes(saved(Image.fromarray(COLORS), 'WEBP', lossless=lossless))
    picture = read_picture(tmp_path / 'a.webp')
    write_picture(tmp_path / 'b.webp', picture)
    assert is_lossless_webp((tmp_path / 'b.webp').read_bytes()) == picture.lossless == lossless
    assert (read_picture(tmp_path / 'b.webp').image == picture.image).all() == exact


@pytest.mark.parametrize(('value', 'orientation'), [
    ((3, 1, b'\x06\x00'), 6), ((4, 1, b'\x08\x00\x00\x00'), 8), ((3, 2, b'\x06\x00\x06\x00'), 6),
    ((3, 1, b'\x00\x00'), 1), ((3, 1, b'\x09\x00'), 1), ((2, 2, b'6\x00'), 1), ((5, 1, struct.pack('<2I', 6, 1)), 1)])
def test_orientation_as_readers_take_it(value, orientation):
    assert orientation_of(exif([(0x112, *value)])) == orientation
    turned = oriented(exif([(0x10f, 2, 2, b'a\x00'), (0x112, *value)]), 3)
    assert orientation_of(turned) == 3


@pytest.mark.parametrize('block', [b'', b'II', b'no block at all', b'MM\x00*\x00\x00\x00\x08', BLOCKS['cut']])
def test_no_block(block):
    with pytest.raises(ExifError):
        checked_exif(block)
    assert orientation_of(block) == 1


@BOUNDED
@given(head=st.sampled_from([b'', b'II*\x00\x08\x00\x00\x00', b'MM\x00*\x00\x00\x00\x08']),
       rest=st.binary(max_size=300))
def test_no_exif_stops_a_picture(tmp_path, head, rest):
    block = head + rest
    for name, content in (('a.jpg', with_segment(base('.jpg'), 0xE1, b'Exif\x00\x00' + block)),
                          ('a.png', png(extra=chunk(b'eXIf', block))), ('a.webp', webp_with(b'EXIF', block))):
        (tmp_path / name).write_bytes(content)
        picture = read_picture(tmp_path / name)
        write_picture(tmp_path / f'out_{name}', picture, overwrite=True)
        assert read_picture(tmp_path / f'out_{name}').image.shape == picture.image.shape


@BOUNDED
@given(head=st.binary(min_size=13, max_size=13), kind=st.binary(min_size=4, max_size=4), extra=st.binary(max_size=60))
def test_any_png_header_is_read_or_refused(tmp_path, head, kind, extra):
    content = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(kind, extra) + png()[33:]
    _read_or_refused(tmp_path / 'a.png', content)
    _read_or_refused(tmp_path / 'a.png', png(extra=chunk(kind, extra)))


@BOUNDED
@given(suffix=st.sampled_from(['.jpg', '.tif', '.webp', '.bmp', '.npy', '.avif']), place=st.integers(0, 80),
       change=st.binary(min_size=1, max_size=8), length=st.integers(0, 2000))
def test_any_change_of_a_header_is_read_or_refused(tmp_path, suffix, place, change, length):
    content = base(suffix)
    _read_or_refused(tmp_path / f'a{suffix}', (content[:place] + change + content[place + len(change):])[:length])


def _read_or_refused(path, content):
    path.write_bytes(content)
    try:
        picture = read_picture(path)
    except ImageReadError as error:
        assert str(error).startswith(f'{path}: ')
    else:
        assert np.isfinite(picture.image).all()
