"""Contact sheets: where every picture lies, what is left white, errors."""
import numpy as np
import pytest

from isalux_mm.visualization.contact_sheet import BAND_GAP, CAPTION, GAP, MARGIN, draw_contact_sheet, sheet_size

RED, GREEN, BLUE = (np.tile(np.uint8(c), (20, 30, 1)) for c in ((255, 0, 0), (0, 255, 0), (0, 0, 255)))


def test_places():
    upright = np.tile(np.uint8((0, 0, 255)), (60, 30, 1))
    columns = [('a', [RED, GREEN]), ('b', [RED, GREEN]), ('c', [upright])]
    sheet = draw_contact_sheet(columns, ('input', 'output'), per_band=2, width=60)
    first, second = 2 * (40 + GAP) + CAPTION, 120 + GAP + CAPTION  # 30x20 becomes 60x40, 30x60 becomes 60x120
    assert sheet.shape == (first + BAND_GAP + second, MARGIN + 2 * (60 + GAP), 3) and sheet.dtype == np.uint8
    sizes = [[picture.shape[:2] for picture in pictures] for _, pictures in columns]
    assert sheet_size(sizes, per_band=2, width=60) == sheet.shape[:2]
    for column in range(2):
        left = MARGIN + column * (60 + GAP)
        assert (sheet[:40, left:left + 60] == (255, 0, 0)).all()
        assert (sheet[40 + GAP:80 + GAP, left:left + 60] == (0, 255, 0)).all()
    top = first + BAND_GAP
    assert (sheet[top:top + 120, MARGIN:MARGIN + 60] == (0, 0, 255)).all()
    assert (sheet[top:, MARGIN + 60 + GAP:] == 255).all()  # no fourth picture
    for area in (sheet[:40, :MARGIN], sheet[2 * (40 + GAP):first, MARGIN:MARGIN + 60]):  # row's and picture's name
        assert (area < 128).any()


def test_a_long_name_stays_in_its_column():
    sheet = draw_contact_sheet([('x' * 400, [RED]), ('', [RED])], ('input', ), width=60)
    assert (sheet[-CAPTION:, MARGIN + 60 + GAP:] == 255).all()


@pytest.mark.parametrize(('columns', 'options', 'message'), [
    ([], {}, 'at least one picture'),
    ([('a', [])], {}, 'a must have 1 to 1 pictures, got 0'),
    ([('a', [RED, BLUE])], {}, 'a must have 1 to 1 pictures, got 2'),
    ([('a', [RED])], dict(per_band=0), 'per_band and width'),
])
def test_errors(columns, options, message):
    with pytest.raises(ValueError, match=message):
        draw_contact_sheet(columns, ('input', ), **options)
