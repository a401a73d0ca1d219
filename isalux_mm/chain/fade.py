"""How much of an enhancer's change a picture gets ahead of a task model: none where the light is good (ours).

The measure is `functional.safeguards.light`, a statistic of the picture itself. The change is whole up to a first value
of it, none from a second on, and linear between them, so that a video that darkens does not jump. Which values these
are is measured on training pictures alone, by `tools/calibrate_fade.py`; docs/detection.md has the figures.
"""
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

AUTO: Literal['auto'] = 'auto'
TASK_FADE = (0.03, 0.07)  # ours, of tools/calibrate_fade.py on COCO's training pictures
Fade = tuple[float, float]


def checked_fade(fade: Sequence[float] | Literal['auto'] | None) -> Fade | None:
    """The two values of `light` that a `fade` stands for; `None` for no fade.

    Raises:
        ValueError: if it is neither 'auto', `None` nor two ascending values in [0, 1].
    """
    if fade is None:
        return None
    if fade == AUTO:
        return TASK_FADE
    if isinstance(fade, str) or len(fade) != 2 or not 0 <= fade[0] < fade[1] <= 1:
        raise ValueError(f"fade must be 'auto', None or two ascending values in [0, 1], got {fade!r}")
    return float(fade[0]), float(fade[1])


def faded(image: Tensor, enhanced: Tensor, share: Tensor) -> Tensor:
    """The image with a share of the change to `enhanced`; bit for bit the image at 0, and `enhanced` at 1.

    Args:
        image: (B, 3, H, W).
        enhanced: same shape.
        share: (B, 1, 1, 1), in [0, 1].

    Returns:
        Same shape, in the wider type of the two.
    """
    dtype = torch.promote_types(image.dtype, enhanced.dtype)
    image, enhanced, share = image.to(dtype), enhanced.to(dtype), share.to(dtype)
    mixed = image + share * (enhanced - image)
    return torch.where(share <= 0, image, torch.where(share >= 1, enhanced, mixed))
