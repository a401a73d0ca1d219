"""Results of pictures: a network's, with its tone; of one that is seen in part, of that part alone."""
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from isalux_mm.apis.jobs import to_tensor
from isalux_mm.apis.tone import Tone
from isalux_mm.apis.visible_part import is_seen_in_part, visible_part
from isalux_mm.functional.checks import check_choice
from isalux_mm.inference.fast import MODES
from isalux_mm.io.picture_file import Picture


def results_of(enhance: Callable[..., Tensor], pictures: Sequence[Picture], tone: Tone, device: torch.device,
               in_place: bool) -> Tensor:
    """Results of pictures of one size, (B, 3, H, W), RGB in [0, 1].

    Args:
        enhance: (B, 3, H, W) to the same, not clamped; takes `visible` as of `EnhanceInferencer.enhance`.
        pictures: of one size; one alone where it is seen in part. The rest of that has no part in the result and stays
            as it is.
        tone: of the results.
        device: for what `enhance` is given.
        in_place: whether the memory of what `enhance` gives may become the result's.
    """
    if len(pictures) == 1 and is_seen_in_part(pictures[0]):
        return _of_visible_part(enhance, pictures[0], tone, device)[None]
    tensors = [to_tensor(picture.image) for picture in pictures]
    images = torch.stack(tensors) if len(tensors) > 1 else tensors[0][None]  # a large one is not copied
    images = images.to(device)
    with torch.inference_mode() if in_place else nullcontext():  # whose tensors are changed within it alone
        return tone.apply(enhance(images), images, in_place=in_place)


def check_mode(mode: str, tile: int | None = None) -> None:
    """Checks a mode of enhancing, and the side of its tiles.

    Raises:
        ValueError: if `mode` is unknown, `tile` is negative, or is given in fast mode.
    """
    check_choice(mode, MODES, 'mode')
    if tile is not None and mode == 'fast':
        raise ValueError(f'tile must be None in fast mode, which works in strips of rows, got {tile}')
    if tile is not None and tile < 0:
        raise ValueError(f'tile must be at least 0 pixels, or None, got {tile}')


def _of_visible_part(enhance: Callable[..., Tensor], picture: Picture, tone: Tone, device: torch.device) -> Tensor:
    part = visible_part(picture)
    if part is None:
        return to_tensor(picture.image)
    images, visible = to_tensor(part.image)[None].to(device), part.weights
    return part.placed(tone.apply(enhance(images, visible=visible), images, visible=visible)[0], picture)
