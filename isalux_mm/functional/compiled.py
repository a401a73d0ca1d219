"""Kernels of fast mode, compiled by Numba: one pass where PyTorch takes twenty (ours).

What they compute stands in `bilateral_grid`, `noise_removal` and `tone`, which the tests hold them to. A kernel works
on a range of rows, so that threads share a picture; none needs what another thread writes.
"""
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from isalux_mm.functional.bilateral_grid import LIGHTNESS
from isalux_mm.functional.illumination import LUMA_WEIGHTS
from isalux_mm.functional.noise_removal import STRENGTH, TINY, WINDOW
from isalux_mm.functional.tone import EPS, HUE, KNEE

assert WINDOW == 3, 'the kernels spell the window out'
Samples = np.ndarray
Real = Any  # float32, for Numba
MAPS = 16  # floats from one cell's map to the next: 12 of colour, 1 of noise, the rest keeps cells in step
_RED, _GREEN, _BLUE = (np.float32(weight) for weight in LUMA_WEIGHTS)
_LIGHTNESS, _LOG = np.float32(LIGHTNESS), np.float32(1 / math.log1p(LIGHTNESS))
_STRENGTH, _TINY, _KNEE, _HUE, _EPS = (np.float32(value) for value in (STRENGTH, TINY, KNEE, HUE, EPS))
_ZERO, _QUARTER, _HALF, _ONE, _THREE = (np.float32(value) for value in (0, 0.25, 0.5, 1, 3))
# sums may be reordered and contracted; NaN and infinity keep their meaning
_compiled = njit(nogil=True, cache=True, fastmath={'contract', 'reassoc', 'nsz'}, error_model='numpy')
_inlined = njit(inline='always', fastmath={'contract', 'reassoc', 'nsz'}, error_model='numpy')


@_inlined
def _placed(at: int, size: int, cells: int) -> tuple[int, int, Real]:
    """The cell before a pixel's center, the one behind it, and the weight of that, as `F.interpolate` has them."""
    place = min(max((at + 0.5) * (cells / size) - 0.5, 0.0), cells - 1.0)
    before = int(place)
    return before, min(before + 1, cells - 1), np.float32(place - before)


@intrinsic
def _mix(typing: Any, line: Any, left: Any, right: Any, a: Any, b: Any, c: Any, d: Any,
         mixed: Any) -> tuple[Any, Callable]:
    """Writes a sum of four cells' maps into `mixed`, (`MAPS`, ); a, b weigh the two at `left`, c, d those at `right`.

    One vector instruction a step: of a loop over the coefficients LLVM makes none, and `brighten` takes twice as long.
    `line` is contiguous, `left` and `right` count its floats.
    """
    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector, number = ir.VectorType(ir.FloatType(), MAPS), ir.IntType(32)
        cells, target = (builder.bitcast(
            context.make_array(signature.args[at])(context, builder, arguments[at]).data, ir.FloatType().as_pointer())
            for at in (0, 7))
        undefined = ir.Constant(vector, ir.Undefined)

        def loaded(at: Any, behind: int) -> Any:
            place = builder.gep(cells, [builder.add(at, ir.Constant(at.type, behind))])
            return builder.load(builder.bitcast(place, vector.as_pointer()), align=4)

        def spread(weight: Any) -> Any:
            first = builder.insert_element(undefined, weight, number(0))
            return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(number, MAPS), [0] * MAPS))

        total = ir.Constant(vector, [0.0] * MAPS)
        for at, behind, weight in zip((1, 1, 2, 2), (0, MAPS, 0, MAPS), arguments[3:7]):
            part = builder.fmul(loaded(arguments[at], behind), spread(weight), flags=['contract'])
            total = builder.fadd(total, part, flags=['contract'])
        builder.store(total, builder.bitcast(target, vector.as_pointer()), align=4)
        return context.get_dummy_value()

    weights = (types.float32, ) * 4
    return types.void(line, types.intp, types.intp, *weights, mixed), lowered


@_inlined
def _all_placed(size: int, cells: int) -> tuple[Samples, Samples, Samples]:
    """`_placed` of every pixel of a row."""
    before, behind, weight = np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.float32)
    for at in range(size):
        before[at], behind[at], weight[at] = _placed(at, size, cells)
    return before, behind, weight


