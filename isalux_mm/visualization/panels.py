"""Panels that show pictures side by side: input | output | reference."""
from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

CAPTION_HEIGHT, GAP = 22, 4
CAPTION_SIZE = 14


def to_array(image: Tensor) -> np.ndarray:
    """(3, H, W), RGB in [0, 1], to (H, W, 3) uint8."""
    return (image.detach().float().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()


def side_by_side(pictures: Mapping[str, np.ndarray], *, max_side: int | None = None) -> np.ndarray:
    """One row of captioned pictures.

    Args:
        pictures: (H, W, 3) uint8 RGB by caption; each is scaled to the first one's height.
        max_side: longest side of a picture in the panel; `None` leaves them as they are.

    Returns:
        (H + caption, W, 3), uint8, RGB.

    Raises:
        ValueError: if there is no picture.
    """
    if not pictures:
        raise ValueError('pictures must hold at least one picture, got none')
    shown = [Image.fromarray(p) for p in pictures.values()]
    if max_side is not None:
        shown = [_shrunk(p, max_side) for p in shown]
    height = shown[0].height
    shown = [p if p.height == height else p.resize((round(p.width * height / p.height), height)) for p in shown]
    width = sum(p.width for p in shown) + GAP * (len(shown) - 1)
    panel = Image.new('RGB', (width, height + CAPTION_HEIGHT), 'white')
    draw, font, left = ImageDraw.Draw(panel), ImageFont.load_default(CAPTION_SIZE), 0
    for caption, picture in zip(pictures, shown):
        draw.text((left + GAP, 2), caption, fill='black', font=font)
        panel.paste(picture, (left, CAPTION_HEIGHT))
        left += picture.width + GAP
    return np.asarray(panel)


def _shrunk(picture: Image.Image, max_side: int) -> Image.Image:
    scale = max_side / max(picture.size)
    return picture if scale >= 1 else picture.resize([max(round(side * scale), 1) for side in picture.size])
