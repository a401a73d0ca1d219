"""From a network's result for a frame to a picture in [0, 1]: highlights within white, a steady brightness (ours)."""
import math
from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch import Tensor

from isalux_mm.apis.tone import Tone
from isalux_mm.functional.checks import check_finite
from isalux_mm.functional.compiling import in_rows, is_compilable, is_installed
from isalux_mm.functional.illumination import LUMA_WEIGHTS, luma
from isalux_mm.functional.tone import KNEE, white_level, with_mean_luma, with_soft_highlights
from isalux_mm.inference.temporal import TemporalEnhancer

RESULT = "the network's result for a frame"
# ours, both
FEW = 0.5  # of a strip's pixels: more above the knee are worked on with the rest
STRIP_PIXELS = 64_000  # three quarters of a megabyte


def finished(temporal: TemporalEnhancer, enhanced: Tensor, low: Tensor, tone: Tone) -> Tensor:
    """The result of a frame.

    Args:
        temporal: of this video, which has just enhanced the frame.
        enhanced: what it gave, (1, 3, H, W), RGB, not clamped.
        low: the frame, same shape, in [0, 1].
        tone: of the result.

    Returns:
        Same shape, in [0, 1].

    Raises:
        ValueError: if the result is not finite.
    """
    check_finite(enhanced, RESULT)
    white = temporal.smoothed('white', white_level(enhanced))
    return tone.mixed(steady(temporal, tone.within_white(enhanced, low, white=white)), low)


def steady(temporal: TemporalEnhancer, enhanced: Tensor) -> Tensor:
    """A result (1, 3, H, W) in [0, 1] whose mean luma follows its mean over time, by the power law of the tone."""
    own = luma(enhanced).mean()
    target = temporal.smoothed('luma', own)
    return enhanced if target == own else with_mean_luma(enhanced, float(target))


def planes_of(frame: np.ndarray, device: torch.device) -> Tensor:
    """A frame (H, W, 3) of whole numbers as (1, 3, H, W) in [0, 1], float32; channels lie apart."""
    if device.type == 'cpu' and is_installed():
        from isalux_mm.functional.compiled_tone import unpack
        unpacked = np.empty((3, *frame.shape[:2]), np.float32)
        in_rows(unpack, len(frame), frame, unpacked)
        return torch.from_numpy(unpacked)[None]
    planes = torch.stack([torch.from_numpy(plane) for plane in cv2.split(frame)])[None].to(device)
    return planes.to(torch.float32).mul_(1 / np.iinfo(frame.dtype).max)


def quick_picture(temporal: TemporalEnhancer, enhanced: Tensor, low: Tensor, tone: Tone,
                  dtype: np.dtype) -> np.ndarray:
    """As `finished`, rounded, at a fraction of the cost: by compiled kernels or in strips of rows, and in place.

    Args:
        temporal: as of `finished`, like `low`, `tone` and the error.
        enhanced: likewise; it is overwritten.
        dtype: uint8 or uint16.

    Returns:
        (H, W, 3), integers of their full scale.
    """
    least, most = (float(x) for x in enhanced.aminmax())
    if not math.isfinite(least + most):
        check_finite(enhanced, RESULT)
    white = temporal.smoothed('white', enhanced.new_full((1, 1, 1, 1), max(most, 1.0)))
    luma, squares = softened(enhanced, low, white, soft=tone.highlights == 'soft')
    bend = steadying(temporal, luma / enhanced[0, 0].numel(), squares / enhanced[0, 0].numel())
    if bend is None:
        enhanced, bend = with_mean_luma(enhanced, float(temporal.means.known['luma'])), 0.0
    if tone.strength != 1 or tone.reference_brightness is not None:
        enhanced, bend = tone.mixed(bent(enhanced, bend), low), 0.0
    picture = np.empty((*enhanced.shape[2:], 3), dtype)
    if is_compilable(enhanced):
        from isalux_mm.functional.compiled_tone import pack
        in_rows(pack, len(picture), enhanced[0].numpy(), bend, picture)
    else:
        put(picture, enhanced, bend)
    return picture


