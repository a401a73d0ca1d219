"""Many pictures on one sheet: each a column, its states below one another, its name under them."""
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

CAPTION, MARGIN, GAP, BAND_GAP = 18, 84, 4, 14  # ours: pixels
FONT_SIZE = 12


def draw_contact_sheet(columns: Sequence[tuple[str, Sequence[np.ndarray]]], rows: Sequence[str], *,
                       per_band: int = 6, width: int = 240) -> np.ndarray:
    """Bands of columns, each column one picture in several states, the states named at the left.

    Args:
        columns: name and pictures, (H, W, 3), uint8, RGB; as many as there are rows, or fewer.
        rows: names of the states, from the top.
        per_band: columns side by side.
        width: of a column, pixels; pictures are resized to it.

    Returns:
        (H', W', 3), uint8, RGB.

    Raises:
        ValueError: if there is no column, one has no picture or more than there are rows, or a number is below 1.
    """
    if not columns:
        raise ValueError('columns must hold at least one picture, got none')
    if per_band < 1 or width < 1:
        raise ValueError(f'per_band and width must be at least 1, got {per_band} and {width}')
    for name, pictures in columns:
        if not 1 <= len(pictures) <= len(rows):
            raise ValueError(f'{name} must have 1 to {len(rows)} pictures, got {len(pictures)}')
    bands = [_band(columns[i:i + per_band], rows, min(per_band, len(columns)), width)
             for i in range(0, len(columns), per_band)]
    sheet = Image.new('RGB', (bands[0].width, sum(b.height for b in bands) + BAND_GAP * (len(bands) - 1)), 'white')
    top = 0
    for band in bands:
        sheet.paste(band, (0, top))
        top += band.height + BAND_GAP
    return np.asarray(sheet)


def sheet_size(columns: Sequence[Sequence[tuple[int, int]]], *, per_band: int = 6, width: int = 240) -> tuple[int, int]:
    """Height and width of the sheet that `draw_contact_sheet` makes.

    Args:
        columns: height and width of the pictures of every column.
        per_band: as there.
        width: as there.
    """
    bands = [columns[i:i + per_band] for i in range(0, len(columns), per_band)]
    height = sum(sum(max(_height(*sizes[row], width) for sizes in band if row < len(sizes)) + GAP
                     for row in range(max(map(len, band)))) + CAPTION for band in bands)
    return height + BAND_GAP * (len(bands) - 1), MARGIN + min(per_band, len(columns)) * (width + GAP)


def _height(height: int, width: int, shown: int) -> int:
    """Of a picture that is shown at another width."""
    return max(round(height * shown / width), 1)


def _band(columns: Sequence[tuple[str, Sequence[np.ndarray]]], rows: Sequence[str], count: int,
          width: int) -> Image.Image:
    """One band, as wide as `count` columns; pictures of a row share the height of the tallest."""
    shown = [[_resized(picture, width) for picture in pictures] for _, pictures in columns]
    heights = [max((states[row].height for states in shown if row < len(states)), default=0)
               for row in range(len(rows))]
    height = sum(h + GAP for h in heights if h) + CAPTION
    band = Image.new('RGB', (MARGIN + count * (width + GAP), height), 'white')
    draw, font, top = ImageDraw.Draw(band), ImageFont.load_default(FONT_SIZE), 0
    for row, (label, tallest) in enumerate(zip(rows, heights)):
        if not tallest:
            continue
        draw.text((GAP, top + GAP), label, fill='black', font=font)
        for index, states in enumerate(shown):
            if row < len(states):
                band.paste(states[row], (MARGIN + index * (width + GAP), top))
        top += tallest + GAP
    for index, (name, _) in enumerate(columns):
        draw.text((MARGIN + index * (width + GAP), top), _cut(name, width, font), fill='black', font=font)
    return band


def _resized(picture: np.ndarray, width: int) -> Image.Image:
    image = Image.fromarray(picture)
    return image.resize((width, _height(image.height, image.width, width)), Image.Resampling.LANCZOS)


def _cut(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The end of a text that fits, which tells files apart best."""
    while len(text) > 1 and font.getlength(text) > width:
        text = text[1:]
    return text
