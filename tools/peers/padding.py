"""Sizes that a U-shape cannot halve: padded as the peers' published test scripts do."""
import torch.nn.functional as F
from torch import Tensor


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Reflects an image (B, C, H, W) at right and bottom until `multiple` divides H and W; costs nothing if it does.

    Raises:
        ValueError: if a side is too short to be reflected.
    """
    h, w = image.shape[-2:]
    down, right = -h % multiple, -w % multiple
    if not down and not right:
        return image
    if down >= h or right >= w:
        raise ValueError(f'image must have sides above half of {multiple} pixels to be padded by reflection, '
                         f'got {h} x {w}')
    return F.pad(image, (0, right, 0, down), mode='reflect')
