"""Which pixels of a picture are seen, and what stands in the place of those that are not (ours; paper silent).

What lies hidden under alpha 0 may be anything: black, white, another picture. It takes no part in what is decided. Nor
do black bars around a picture: counted as part of it they make it brighter, by 25 levels of 255 with bars of an eighth
of the height at each edge (16 dark photographs).
"""
import cv2
import numpy as np
import torch
from torch import Tensor

from isalux_mm.functional.tiling import Window

LEAST_ALPHA = 1 / 32  # ours: below it a pixel counts as hidden
BLACK = 1.5 / 255  # ours: up to which a bar's pixels are black, so that compression may change them by a level
LEAST_BAR = 0.02  # ours: of the picture's side, at each of two opposite edges
EDGE = 3  # ours: lines within which a picture begins beside its bar
INSIDE = 8  # ours: lines behind these that tell how fast the picture itself changes
STEEP = 4.0  # ours: times as fast it has to rise at a bar
STEP = 4 / 255  # ours: from which a rise is a bar's edge however fast the picture changes
UNEVEN = 0.1  # ours: by how much of the thicker one, or two pixels, two bars may differ


def visible_mask(alpha: np.ndarray | None) -> np.ndarray | None:
    """Pixels (H, W) that are seen, bool, by an alpha channel in [0, 1]; `None` where all of them are."""
    if alpha is None:
        return None
    visible = alpha >= LEAST_ALPHA
    return None if visible.all() else visible


def bounds(visible: np.ndarray) -> Window:
    """The smallest window that holds everything that is seen; `visible` (H, W) holds something."""
    rows, columns = (np.flatnonzero(visible.any(axis=axis)) for axis in (1, 0))
    return Window(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)


def without_bars(image: np.ndarray) -> Window | None:
    """The part of a picture within black bars, above and below, left and right, or both; `None` without such bars.

    Bars are lines that are black from end to end, as many at one edge as at the other. Of 557 dark photographs (LOL's
    training set and four sets without references) none has two such lines at an edge. The picture begins at once beside
    a bar; where it falls off to black, as in a vignette, there is none.

    image: (H, W, 3), RGB in [0, 1].
    """
    height, width = image.shape[:2]
    top, bottom = _bars(image)
    left, right = _bars(image.swapaxes(0, 1))
    window = Window(top, height - bottom, left, width - right)
    return None if tuple(window) == (0, height, 0, width) else window


def _bars(image: np.ndarray) -> tuple[int, int]:
    """Black lines at the first and the last edge along the first axis of (H, W, 3); 0, 0 where they are no bars."""
    if image[0].max() > BLACK or image[-1].max() > BLACK:
        return 0, 0
    lit = np.flatnonzero(image.max(axis=(1, 2)) > BLACK)
    if not len(lit):
        return 0, 0
    first, last = int(lit[0]), len(image) - 1 - int(lit[-1])
    thin, thick = sorted((first, last))
    even = thick - thin <= max(UNEVEN * thick, 2)
    if not even or thin < LEAST_BAR * len(image):
        return 0, 0
    lines = image.mean(axis=(1, 2), dtype=np.float64)
    return (first, last) if _begins(lines, first) and _begins(lines[::-1], last) else (0, 0)


def _begins(lines: np.ndarray, bar: int) -> bool:
    """Whether a picture begins at once behind the first `bar` lines, and does not just go on to rise there.

    lines: means, (N,).
    """
    inner = lines[bar + EDGE - 1:bar + EDGE + INSIDE]
    rise = lines[bar:bar + EDGE].max() - lines[bar - 1]
    pace = np.abs(np.diff(inner)).mean() if len(inner) > 1 else 0.0
    return bool(rise >= STEP or rise > max(BLACK, STEEP * EDGE * pace))  # a level of 8 bits is a step of any ramp


def filled(image: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """A picture whose hidden pixels have the colour of the seen pixel that lies nearest.

    So that convolutions near an edge, and a prior that looks at the whole, meet nothing of what is hidden.

    Args:
        image: (H, W, C).
        visible: (H, W), bool, some of them seen.

    Returns:
        As `image`, a copy.
    """
    hidden = np.ascontiguousarray(~visible, dtype=np.uint8)
    labels = cv2.distanceTransformWithLabels(hidden, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL)[1]
    place = np.zeros(labels.max() + 1, np.int64)
    place[labels[visible]] = np.flatnonzero(visible)
    out = image.copy()
    out[~visible] = image.reshape(-1, image.shape[2])[place[labels[~visible]]]
    return out


def seen(images: Tensor, visible: Tensor | None) -> Tensor:
    """The seen pixels of one image in a row: (1, C, H, W) to (1, C, 1, N), for what is decided pixel by pixel.

    Args:
        images: (B, C, H, W); one image where `visible` is given.
        visible: (1, 1, H, W), above 0 where a pixel is seen; `None` for all.
    """
    return images if visible is None else images[:, :, visible[0, 0] > 0].unsqueeze(2)


def as_weights(visible: np.ndarray) -> Tensor:
    """(H, W), bool, as the weights (1, 1, H, W), float32, that networks take."""
    return torch.from_numpy(visible).to(torch.float32)[None, None]
