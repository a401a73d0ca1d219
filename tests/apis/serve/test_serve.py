"""The page in a real browser: upload, slider, download, wrong files, several pictures, a full queue."""
import io
import json
import re
import zipfile
from importlib import metadata
from pathlib import Path

import browser
import numpy as np
import pytest
from dark_pictures import DARK, PROFILE, save, save_deep
from PIL import Image
from processes import wait_until

from isalux_mm import cli
from isalux_mm.apis import EnhanceInferencer
from isalux_mm.apis.serve.events import message, tile_size
from isalux_mm.apis.serve.page import tile_name
from isalux_mm.functional.illumination import LUMA_WEIGHTS
from isalux_mm.io.picture_file import read_picture

BLOCKED = Path(__file__).with_name('blocked_page.py')


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
