"""Kernels of fast mode for highlights and for the frames of a video, as those of `compiled` (ours).

What `soften` computes stands in `tone`.
"""
import numpy as np

from isalux_mm.functional.compiled import Real, Samples, inlined, kernel
from isalux_mm.functional.illumination import LUMA_WEIGHTS
from isalux_mm.functional.tone import EPS, HUE, KNEE

_RED, _GREEN, _BLUE = (np.float32(weight) for weight in LUMA_WEIGHTS)
_KNEE, _HUE, _EPS = (np.float32(value) for value in (KNEE, HUE, EPS))
_ZERO, _HALF, _ONE = (np.float32(value) for value in (0, 0.5, 1))


@inlined
def _curve(value: Real, white: Real) -> Real:
    """Reinhard et al.'s curve above the knee, see `tone.with_soft_highlights`."""
    t = (value - _KNEE) / (_ONE - _KNEE)
    return _KNEE + (_ONE - _KNEE) * t * (_ONE + t / (white * white)) / (_ONE + t) if t > 0 else value


@kernel
def soften(image: Samples, low: Samples, white: Real, start: int, stop: int) -> tuple[Real, Real]:
    """`tone.with_soft_highlights` in place; returns sums over the pixels of the luma, and of squares weighed like it.

    Args:
        image: (3, H, W) in any layout, rows `start` to `stop` are overwritten.
        low: the input, same shape.
        white: value that becomes white, at least 1.
    """
    top = (np.float32(white) - _KNEE) / (_ONE - _KNEE)
    lumas: Real = 0.0
    squares: Real = 0.0
    for y in range(start, stop):
        line_luma, line_squares = _ZERO, _ZERO
        for x in range(image.shape[2]):
            red, green, blue = image[0, y, x], image[1, y, x], image[2, y, x]
            brightest = max(red, max(green, blue))
            if brightest > _KNEE and white > 1:
                hue = _curve(brightest, top) / max(brightest, _EPS)
                red, green, blue = _softened(red, hue, top), _softened(green, hue, top), _softened(blue, hue, top)
            red = min(max(max(red, low[0, y, x]), _ZERO), _ONE)
            green = min(max(max(green, low[1, y, x]), _ZERO), _ONE)
            blue = min(max(max(blue, low[2, y, x]), _ZERO), _ONE)
            image[0, y, x], image[1, y, x], image[2, y, x] = red, green, blue
            line_luma += _RED * red + _GREEN * green + _BLUE * blue
            line_squares += _RED * red * red + _GREEN * green * green + _BLUE * blue * blue
        lumas += line_luma
        squares += line_squares
    return lumas, squares


@inlined
def _softened(value: Real, hue: Real, top: Real) -> Real:
    bent = _curve(value, top)
    return bent + _HUE * (value * hue - bent)


@kernel
def unpack(frame: Samples, planes: Samples, start: int, stop: int) -> None:
    """A frame (H, W, 3) of whole numbers as planes (3, H, W) in [0, 1]; rows `start` to `stop`."""
    factor = _ONE / np.float32(np.iinfo(frame.dtype).max)
    for y in range(start, stop):
        for c in range(3):
            for x in range(frame.shape[1]):
                planes[c, y, x] = np.float32(frame[y, x, c]) * factor


@kernel
def pack(planes: Samples, bend: Real, frame: Samples, start: int, stop: int) -> None:
    """Planes (3, H, W) in [0, 1], bent to x + bend x (1 - x), as a frame (H, W, 3) of whole numbers, rounded."""
    factor, bow = np.float32(np.iinfo(frame.dtype).max), np.float32(bend)
    for y in range(start, stop):
        for c in range(3):
            for x in range(frame.shape[1]):
                value = planes[c, y, x]
                frame[y, x, c] = np.int32((value + bow * value * (_ONE - value)) * factor + _HALF)
