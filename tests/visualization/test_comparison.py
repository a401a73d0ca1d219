"""Sheets of several methods and the crops they show."""
import numpy as np
import pytest

from isalux_mm.visualization.comparison import CAPTION, COLUMN, GAP, LINE, draw_comparison, telling_crops

GRAY = np.full((40, 60, 3), 90, np.uint8)


def test_the_sheet_has_its_parts():
    crop = (10, 5, 20, 10)
    sheet = draw_comparison(dict(a=GRAY, b=GRAY * 2), dict(b=('one', 'two')), [crop])
    assert sheet.shape == (CAPTION + COLUMN * 40 // 60 + GAP + COLUMN // 2 + 2 * LINE + GAP, 2 * COLUMN + GAP, 3)
    middle = CAPTION + COLUMN * 40 // 60 - 20
    assert sheet[middle, 400].tolist() == [90] * 3 and sheet[middle, COLUMN + GAP + 400].tolist() == [180] * 3


def test_crops_are_enlarged_parts():
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[20:30, 30:50] = (200, 100, 50)
    sheet = draw_comparison(dict(a=picture), {}, [(30, 20, 20, 10)])
    top = CAPTION + COLUMN * 40 // 60 + GAP
    inside = sheet[top + 5:top + COLUMN // 2 - 5, 5:COLUMN - 5].reshape(-1, 3)
    assert np.unique(inside, axis=0).tolist() == [[200, 100, 50]]


@pytest.mark.parametrize('crop', [(-1, 0, 5, 5), (0, 0, 61, 5), (58, 38, 5, 5), (0, 0, 0, 5)])
def test_crops_outside_are_refused(crop):
    with pytest.raises(ValueError, match='crops must lie in the picture of 60x40'):
        draw_comparison(dict(a=GRAY), {}, [crop])


def test_no_picture():
    with pytest.raises(ValueError, match='at least one picture'):
        draw_comparison({}, {}, [])


def test_telling_crops_find_detail_and_shadow():
    rng = np.random.default_rng(0)
    output = np.full((100, 150, 3), 0.5, np.float32)
    output[10:40, 10:40] += rng.normal(0, 0.3, (30, 30, 3))
    output[60:90, 100:130] += rng.normal(0, 0.1, (30, 30, 3))
    image = np.full_like(output, 0.3)
    image[50:, 75:] = 0.01
    first, second = telling_crops(image, output)
    assert 5 <= first[0] <= 30 and 5 <= first[1] <= 30  # left, top: in the noisy corner
    assert 95 <= second[0] <= 130 and 55 <= second[1] <= 90  # in the shadow


@pytest.mark.parametrize('shape', [(1, 1), (2, 3), (37, 53)])
def test_small_pictures_have_crops_inside(shape):
    image = np.random.default_rng(0).random((*shape, 3))
    for left, top, width, height in telling_crops(image, image):
        assert left + width <= shape[1] and top + height <= shape[0]
