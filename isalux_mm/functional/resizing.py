"""Resizing pictures so that the mean brightness stays, and sizes that are reduced in proportion."""
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

LONGEST = 16  # ours: longer side that is worked on, over the shorter side that is wanted


def size_of(images: Tensor) -> tuple[int, int]:
    """(H, W) of (..., H, W)."""
    height, width = images.shape[-2:]
    return height, width


def reduced_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """Size with the shorter side brought down to `short_side`, in proportion, rounded half up; a smaller one stays.

    The longer side becomes 16 times `short_side` at most, out of proportion: a thin picture would stay as it is.

    In whole numbers without a branch, so that one traced graph serves all sizes.
    """
    shorter = torch.sym_min(height, width)
    target = torch.sym_min(shorter, short_side)
    # whole numbers, or in a traced graph what stands for them
    size: Any = tuple(torch.sym_min((2 * side * target + shorter) // (2 * shorter), LONGEST * short_side)
                      for side in (height, width))
    return size


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes (H, W, 3): area averaging along sides that shrink, then bilinear along those that grow."""
    h, w = min(height, image.shape[0]), min(width, image.shape[1])
    if (h, w) != image.shape[:2]:
        image = cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA)
    return image if (h, w) == (height, width) else cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def shrink(image: np.ndarray, max_side: int) -> np.ndarray:
    """Shrinks (H, W, 3) to a longest side, in proportion; a smaller image is left as it is."""
    h, w = image.shape[:2]
    scale = max_side / max(h, w)
    return image if scale >= 1 else resize(image, max(round(h * scale), 1), max(round(w * scale), 1))


def reduced(image: Tensor, pixels: int) -> Tensor:
    """An image (1, 3, H, W) brought down to at most this many pixels; smaller ones as they are."""
    scale = (pixels / image[0, 0].numel())**0.5
    if scale >= 1:
        return image
    size = [max(int(side * scale), 1) for side in image.shape[-2:]]
    return F.interpolate(image, size=size, mode='bilinear', antialias=True)
