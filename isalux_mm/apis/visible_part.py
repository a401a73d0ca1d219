"""The part of a picture that is seen: what is enhanced where it has transparent pixels or black bars (ours)."""
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from isalux_mm.functional.tiling import Window
from isalux_mm.functional.visible import as_weights, bounds, filled, visible_mask, without_bars
from isalux_mm.io.picture_file import Picture


@dataclass(frozen=True)
class VisiblePart:
    """The smallest window that holds all that is seen of a picture.

    Attributes:
        window: in the picture.
        image: what lies in it, (h, w, 3), hidden pixels as their nearest seen one.
        mask: which pixels of it are seen, (h, w), bool.
    """
    window: Window
    image: np.ndarray
    mask: np.ndarray

    @property
    def weights(self) -> Tensor | None:
        """The mask for a network, (1, 1, h, w); `None` where all of the window is seen."""
        return None if self.mask.all() else as_weights(self.mask)

    def of(self, images: Tensor) -> Tensor:
        """The window of images (..., H, W)."""
        top, bottom, left, right = self.window
        return images[..., top:bottom, left:right]

    def placed(self, enhanced: Tensor, picture: Picture) -> Tensor:
        """The picture (3, H, W) with the seen pixels of `enhanced` (3, h, w); hidden ones as they were."""
        out = torch.from_numpy(picture.image).permute(2, 0, 1).to(enhanced, copy=True)  # (H, W, 3) -> (3, H, W)
        part = self.of(out)
        part.copy_(torch.where(torch.from_numpy(self.mask).to(out.device), enhanced, part))
        return out


def visible_part(picture: Picture) -> VisiblePart | None:
    """The part of a picture that is seen; `None` where that is all of it, or where there is nothing to be seen.

    Transparent pixels are not seen, and black bars around the picture are no part of it.
    """
    visible = visible_mask(picture.alpha)
    if visible is None:
        window = without_bars(picture.image)
        if window is None:
            return None
        top, bottom, left, right = window
        part = np.ascontiguousarray(picture.image[top:bottom, left:right])
        return VisiblePart(window, part, np.ones(part.shape[:2], bool))
    if not visible.any():
        return None
    window = bounds(visible)
    top, bottom, left, right = window
    mask, image = visible[top:bottom, left:right], picture.image[top:bottom, left:right]
    return VisiblePart(window, np.ascontiguousarray(image) if mask.all() else filled(image, mask), mask)


def is_seen_in_part(picture: Picture) -> bool:
    """Whether a picture is to be enhanced by its `visible_part`."""
    return visible_mask(picture.alpha) is not None or without_bars(picture.image) is not None
