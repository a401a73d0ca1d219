"""The page: what it takes and refuses; in a real browser: upload, slider, download, wrong files, a full queue."""
import io
import json
import re
import zipfile
from importlib import metadata
from pathlib import Path

import browser
import numpy as np
import pytest
import tifffile
import torch
from mmengine.config import Config
from PIL import Image, ImageCms
from processes import wait_until

from isalux_mm import cli
from isalux_mm.apis import EnhanceInferencer, Tone
from isalux_mm.apis.serve import Limits, RefusedError, Wish, Workbench, workbench
from isalux_mm.apis.serve.events import message, tile_size
from isalux_mm.apis.serve.page import tile_name
from isalux_mm.apis.serve.workbench import check_upload
from isalux_mm.functional.illumination import LUMA_WEIGHTS
from isalux_mm.io.picture_file import Picture, read_picture, write_picture
from isalux_mm.registry import MODELS

BLOCKED = Path(__file__).with_name('blocked_page.py')
BRIGHT = np.kron(np.random.default_rng(0).integers(60, 220, (5, 7, 3), dtype=np.uint8), np.ones((24, 24, 1), np.uint8))
DARK = (BRIGHT * 0.12).astype(np.uint8)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
TINY = dict(model=dict(
    type='LowLightEnhancer',
    network=dict(type='ISALux', embed_dims=(4, 4), depths=(1, 1), num_heads=(1, 1),
                 semantic_prior=dict(type='NoPrior'), attention=dict(type='HISAAttention', lora_reduction=2))))


def save(path, samples=DARK, **options):
    Image.fromarray(samples).save(path, **options)
    return path


def save_deep(path):
    """16 bits, alpha, a profile."""
    generator = np.random.default_rng(1)
    write_picture(path, Picture((DARK / np.float32(255)) * generator.uniform(0.9, 1, DARK.shape).astype(np.float32),
                                generator.random(DARK.shape[:2], dtype=np.float32), 'uint16', icc=PROFILE))
    return path


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    """An inferencer of a tiny network with random weights: fast."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'tiny.pth'
    torch.save(MODELS.build(dict(TINY['model'], _scope_='isalux_mm')).state_dict(), path)
    return EnhanceInferencer(Config(TINY), str(path), device='cpu', show_progress=False)


@pytest.fixture
def bench(tiny, tmp_path):
    (tmp_path / 'work').mkdir()
    return Workbench(tiny, tmp_path / 'work', limits=Limits(max_pixels=30_000, max_mb=1))


# the workbench


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


@pytest.mark.parametrize('tile', [None, 0, 256, 640])
def test_names_of_tiles_lead_back(tile):
    assert tile_size(tile_name(tile)) == tile


def test_messages_show_names_as_text():
    assert message('<img src=x>', problem=True) == '<p role="alert" class="problem">&lt;img src=x&gt;</p>'


@pytest.mark.parametrize('found', [None, '5.49.1'])
def test_without_gradio_the_command_says_what_to_install(found, monkeypatch, capsys):
    def version(name):
        if found is None:
            raise metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(metadata, 'version', version)
    assert cli.main(['serve']) == cli.WRONG_USE
    told = capsys.readouterr().err
    assert "pip install 'isalux-mm[serve]'" in told and (found or 'none') in told


# the page, in a browser


@pytest.fixture(scope='module')
def chromium():
    path = browser.skip_without_browser()
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=list(browser.QUIET))
        yield running
        running.close()


@pytest.fixture(scope='module')
def server(chromium, tmp_path_factory):
    command = ('-m', 'isalux_mm', 'serve', '--device', 'cpu', '--max-megapixels', '0.2', '--max-mb', '1')
    running = browser.Server(tmp_path_factory.mktemp('server'), *command)
    yield running
    running.stop()


@pytest.fixture
def visit(chromium, server):
    page = chromium.new_page(viewport=dict(width=1100, height=900))
    page.set_default_timeout(browser.TIMEOUT)
    found = browser.Visit(page)
    page.goto(server.address)
    page.wait_for_selector('#upload input[type=file]', state='attached')
    yield found
    page.close()
    assert not found.complaints() and not found.strangers() and len(found.requests) > 10


def strip(page, place):
    """Mean grey level of a narrow strip of the slider's picture at a share of its width, as it is seen."""
    box = page.locator('#compare img').first.bounding_box()
    shot = page.screenshot(clip=dict(x=box['x'] + place * box['width'] - 3, y=box['y'] + box['height'] * 0.2,
                                     width=6, height=box['height'] * 0.2))
    return np.asarray(Image.open(io.BytesIO(shot)).convert('L')).mean()


def still(locator):
    """Its box, as soon as two looks find it at the same place."""
    boxes = [None]

    def stands():
        boxes.append(locator.bounding_box())
        return boxes[-1] and boxes[-1] == boxes[-2]

    wait_until(stands)
    return boxes[-1]


