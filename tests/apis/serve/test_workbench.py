"""What the page does, without the page: what it takes, refuses, shows and says."""
import io

import numpy as np
import pytest
import tifffile
from dark_pictures import DARK, PROFILE, save, save_deep
from PIL import Image

from isalux_mm.apis import EnhanceInferencer, Tone
from isalux_mm.apis.serve import Limits, RefusedError, Wish, Workbench, workbench
from isalux_mm.apis.serve.workbench import check_upload
from isalux_mm.io.picture_file import read_picture


@pytest.mark.parametrize('name', ['max_pixels', 'max_mb', 'queue_size', 'max_total_mb', 'keep_minutes',
                                  'upload_seconds'])
def test_limits_are_at_least_one(name):
    with pytest.raises(ValueError, match=f'{name} must be at least 1, got 0'):
        Limits(**{name: 0})


def test_the_result_is_that_of_the_inferencer(bench, tiny, tmp_path):
    path = save_deep(tmp_path / 'deep.png')
    wished = dict(strength=0.7, reference_brightness=0.4, highlights='clip')
    shown = bench.enhance(path, Wish(Tone(**wished)))
    tiny(path, out=tmp_path / 'expected.png', **wished)
    found, expected = read_picture(shown.download), read_picture(tmp_path / 'expected.png')
    np.testing.assert_array_equal(found.image, expected.image)
    np.testing.assert_array_equal(found.alpha, expected.alpha)
    assert (found.depth, found.icc, shown.download.name) == ('uint16', PROFILE, 'deep_enhanced.png')
    assert '168 x 120' in shown.note