def softened(enhanced: Tensor, low: Tensor, white: Tensor, *, soft: bool) -> tuple[float, float]:
    """Brings a result within white in place, see `within`; returns the sums of `moments`."""
    if soft and is_compilable(enhanced, low):
        from isalux_mm.functional.compiled_tone import soften
        parts = in_rows(soften, enhanced.shape[2], enhanced[0].numpy(), low[0].numpy(), float(white))
        return sum(part[0] for part in parts), sum(part[1] for part in parts)
    sums = torch.stack([moments(within(part, dark, white, soft=soft)) for part, dark in strips(enhanced, low)]).sum(0)
    return float(sums[0]), float(sums[1])


def put(picture: np.ndarray, enhanced: Tensor, bend: float) -> None:
    """Fills a picture (H, W, 3) of whole numbers with a result, bent as of `bent` and rounded."""
    first, scale = 0, float(np.iinfo(picture.dtype).max)
    for part, in strips(enhanced):
        planes = bent(part, bend, scale).add_(0.5)[0].cpu()
        planes = planes.to(torch.uint8) if picture.dtype == np.uint8 else planes.to(torch.int32)
        rows = planes.shape[1]
        picture[first:first + rows] = cv2.merge([plane.numpy() for plane in planes])
        first += rows


def strips(*images: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Images (1, 3, H, W) in strips of rows; as wholes on an accelerator."""
    height, width = images[0].shape[2:]
    rows = max(STRIP_PIXELS // width, 1) if images[0].device.type == 'cpu' else height
    return zip(*(image.split(rows, dim=2) for image in images))


def within(enhanced: Tensor, low: Tensor, white: Tensor, *, soft: bool) -> Tensor:
    """`within_white` in place; highlights are worked out only where there are any, above the knee."""
    if not soft:
        return enhanced.clamp_(0, 1)
    pixels = enhanced[0].flatten(1)  # (3, N)
    bright = torch.maximum(torch.maximum(pixels[0], pixels[1]), pixels[2]) > (KNEE if float(white) > 1 else math.inf)
    places = bright.nonzero()[:, 0]
    if len(places) > FEW * len(bright):
        return enhanced.copy_(with_soft_highlights(enhanced, low, white=white))
    if len(places):
        part, dark = (image.index_select(1, places)[None, :, None] for image in (pixels, low[0].flatten(1)))
        changed = with_soft_highlights(part, dark, white=white)[0, :, 0]
    torch.maximum(enhanced, low, out=enhanced).clamp_(0, 1)
    if len(places):
        pixels.index_copy_(1, places, changed)
    return enhanced


def moments(image: Tensor) -> Tensor:
    """Sums over the pixels of the luma, and of its channels' squares weighed alike, (2, ), float64."""
    weights = image.new_tensor(LUMA_WEIGHTS, dtype=torch.float64)
    squares = torch.stack([torch.linalg.vector_norm(channel) for channel in image[0]]).double()**2
    return torch.stack([weights @ image[0].sum(dim=(1, 2)).double(), weights @ squares])


def steadying(temporal: TemporalEnhancer, own: float, squares: float) -> float | None:
    """The a of x + a x (1 - x) that brings a frame's mean luma to its mean over time, `None` beyond [-1, 1].

    Within, the curve keeps black and white and the order. The mean of it is linear in a, which takes no search. What
    `steady` does by a power law is the same for small corrections.

    Args:
        temporal: of this video.
        own: the frame's mean luma.
        squares: the mean of its channels' squares, weighed as in the luma.
    """
    missing = float(temporal.smoothed('luma', torch.tensor(own, dtype=torch.float64))) - own
    room = own - squares
    return 0.0 if missing == 0 else missing / room if abs(missing) <= room else None


def bent(image: Tensor, bend: float, scale: float = 1.0) -> Tensor:
    """scale (x + bend x (1 - x))."""
    if bend == 0:
        return image * scale
    return ((1 + bend) * scale * image).addcmul_(image, image, value=-bend * scale)