def downloaded(page, folder):
    with page.expect_download() as coming:
        page.click('#download')
    path = folder / coming.value.suggested_filename
    coming.value.save_as(path)
    return path


def test_upload_slider_keys_and_download(visit, tmp_path):
    page, path = visit.page, save(tmp_path / 'dark.png')

    def place() -> float:
        return float(handle.get_attribute('aria-valuenow'))

    assert page.locator('#download').is_disabled()
    assert visit.upload(path) == 'dark.png, 168 x 120 pixels: done.'
    page.wait_for_selector('#compare [role=slider]')
    wait_until(lambda: page.locator('#compare img').evaluate_all(
        'images => images.length && images.every(i => i.complete && i.naturalWidth)'))
    handle = page.locator('#compare [role=slider]')
    box, picture = still(handle), still(page.locator('#compare img').first)
    assert page.locator('#compare img').evaluate_all('images => images.map(i => i.alt)') == ['before', 'after']
    wait_until(lambda: strip(page, 0.35) < 40 and strip(page, 0.65) > 60)
    page.mouse.move(box['x'] + box['width'] / 2, box['y'] + box['height'] / 2)
    page.mouse.down()
    page.mouse.move(picture['x'] + 0.2 * picture['width'], box['y'] + box['height'] / 2, steps=5)
    page.mouse.up()
    wait_until(lambda: strip(page, 0.35) > 60 and strip(page, 0.1) < 40)
    wait_until(lambda: place() == pytest.approx(20, abs=3))
    before = place()
    handle.focus()
    for step in range(1, 9):
        page.keyboard.press('ArrowRight')
        wait_until(lambda end=before + 5 * step: place() == pytest.approx(end, abs=2))
    wait_until(lambda: strip(page, 0.35) < 40)
    result = downloaded(page, tmp_path)
    expected = EnhanceInferencer(device='cpu', show_progress=False)(path)['predictions'][0].astype(int)
    found = np.asarray(Image.open(result)).astype(int)
    assert result.name == 'dark_enhanced.png' and np.abs(found - expected).max() <= 1
    assert found.mean() > 2 * DARK.mean()


def test_strength_and_priors(visit, tmp_path):
    page = visit.page
    page.get_by_label('number input for Strength').fill('0')
    page.get_by_label('number input for Strength').press('Enter')
    visit.upload(save(tmp_path / 'dark.png'))
    np.testing.assert_allclose(np.asarray(Image.open(downloaded(page, tmp_path))).astype(int), DARK, atol=1)
    page.get_by_role('tab', name='Priors and routing').click()
    page.click('#explain')
    page.wait_for_selector('#explanation img')
    assert page.locator('#explanation img').evaluate('i => i.decode().then(() => i.naturalWidth)') > 500


def test_after_wrong_files_the_page_goes_on(visit, tmp_path):
    page = visit.page
    text = tmp_path / 'text.png'
    text.write_text('no picture')
    assert visit.upload(text) == 'text.png is no readable picture.'
    assert page.locator('#message p').get_attribute('role') == 'alert' and page.locator('#download').is_disabled()
    huge = save(tmp_path / 'huge.png', np.zeros((400, 600, 3), np.uint8))
    assert visit.upload(huge) == 'huge.png has 600 x 400 pixels (0.24 megapixels); up to 0.2 megapixels are taken.'
    deep = save_deep(tmp_path / 'deep.png')
    assert visit.upload(deep) == ('deep.png, 168 x 120 pixels: done. Shown with 8 bits; the download keeps its depth. '
                                  'Shown without transparency; the download keeps it.')
    found, given = read_picture(downloaded(page, tmp_path)), read_picture(deep)
    assert (found.depth, found.icc) == ('uint16', PROFILE) and found.image.mean() > 2 * given.image.mean()
    np.testing.assert_array_equal(found.alpha, given.alpha)


def test_a_file_of_too_many_bytes_is_refused(visit, tmp_path):
    path = tmp_path / 'noise.png'
    save(path, np.random.default_rng(0).integers(0, 255, (700, 700, 3), dtype=np.uint8))
    assert path.stat().st_size > 2**20
    visit.expected = ('(Not Found)', 'Response')  # Gradio asks how far an upload is that never began
    visit.page.set_input_files('#upload input[type=file]', path)
    visit.page.get_by_text(re.compile('exceed the maximum allowed size of 1.0 Mb: "noise.png"')).wait_for()


def test_at_the_width_of_a_phone_nothing_is_cut_off(visit, tmp_path):
    page = visit.page
    page.set_viewport_size(dict(width=390, height=844))
    visit.upload(save(tmp_path / 'dark.png'))
    page.wait_for_selector('#compare [role=slider]')
    assert page.evaluate('document.documentElement.scrollWidth') <= 390
    for place in ('#upload', '#strength', '#enhance', '#download', '#compare'):
        box = page.locator(place).first.bounding_box()
        assert box['x'] >= 0 and box['x'] + box['width'] <= 390


