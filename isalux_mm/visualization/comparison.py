"""Pictures of several methods in columns: the whole, enlarged crops, figures under each."""
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from isalux_mm.functional.illumination import LUMA_WEIGHTS

COLUMN = 420  # ours: pixels of a column
CAPTION, LINE, GAP = 24, 18, 6
FONT_SIZE, SMALL = 15, 13
COLORS = ('#e4572e', '#17bebb', '#ffc914', '#76b041')  # of the crops' frames
CROP_PART = 0.22  # ours: side of an automatic crop, as a part of the picture's shorter side
Box = tuple[int, int, int, int]  # left, top, width, height


def draw_comparison(pictures: Mapping[str, np.ndarray], notes: Mapping[str, Sequence[str]],
                    crops: Sequence[Box]) -> np.ndarray:
    """One column a picture: name, picture with the crops' frames, the crops enlarged, notes.

    Args:
        pictures: (H, W, 3), uint8, RGB by name; those of another size than the first are resized to it.
        notes: lines of text by name; names may be missing.
        crops: boxes on the first picture.

    Returns:
        (H', W', 3), uint8, RGB.

    Raises:
        ValueError: if there is no picture, or a box does not lie in it.
    """
    if not pictures:
        raise ValueError('pictures must hold at least one picture, got none')
    height, width = next(iter(pictures.values())).shape[:2]
    check_crops(crops, height, width)
    columns = [_column(name, _resized(picture, width, height), notes.get(name, ()), crops)
               for name, picture in pictures.items()]
    tallest = max(column.height for column in columns)
    sheet = Image.new('RGB', (len(columns) * (COLUMN + GAP) - GAP, tallest), 'white')
    for index, column in enumerate(columns):
        sheet.paste(column, (index * (COLUMN + GAP), 0))
    return np.asarray(sheet)


def check_crops(crops: Sequence[Sequence[int]], height: int, width: int) -> None:
    """Raises a `ValueError` if a box (left, top, width, height) does not lie in a picture."""
    for left, top, w, h in crops:
        if min(left, top) < 0 or min(w, h) < 1 or left + w > width or top + h > height:
            raise ValueError(f'crops must lie in the picture of {width}x{height}, got {left} {top} {w} {h}')


def telling_crops(image: np.ndarray, output: np.ndarray) -> list[Box]:
    """Two square boxes: where the output has most detail, and where it has most in the darker half of the input.

    Args:
        image: (H, W, 3), RGB, of any scale.
        output: same shape.

    Returns:
        Boxes that do not overlap much; one where the picture is too small for two.
    """
    height, width = image.shape[:2]
    side = max(round(CROP_PART * min(height, width)), 1)
    dark, bright = (np.asarray(x, dtype=np.float32) @ np.array(LUMA_WEIGHTS, np.float32) for x in (image, output))
    detail = np.hypot(cv2.Sobel(bright, cv2.CV_32F, 1, 0), cv2.Sobel(bright, cv2.CV_32F, 0, 1))
    window = (side, side)
    energy, light = (cv2.boxFilter(x, -1, window, anchor=(0, 0), borderType=cv2.BORDER_REFLECT)
                     [:height - side + 1, :width - side + 1] for x in (detail, dark))  # by the box's corner
    top, left = np.unravel_index(energy.argmax(), energy.shape)
    boxes = [(int(left), int(top), side, side)]
    energy = np.where(light <= np.median(np.asarray(light, np.float32)), energy, -1)
    energy[max(top - side, 0):top + side, max(left - side, 0):left + side] = -1
    if energy.max() >= 0:
        top, left = np.unravel_index(energy.argmax(), energy.shape)
        boxes.append((int(left), int(top), side, side))
    return boxes


def _resized(picture: np.ndarray, width: int, height: int) -> Image.Image:
    shown = Image.fromarray(picture)
    return shown if shown.size == (width, height) else shown.resize((width, height), Image.Resampling.BICUBIC)


def _column(name: str, picture: Image.Image, notes: Sequence[str], crops: Sequence[Box]) -> Image.Image:
    scale = COLUMN / picture.width
    whole = picture.resize((COLUMN, max(round(picture.height * scale), 1)), Image.Resampling.LANCZOS)
    parts = [_enlarged(picture, box) for box in crops]
    height = CAPTION + whole.height + sum(GAP + part.height for part in parts) + LINE * len(notes) + GAP
    column = Image.new('RGB', (COLUMN, height), 'white')
    draw, y = ImageDraw.Draw(column), CAPTION
    draw.text((GAP, 3), name, fill='black', font=ImageFont.load_default(FONT_SIZE))
    column.paste(whole, (0, y))
    for index, (left, top, w, h) in enumerate(crops):
        frame = [left * scale, y + top * scale, (left + w) * scale - 1, y + (top + h) * scale - 1]
        draw.rectangle([round(side) for side in frame], outline=COLORS[index % len(COLORS)], width=2)
    y += whole.height
    for index, part in enumerate(parts):
        y += GAP
        column.paste(part, (0, y))
        draw.rectangle([0, y, COLUMN - 1, y + part.height - 1], outline=COLORS[index % len(COLORS)], width=3)
        y += part.height
    for line in notes:
        draw.text((GAP, y + 2), line, fill='black', font=ImageFont.load_default(SMALL))
        y += LINE
    return column


def _enlarged(picture: Image.Image, box: Box) -> Image.Image:
    left, top, w, h = box
    part = picture.crop((left, top, left + w, top + h))
    resampling = Image.Resampling.NEAREST if w < COLUMN else Image.Resampling.LANCZOS  # noise and grain as they are
    return part.resize((COLUMN, max(round(COLUMN * h / w), 1)), resampling)
