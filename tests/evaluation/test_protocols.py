"""Protocols: what they refuse, and the resampling of the panels."""
import numpy as np
import pytest

from isalux_mm.evaluation.protocols import PROTOCOLS
from isalux_mm.io.images import read_image

EVAL15 = ('1', '22', '23', '55', '79', '111', '146', '179', '493', '547', '665', '669', '748', '778', '780')
LOL, PANELS = PROTOCOLS['lol-v1'], PROTOCOLS['lol-v2-panels']


def test_lol_v1_is_its_fifteen_pairs():
    LOL.check(EVAL15, EVAL15, {(400, 600)})
    with pytest.raises(ValueError, match='wants results of the 15 pictures 1, 22, .*missing: 780, not of it: none'):
        LOL.check(EVAL15, EVAL15[:-1], {(400, 600)})
    with pytest.raises(ValueError, match='wants references of the 15 .*missing: none, not of it: 781'):
        LOL.check((*EVAL15, '781'), EVAL15, {(400, 600)})
    with pytest.raises(ValueError, match='wants references of 600x400 pixels, got 256x256'):
        LOL.check(EVAL15, EVAL15, {(400, 600), (256, 256)})


def test_lol_v1_resizes_nothing():
    image = np.random.default_rng(0).uniform(size=(20, 30, 3))
    assert LOL.fit(image) is image and LOL.size_after((200, 300)) == (200, 300)


def test_panels_are_resampled_and_cut_out():
    """A ramp stays a ramp: value 2 x + y of the pixel whose centre came from there."""
    y, x = np.mgrid[:400, :600]
    image = np.repeat(((2 * x + y) / 1600)[..., None], 3, axis=2)
    assert PANELS.size_after(image.shape[:2]) == (296, 446)
    fitted = PANELS.fit(image)
    assert fitted.shape == (296, 446, 3) and fitted.dtype == np.float64
    rows, columns = np.mgrid[:296, :446]
    origin_x, origin_y = (columns + 1 + 0.5) * 600 / 448 - 0.5, (rows + 2 + 0.5) * 400 / 299 - 0.5
    inner = np.s_[2:-2, 2:-2]
    np.testing.assert_allclose(fitted[..., 0][inner], ((2 * origin_x + origin_y) / 1600)[inner], atol=1e-3)
    cut = np.random.default_rng(0).uniform(size=(296, 446, 3))
    assert PANELS.fit(cut) is cut


def test_the_panels_themselves(shared_data):
    """Resampled low pictures are those of the panels but for a mean of 0.6 of 255: how these were made is not known
    to the pixel. One pixel of shift costs more than twice as much."""
    full = sorted((shared_data / 'lol/v2real_low_fullres').glob('*.png'))
    if not full:
        pytest.skip('no panels')
    for path in full[:2]:
        fitted, panel = PANELS.fit(read_image(path)), read_image(shared_data / f'lol/v2real_panel/low/{path.name}')
        assert 255 * np.abs(fitted - panel).mean() < 0.6
        assert 255 * np.abs(fitted[:, 1:] - panel[:, :-1]).mean() > 1.2


@pytest.mark.parametrize('name', PROTOCOLS)
def test_windows_lie_within(name):
    protocol = PROTOCOLS[name]
    assert protocol.text and (protocol.original is None or protocol.size_after(protocol.original) == protocol.size)