def test_several_pictures_whole_in_view_and_all_in_one_download(visit, tmp_path):
    page = visit.page
    paths = [save(tmp_path / 'wide.jpg', DARK[:30]), save(tmp_path / 'tall.png', DARK[:, :20]), tmp_path / 'text.png']
    paths[2].write_text('no picture')
    page.set_input_files('#upload input[type=file]', paths)
    page.get_by_text('2 pictures: done. The JPEG was compressed anew (quality 95). text.png is no readable').wait_for()
    page.locator('#picture input').click()
    page.get_by_role('option', name='2: tall_enhanced.png').click()
    page.get_by_text('tall.png, 20 x 120 pixels: done.').wait_for()
    images = page.locator('#compare img')
    wait_until(lambda: images.evaluate_all('images => images.map(i => [i.naturalWidth, i.naturalHeight])')
               == [[20, 120]] * 2)
    assert set(images.evaluate_all('images => images.map(i => getComputedStyle(i).objectFit)')) == {'contain'}
    with page.expect_download() as coming:
        page.click('#archive')
    coming.value.save_as(tmp_path / 'all.zip')
    with zipfile.ZipFile(tmp_path / 'all.zip') as archive:
        assert archive.namelist() == ['wide_enhanced.jpg', 'tall_enhanced.png'] and archive.testzip() is None


def test_brightness_and_highlights(visit, tmp_path):
    page = visit.page
    page.get_by_label('number input for Brightness').fill('0.8')
    page.get_by_label('number input for Brightness').press('Enter')
    page.locator('#highlights').get_by_label('clip').check()
    visit.upload(save(tmp_path / 'dark.png'))
    samples = np.asarray(Image.open(downloaded(page, tmp_path))) / 255
    assert (samples @ LUMA_WEIGHTS).mean() == pytest.approx(0.8, abs=0.02)


def test_another_visitor_gets_nothing(visit, chromium, tmp_path):
    visit.upload(save(tmp_path / 'dark.png'))
    addresses = [url for url in visit.requests if '/file=' in url]
    assert len(addresses) == 2 and all(visit.page.request.get(url).status == 200 for url in addresses)
    stranger = chromium.new_context()
    stranger.request.get(visit.page.url)  # has a cookie of its own
    assert [stranger.request.get(url).status for url in addresses] == [403, 403]
    stranger.close()


def test_files_of_the_machine_are_not_served(visit, tmp_path):
    secret = tmp_path / 'secret.txt'
    secret.write_text('secret')
    for path in (secret, '/etc/passwd'):
        assert visit.page.request.get(f'{visit.page.url}gradio_api/file={path}').status in (403, 404)


def test_a_full_queue_is_said_and_ctrl_c_removes_all_files_and_nobody_else_is_called(chromium, tmp_path):
    running = browser.Server(tmp_path, str(BLOCKED), str(tmp_path), '--queue-size', '1')
    visited = browser.Visit(chromium.new_page())
    try:
        page = visited.page
        page.set_default_timeout(browser.TIMEOUT)
        page.goto(running.address)
        page.set_input_files('#upload input[type=file]', save(tmp_path / 'a.png'))
        wait_until((tmp_path / 'started').exists, running.process)
        page.click('#enhance')  # one is worked on; of the two that follow the first waits, the second is too many
        page.get_by_role('tab', name='Priors and routing').click()
        page.click('#explain')
        page.get_by_text(re.compile('queue is full|currently busy', re.I)).first.wait_for()
        (tmp_path / 'gate').touch()
        assert visited.said() == 'It is done.'
        made = {path.name for path in running.temporary.rglob('*.png')}
    finally:
        visited.page.close()
        code = running.stop()
    assert code == 0 and made == {'a.png', 'made.png'}
    assert not [path for path in running.temporary.rglob('*') if path.is_file() or 'isalux' in path.name]
    assert 'its files are removed' in running.log.read_text() and 'Traceback' not in running.log.read_text()
    called = json.loads((tmp_path / 'called.json').read_text())
    assert set(called) <= {'127.0.0.1', '::1', 'localhost'}


def test_loggers_of_the_process_outlive_the_page(tmp_path):
    pytest.importorskip('gradio', reason='Gradio is not installed')
    running = browser.Server(tmp_path, str(BLOCKED), str(tmp_path), '--now')
    assert running.wait() == 0, running.log.read_text()
    for name in ('mmengine', 'standard'):
        lines = (tmp_path / f'{name}.log').read_text().splitlines()
        assert len(lines) == 2 and 'before the page' in lines[0] and 'after the page' in lines[1]