def test_previews_are_upright_and_small_and_carry_the_profile_alone(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(workbench, 'PREVIEW_PIXELS', 5_000)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, 'Maker'
    shown = bench.enhance(save(tmp_path / 'turned.jpg', exif=exif, icc_profile=PROFILE))
    for path in (shown.before, shown.after):
        with Image.open(path) as preview:
            assert preview.format == 'JPEG' and not preview.getexif() and preview.info['icc_profile'] == PROFILE
            assert preview.height > preview.width and 4_500 < preview.height * preview.width <= 5_000
    with Image.open(shown.download) as result:
        assert result.size == (168, 120) and result.getexif()[0x0112] == 6 and result.getexif()[0x010F] == 'Maker'


def test_the_tile_is_handed_on(bench, tmp_path, monkeypatch):
    path, asked, with_tile = save(tmp_path / 'a.png'), [], EnhanceInferencer.with_tile
    monkeypatch.setattr(EnhanceInferencer, 'with_tile', lambda self, tile: asked.append(tile) or with_tile(self, tile))
    whole, tiled = (read_picture(bench.enhance(path, Wish(tile=tile)).download).image for tile in (0, 64))
    assert asked == [0, 64] and bench.inferencer.tile is None
    np.testing.assert_allclose(tiled, whole, atol=1.5 / 255)


def test_the_mode_is_handed_on(bench, tiny, tmp_path):
    path = save(tmp_path / 'a.png')
    full, fast, own = (read_picture(bench.enhance(path, Wish(mode=mode)).download).samples()
                       for mode in ('full', 'fast', None))
    np.testing.assert_array_equal(fast, tiny.with_mode('fast')(path)['predictions'][0])
    np.testing.assert_array_equal(own, full)
    assert (fast != full).any() and bench.inferencer.mode == 'full'


def test_an_explanation_is_drawn(bench, tmp_path):
    drawing = read_picture(bench.explain(save(tmp_path / 'a.jpg'))).image
    assert drawing.shape[0] > 200 and drawing.std() > 0.05


@pytest.mark.parametrize('samples', [DARK, DARK[..., 0]], ids=['color', 'gray'])
def test_boxes_on_both_previews(samples, tiny, tmp_path):
    def overlay(image):
        drawn = image.copy()
        drawn[:5, :5] = (255, 0, 0)
        return drawn, round(image.mean())

    bench = Workbench(tiny, tmp_path, overlay=overlay)
    shown = bench.enhance(save(tmp_path / 'a.png', samples))
    before, after, note = bench.detect(shown)
    means = [round(255 * float(read_picture(path).image.mean())) for path in (shown.before, shown.after)]
    assert note == f'Objects found: {means[0]} before, {means[1]} after.' and means[0] != means[1]
    for path in (before, after):
        assert (read_picture(path).samples()[:5, :5] == (255, 0, 0)).all()
    assert bench.detect(shown) == (before, after, note)  # asked for again


@pytest.mark.parametrize('size', [(1, 70_000), (70_000, 1)])
def test_what_no_jpeg_holds_is_shown_reduced(size, tiny, tmp_path):
    """JPEG ends at 65,500 pixels a side; the download has them all."""
    bench = Workbench(tiny, tmp_path)
    shown = bench.enhance(save(tmp_path / 'thin.png', np.full((*size, 3), 30, np.uint8)))
    assert read_picture(shown.download).image.shape[:2] == size
    side = workbench.PREVIEW_SIDE
    for path in (shown.before, shown.after):
        assert read_picture(path).image.shape[:2] == tuple(min(length, side) for length in size)
    assert 'Shown reduced to' in shown.text and 'the download has all pixels' in shown.text
    assert bench.explain(tmp_path / 'thin.png').is_file()


def animated(path):
    frames = [Image.fromarray(DARK + i) for i in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    return path


@pytest.mark.parametrize(('name', 'make', 'sentences'), [
    ('a.png', save, []),
    ('a.jpg', save, ['The JPEG was compressed anew (quality 95).']),
    ('a.png', save_deep, ['Shown with 8 bits; the download keeps its depth.',
                          'Shown without transparency; the download keeps it.']),
    ('a.jpg', lambda path: Image.fromarray(DARK).convert('CMYK').save(path) or path,
     ['CMYK became RGB.', 'The JPEG was compressed anew (quality 95).']),
    ('a.webp', animated, ['Without all frames but the first.', 'The WEBP was compressed anew (quality 95).']),
])
def test_what_is_lost_is_said(bench, tmp_path, name, make, sentences):
    assert list(bench.enhance(make(tmp_path / name)).losses) == sentences


def test_other_models_are_built_when_asked_for_and_once(tiny, tmp_path):
    built = []
    bench = Workbench(tiny, tmp_path, models={'other': lambda: built.append(1) or tiny})
    path = save(tmp_path / 'a.png')
    assert not built
    for _ in range(2):
        bench.enhance(path, Wish(model='other'))
    assert built == [1]
    with pytest.raises(RefusedError, match='There is no model nothing'):
        bench.enhance(path, Wish(model='nothing'))


def test_no_detector_is_said(bench, tmp_path):
    with pytest.raises(RefusedError, match='without a detector'):
        bench.detect(bench.enhance(save(tmp_path / 'a.png')))


def bomb(path):
    """A PNG whose header claims 30000 x 30000 pixels."""
    stream = io.BytesIO()
    Image.fromarray(DARK).save(stream, 'PNG')
    content = bytearray(stream.getvalue())
    content[16:24] = (30_000).to_bytes(4, 'big') * 2
    from zlib import crc32
    content[29:33] = crc32(bytes(content[12:29])).to_bytes(4, 'big')
    path.write_bytes(content)
    return path


def float_tiff(path):
    tifffile.imwrite(path, np.zeros((200, 300, 3), np.float32), compression='zlib', photometric='rgb')
    return path


def large_file(path):
    save(path)
    with open(path, 'ab') as file:
        file.truncate(2**20 + 1)
    return path


@pytest.mark.parametrize(('name', 'make', 'reason'), [
    ('a.png', lambda path: save(path, np.zeros((200, 300, 3), np.uint8)),
     r'300 x 200 pixels \(0.06 megapixels\); up to 0.03 megapixels'),
    ('a.tif', float_tiff, '300 x 200 pixels'),
    ('a.png', bomb, r'too large \(30000 x 30000 pixels, .*\); up to 0.03 megapixels'),
    ('a.png', large_file, '1.0 MiB; up to 1 are taken'),
    ('a.png', lambda path: path.write_text('no picture') and path, 'a.png is no readable picture'),
    ('a.tif', lambda path: path.write_text('no picture') and path, 'a.tif is no readable picture'),
    ('a.png', lambda path: path.write_bytes(b'') or path, 'no readable picture'),
    ('a.npy', lambda path: np.save(path, DARK) or path, 'a.npy is no picture that the page takes: .png'),
], ids=['pixels', 'float TIFF', 'bomb', 'bytes', 'text', 'text as TIFF', 'empty', 'array'])
def test_what_is_refused_is_not_decoded(name, make, reason, tmp_path, monkeypatch):
    path = make(tmp_path / name)
    Image.init()  # loads plugins, of which one makes a picture
    monkeypatch.setattr(Image.Image, 'load', lambda *_: pytest.fail('decoded'))
    monkeypatch.setattr(tifffile.TiffPage, 'asarray', lambda *_, **__: pytest.fail('decoded'))
    with pytest.raises(RefusedError, match=reason) as caught:
        check_upload(path, Limits(max_pixels=30_000, max_mb=1))
    assert str(tmp_path) not in str(caught.value)


def test_a_cut_off_picture_is_refused_by_all(bench, tmp_path):
    path = save(tmp_path / 'cut.jpg')
    path.write_bytes(path.read_bytes()[:-300])
    for work in (bench.enhance, bench.explain):
        with pytest.raises(RefusedError, match='cut.jpg') as caught:
            work(path)
        assert str(tmp_path) not in str(caught.value)
    with pytest.raises(RefusedError, match='Choose a picture first'):
        bench.enhance(None)


def test_what_has_been_removed_is_said(tiny, tmp_path):
    bench, path = Workbench(tiny, tmp_path, overlay=lambda image: (image, 0)), save(tmp_path / 'a.png')
    shown = bench.enhance(path)
    path.unlink()
    shown.before.unlink()
    with pytest.raises(RefusedError, match='a.png is no longer here: upload it again'):
        bench.enhance(path)
    with pytest.raises(RefusedError, match='no longer here: enhance the picture again'):
        bench.detect(shown)
