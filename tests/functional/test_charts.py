"""Charts: neutral, of every kind, with black and white among them; lamps that clip and glow narrowly."""
import numpy as np
import pytest

from isalux_mm.functional.charts import KINDS, add_lamps, draw_chart

SIZE = (48, 72)


@pytest.fixture(scope='module')
def charts():
    """Three hundred charts by kind."""
    found = {kind: [] for kind in KINDS}
    for seed in range(300):
        image, kind = draw_chart(*SIZE, np.random.default_rng(seed))
        assert image.shape == (*SIZE, 3) and image.dtype == np.float32
        assert image.min() >= 0 and image.max() <= 1
        found[kind].append(image)
    return found


def test_every_kind_is_drawn(charts):
    assert all(len(images) > 45 for images in charts.values())  # 75 expected


@pytest.mark.parametrize('kind', ['field', 'ramp', 'steps'])
def test_they_are_gray(charts, kind):
    assert all(np.ptp(image, axis=2).max() == 0 for image in charts[kind])


def test_fields_are_constant_with_black_and_white_among_them(charts):
    levels = np.array([image[0, 0, 0] for image in charts['field']])
    assert all(np.ptp(image) == 0 for image in charts['field'])
    assert (levels == 0).mean() == pytest.approx(0.25, abs=0.15)
    assert (levels == 1).mean() == pytest.approx(0.15, abs=0.12)
    assert np.histogram(levels[(levels > 0) & (levels < 1)], 4, (0, 1))[0].min() > 0


def test_ramps_are_linear_and_half_of_them_go_from_black_to_white(charts):
    for image in charts['ramp']:
        np.testing.assert_allclose(np.diff(image[..., 0], 2, axis=1), 0, atol=1e-5)
        np.testing.assert_allclose(np.diff(image[..., 0], 2, axis=0), 0, atol=1e-5)
    assert np.mean([np.ptp(image) > 0.999 for image in charts['ramp']]) == pytest.approx(0.5, abs=0.15)


def test_lamps_clip_and_their_glow_is_narrow(charts):
    assert all((image == 1).all(-1).any() or image.max() < 1 for image in charts['lamps'])
    for seed in range(20):
        night = add_lamps(np.zeros((200, 200, 3), np.float32), np.random.default_rng(seed))
        lit, glowing = (night == 1).all(-1), night.max(-1) > 0.05
        rows, columns = np.nonzero(lit)
        y, x = np.nonzero(glowing)
        if rows.size:  # a lamp's centre may lie in a corner, but it has pixels
            nearest = np.hypot(y[:, None] - rows, x[:, None] - columns).min(1)
            assert nearest.max() <= 16  # .6 exp(-d / 4) is .05 at 10 pixels


def test_lamps_leave_the_rest_alone():
    image = np.full((300, 300, 3), 0.4, np.float32)
    lit = add_lamps(image, np.random.default_rng(0))
    assert (lit >= image).all() and (lit == image).mean() > 0.5 and (lit > image).any()