@_compiled
def brighten(low: Samples, grid: Samples, share: Samples, out: Samples, first: int, last: int, top: int,
             planes: Samples, variance: Samples, start: int, stop: int) -> None:
    """The brightened picture, its luma and color differences, and the variance of its noise at half the size.

    Args:
        low: the whole picture, (3, H, W), in any layout.
        grid: (rows, columns, levels, `MAPS`), contiguous.
        share: (h, w), or (1, 1) of a one.
        out: to be written from row `first` to `last`, as `low`.
        top: row of the picture that is the first of the planes; beyond the last row and column these repeat.
        planes: to be written, (3, 2 h, 2 w), from row 2 `start` to 2 `stop`.
        variance: likewise, (h, w), times `STRENGTH`.
    """
    rows, columns, levels, _ = grid.shape
    height, width = low.shape[1:]
    line = np.empty((columns, levels, MAPS), np.float32)
    shares, own = np.empty(share.shape[1], np.float32), np.empty(MAPS, np.float32)
    left, right, across = _all_placed(width, columns)
    share_left, share_right, share_across = _all_placed(width, share.shape[1])
    for half in range(start, stop):
        for y in range(2 * half, 2 * half + 2):
            row = min(top + y, height - 1)
            upper, lower, weight = _placed(row, height, rows)
            for c in range(columns):
                for level in range(levels):
                    for k in range(MAPS):
                        line[c, level, k] = grid[upper, c, level, k] + weight * (
                            grid[lower, c, level, k] - grid[upper, c, level, k])
            upper, lower, weight = _placed(row, height, share.shape[0])
            for c in range(share.shape[1]):
                shares[c] = share[upper, c] + weight * (share[lower, c] - share[upper, c])
            wanted = first <= top + y < last
            for x in range(planes.shape[2]):
                column = min(x, width - 1)
                red, green, blue = low[0, row, column], low[1, row, column], low[2, row, column]
                light = min(max(_RED * red + _GREEN * green + _BLUE * blue, _ZERO), _ONE)
                place = np.float32(math.log(_ONE + _LIGHTNESS * light)) * _LOG * np.float32(levels - 1)
                level = min(max(int(place), 0), levels - 2)
                down = place - np.float32(level)
                ahead = across[column]
                step, along = _ONE - down, _ONE - ahead
                _mix(line, (left[column] * levels + level) * MAPS,  # type: ignore[call-arg]  # Numba gives the first
                     (right[column] * levels + level) * MAPS,
                     along * step, along * down, ahead * step, ahead * down, own)
                part = shares[share_left[column]]
                part += share_across[column] * (shares[share_right[column]] - part)
                bright_red = red + part * (own[9] + own[0] * red + own[3] * green + own[6] * blue)
                bright_green = green + part * (own[10] + own[1] * red + own[4] * green + own[7] * blue)
                bright_blue = blue + part * (own[11] + own[2] * red + own[5] * green + own[8] * blue)
                noise = part * own[12]
                if wanted and x < width:
                    out[0, row, x], out[1, row, x], out[2, row, x] = bright_red, bright_green, bright_blue
                luma = _RED * bright_red + _GREEN * bright_green + _BLUE * bright_blue
                planes[0, y, x] = luma
                planes[1, y, x] = bright_blue - luma
                planes[2, y, x] = bright_red - luma
                noise *= noise * _STRENGTH * _QUARTER
                if y % 2 == 0 and x % 2 == 0:
                    variance[half, x // 2] = noise
                else:
                    variance[half, x // 2] += noise


@_compiled
def halve(planes: Samples, halves: Samples, scale: Real, start: int, stop: int) -> None:
    """Means of two by two pixels, times `scale`: (n, 2 h, 2 w) to (n, h, w), rows `start` to `stop` of these."""
    factor = np.float32(scale) * _QUARTER
    for n in range(halves.shape[0]):
        for y in range(start, stop):
            for x in range(halves.shape[2]):
                halves[n, y, x] = factor * (planes[n, 2 * y, 2 * x] + planes[n, 2 * y, 2 * x + 1]
                                            + planes[n, 2 * y + 1, 2 * x] + planes[n, 2 * y + 1, 2 * x + 1])


@_inlined
def _between(halves: Samples, y: int, line: Samples) -> None:
    """Row y of a plane of twice the size before its columns are doubled, with a border that repeats: (w + 2)."""
    half = y // 2
    other = max(half - 1, 0) if y % 2 == 0 else min(half + 1, halves.shape[0] - 1)
    width = halves.shape[1]
    for x in range(width):
        line[x + 1] = halves[half, x] + _QUARTER * (halves[other, x] - halves[half, x])
    line[0], line[width + 1] = line[1], line[width]


@_compiled
def measure(planes: Samples, halves: Samples, energy: Samples, start: int, stop: int) -> None:
    """Energy of a band, at half the size: means over two by two pixels of (plane - halves doubled)^2, (n, h, w)."""
    line = np.empty(halves.shape[2] + 2, np.float32)
    for n in range(halves.shape[0]):
        for half in range(start, stop):
            for x in range(halves.shape[2]):
                energy[n, half, x] = 0
            for y in range(2 * half, 2 * half + 2):
                _between(halves[n], y, line)
                for x in range(halves.shape[2]):
                    own = line[x + 1]
                    left = planes[n, y, 2 * x] - (own + _QUARTER * (line[x] - own))
                    right = planes[n, y, 2 * x + 1] - (own + _QUARTER * (line[x + 2] - own))
                    energy[n, half, x] += _QUARTER * (left * left + right * right)


@_compiled
def weigh(energy: Samples, variance: Samples, scale: Real, ratio: Samples, start: int, stop: int) -> None:
    """The share of every band that is noise, (n, h, w): its variance (h, w) over the energy around, at most 1."""
    height, width = energy.shape[1:]
    line = np.empty(width + 2, np.float32)
    for n in range(energy.shape[0]):
        factor = scale if n else _ONE
        for y in range(start, stop):
            first, last = max(y - 1, 0), min(y + 1, height - 1)
            rows = np.float32(last - first + 1)
            for x in range(width):
                line[x + 1] = energy[n, y, x]
            for other in (y - 1, y + 1):
                if 0 <= other < height:
                    for x in range(width):
                        line[x + 1] += energy[n, other, x]
            line[0] = line[width + 1] = _ZERO
            for x in range(width):
                columns = _THREE - np.float32(x == 0) - np.float32(x == width - 1)
                mean = (line[x] + line[x + 1] + line[x + 2]) / (rows * columns)
                own = variance[y, x] * factor
                ratio[n, y, x] = own / max(max(mean, own), _TINY)


@_compiled
def part(planes: Samples, halves: Samples, ratio: Samples, below: Samples, start: int, stop: int) -> None:
    """The noise of a band and of what lies below it, in the place of the planes.

    Args:
        planes: (n, 2 h, 2 w), rows 2 `start` to 2 `stop` are overwritten.
        halves, ratio: (n, h, w).
        below: noise of the bands below, (n, h, w); (n, 0, 0) for none.
    """
    width = halves.shape[2]
    smooth, share = np.empty(width + 2, np.float32), np.empty(width + 2, np.float32)
    noise = np.zeros(width + 2, np.float32)
    for n in range(halves.shape[0]):
        for y in range(2 * start, 2 * stop):
            _between(halves[n], y, smooth)
            _between(ratio[n], y, share)
            if below.shape[1]:
                _between(below[n], y, noise)
            for x in range(width):
                for side in range(2):
                    near, far = x + 1, x + 2 * side
                    band = planes[n, y, 2 * x + side] - (smooth[near] + _QUARTER * (smooth[far] - smooth[near]))
                    own = (share[near] + _QUARTER * (share[far] - share[near])) * band
                    planes[n, y, 2 * x + side] = own + noise[near] + _QUARTER * (noise[far] - noise[near])


@_compiled
def subtract(noise: Samples, out: Samples, start: int, stop: int) -> None:
    """Takes noise, as luma and color differences (3, h, w), from a picture (3, H, W) no larger; rows as of `part`."""
    to_red, to_blue = _RED / _GREEN, _BLUE / _GREEN
    for y in range(start, stop):
        for x in range(out.shape[2]):
            luma, blue, red = noise[0, y, x], noise[1, y, x], noise[2, y, x]
            out[0, y, x] -= luma + red
            out[1, y, x] -= luma - (to_red * red + to_blue * blue)
            out[2, y, x] -= luma + blue


@_inlined
def _curve(value: Real, white: Real) -> Real:
    """Reinhard et al.'s curve above the knee, see `tone.with_soft_highlights`."""
    t = (value - _KNEE) / (_ONE - _KNEE)
    return _KNEE + (_ONE - _KNEE) * t * (_ONE + t / (white * white)) / (_ONE + t) if t > 0 else value


@_compiled
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


@_inlined
def _softened(value: Real, hue: Real, top: Real) -> Real:
    bent = _curve(value, top)
    return bent + _HUE * (value * hue - bent)


@_compiled
def unpack(frame: Samples, planes: Samples, start: int, stop: int) -> None:
    """A frame (H, W, 3) of whole numbers as planes (3, H, W) in [0, 1]; rows `start` to `stop`."""
    factor = _ONE / np.float32(np.iinfo(frame.dtype).max)
    for y in range(start, stop):
        for c in range(3):
            for x in range(frame.shape[1]):
                planes[c, y, x] = np.float32(frame[y, x, c]) * factor


@_compiled
def pack(planes: Samples, bend: Real, frame: Samples, start: int, stop: int) -> None:
    """Planes (3, H, W) in [0, 1], bent to x + bend x (1 - x), as a frame (H, W, 3) of whole numbers, rounded."""
    factor, bow = np.float32(np.iinfo(frame.dtype).max), np.float32(bend)
    for y in range(start, stop):
        for c in range(3):
            for x in range(frame.shape[1]):
                value = planes[c, y, x]
                frame[y, x, c] = np.int32((value + bow * value * (_ONE - value)) * factor + _HALF)
