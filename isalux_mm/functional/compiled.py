"""Kernels of fast mode, compiled by Numba: one pass where PyTorch takes twenty (ours).

What they compute stands in `bilateral_grid` and `noise_removal`, which the tests hold them to. A kernel works
on a range of rows, so that threads share a picture; none needs what another thread writes.
"""
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import literal_unroll, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from isalux_mm.functional.bilateral_grid import LIGHTNESS
from isalux_mm.functional.illumination import LUMA_WEIGHTS
from isalux_mm.functional.noise_removal import BLOCK, GAIN, STRENGTH, TINY, WINDOW

assert WINDOW == 3, 'the kernels spell the window out'
Samples = np.ndarray
Real = Any  # float32, for Numba
MAPS = 16  # floats of a cell, see `laid_out`
_RED, _GREEN, _BLUE = (np.float32(weight) for weight in LUMA_WEIGHTS)
_LIGHTNESS, _LOG = np.float32(LIGHTNESS), np.float32(1 / math.log1p(LIGHTNESS))
_STRENGTH, _TINY = np.float32(STRENGTH), np.float32(TINY)
_ZERO, _QUARTER, _HALF, _ONE, _THREE = (np.float32(value) for value in (0, 0.25, 0.5, 1, 3))
_BLOCK, _SHARE, _GAIN = BLOCK, np.float32(1 / BLOCK**2), np.float32(GAIN)
_HALF_ROOT = 0x3F3504F3  # the bits of the root of a half
_LOG_TWO = np.float32(math.log(2))
_LOGARITHM = tuple(np.float32(factor) for factor in (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
    2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1))
# sums may be reordered and contracted; NaN and infinity keep their meaning
kernel = njit(nogil=True, cache=True, fastmath={'contract', 'reassoc', 'nsz'}, error_model='numpy')
inlined = njit(inline='always', fastmath={'contract', 'reassoc', 'nsz'}, error_model='numpy')


@inlined
def _placed(at: int, size: int, cells: int) -> tuple[int, int, Real]:
    """The cell before a pixel's center, the one behind it, and the weight of that, as `F.interpolate` has them."""
    place = min(max((at + 0.5) * (cells / size) - 0.5, 0.0), cells - 1.0)
    before = int(place)
    return before, min(before + 1, cells - 1), np.float32(place - before)


@intrinsic
def _change(typing: Any, line: Any, left: Any, right: Any, weights: Any, color: Any, at: Any,
            change: Any) -> tuple[Any, Callable]:
    """Writes what the mean of four cells' maps adds to a color, and its noise, to `change[at]`, (4, ).

    In vectors of a map's length and without a loop: of one over the coefficients LLVM makes none, and it takes three
    times as long. `line` and `change`, (n, 4), are contiguous; `left` and `right` count the floats of `line`. The first
    two of four `weights` are for the cells at `left`, the others for those at `right`. `color` is (red, green, blue).
    """
    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector, number, real = ir.VectorType(ir.FloatType(), MAPS), ir.IntType(32), ir.FloatType()
        cells, target = (builder.bitcast(
            context.make_array(signature.args[k])(context, builder, arguments[k]).data, real.as_pointer())
            for k in (0, 6))

        def loaded(place: Any, behind: int) -> Any:
            place = builder.gep(cells, [builder.add(place, ir.Constant(place.type, behind))])
            return builder.load(builder.bitcast(place, vector.as_pointer()), align=4)

        def shuffled(of: Any, lanes: list[int]) -> Any:
            return builder.shuffle_vector(of, ir.Constant(of.type, ir.Undefined),
                                          ir.Constant(ir.VectorType(number, len(lanes)), lanes))

        def gathered(reals: list[Any]) -> Any:
            found = ir.Constant(ir.VectorType(real, len(reals)), ir.Undefined)
            for k, value in enumerate(reals):
                found = builder.insert_element(found, value, number(k))
            return found

        def summed(one: Any, other: Any) -> Any:
            return builder.fadd(one, other, flags=['contract'])

        shares, total = gathered(cgutils.unpack_tuple(builder, arguments[3])), None
        for k, (place, behind) in enumerate(((1, 0), (1, MAPS), (2, 0), (2, MAPS))):
            part = builder.fmul(loaded(arguments[place], behind), shuffled(shares, [k] * MAPS), flags=['contract'])
            total = part if total is None else summed(total, part)
        known = gathered([*cgutils.unpack_tuple(builder, arguments[4]), ir.Constant(real, 1.0)])
        parts = builder.fmul(total, shuffled(known, [k // 4 for k in range(MAPS)]), flags=['contract'])
        halves = summed(shuffled(parts, [*range(8)]), shuffled(parts, [*range(8, 16)]))
        result = summed(shuffled(halves, [*range(4)]), shuffled(halves, [*range(4, 8)]))
        place = builder.gep(target, [builder.mul(arguments[5], ir.Constant(arguments[5].type, 4))])
        builder.store(result, builder.bitcast(place, result.type.as_pointer()), align=4)
        return context.get_dummy_value()

    reals = types.UniTuple(types.float32, 4), types.UniTuple(types.float32, 3)
    return types.void(line, types.intp, types.intp, *reals, types.intp, change), lowered


@inlined
def _all_placed(size: int, cells: int) -> tuple[Samples, Samples, Samples]:
    """`_placed` of every pixel of a row."""
    before, behind, weight = np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.float32)
    for at in range(size):
        before[at], behind[at], weight[at] = _placed(at, size, cells)
    return before, behind, weight


@inlined
def _lightness(luma: Samples, into: Samples) -> None:
    """`bilateral_grid.lightness_of` of a row, (w, ); `luma` is lost.

    The logarithm in steps of which LLVM makes vectors, ten times as fast as a call for each: a power of two, and a
    polynomial of what is left, within [-.3, .42] around one, of Cephes' logf (Moshier), to a unit of the last place.
    """
    bits = luma.view(np.int32)
    for x in range(len(luma)):
        luma[x] = _ONE + _LIGHTNESS * min(max(luma[x], _ZERO), _ONE)
    for x in range(len(luma)):
        power = (bits[x] - _HALF_ROOT) >> 23
        bits[x] -= power << 23
        into[x] = np.float32(power)
    for x in range(len(luma)):
        left = luma[x] - _ONE
        series = _LOGARITHM[0]
        for factor in literal_unroll(_LOGARITHM[1:]):
            series = series * left + factor
        square = left * left
        into[x] = (series * left * square - _HALF * square + left + into[x] * _LOG_TWO) * _LOG


@kernel
def measure_blocks(image: Samples, deviation: Samples, place: Samples, start: int, stop: int) -> None:
    """Deviation and mean lightness of the blocks of `noise_removal.noise_levels`, (h, w) each, rows `start` to `stop`.

    image: (3, H, W), in any layout.
    """
    width = _BLOCK * deviation.shape[1] + 2
    luma, light = np.empty(width, np.float32), np.empty(width, np.float32)
    second = np.empty((3, width - 2), np.float32)  # differences along three rows
    lights, squares = np.empty(width - 2, np.float32), np.empty(width - 2, np.float32)
    for down in range(start, stop):
        lights[:], squares[:] = _ZERO, _ZERO
        for y in range(_BLOCK + 2):
            row = down * _BLOCK + y
            for x in range(width):
                luma[x] = _RED * image[0, row, x] + _GREEN * image[1, row, x] + _BLUE * image[2, row, x]
            last = second[y % 3]
            for x in range(width - 2):
                last[x] = luma[x] - luma[x + 1] - luma[x + 1] + luma[x + 2]
            if 1 <= y <= _BLOCK:
                _lightness(luma, light)
                for x in range(width - 2):
                    lights[x] += light[x + 1]
            if y >= 2:
                first, middle = second[(y - 2) % 3], second[(y - 1) % 3]
                for x in range(width - 2):
                    value = first[x] - middle[x] - middle[x] + last[x]
                    squares[x] += value * value
        for across in range(deviation.shape[1]):
            own, energy = _ZERO, _ZERO
            for x in range(_BLOCK * across, _BLOCK * (across + 1)):
                own += lights[x]
                energy += squares[x]
            deviation[down, across] = math.sqrt(energy * _SHARE / _GAIN)
            place[down, across] = own * _SHARE


@kernel
def brighten(low: Samples, grid: Samples, share: Samples, out: Samples, first: int, last: int, top: int,
             planes: Samples, variance: Samples, start: int, stop: int) -> None:
    """The brightened picture, its luma and color differences, and the variance of its noise at half the size.

    Args:
        low: the whole picture, (3, H, W), in any layout.
        grid: of `laid_out`, (rows, columns, levels, `MAPS`), contiguous.
        share: (h, w), or (1, 1) of a one.
        out: to be written from row `first` to `last`, as `low`.
        top: row of the picture that is the first of the planes; beyond the last row and column these repeat.
        planes: to be written, (3, 2 h, 2 w), from row 2 `start` to 2 `stop`.
        variance: likewise, (h, w), times `STRENGTH`.
    """
    rows, columns, levels, _ = grid.shape
    height, width = low.shape[1:]
    line = np.empty((columns, levels, MAPS), np.float32)
    picture, light, luma = (np.empty((3, width), np.float32), np.empty(width, np.float32), np.empty(width, np.float32))
    change, noise = np.empty((width, 4), np.float32), np.empty(planes.shape[2], np.float32)
    shares = np.empty(share.shape[1], np.float32)
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
            for c in range(3):
                for x in range(width):
                    picture[c, x] = low[c, row, x]
            for x in range(width):
                luma[x] = _RED * picture[0, x] + _GREEN * picture[1, x] + _BLUE * picture[2, x]
            _lightness(luma, light)
            for x in range(width):
                place = light[x] * np.float32(levels - 1)
                level = min(max(int(place), 0), levels - 2)
                down, ahead = place - np.float32(level), across[x]
                step, along = _ONE - down, _ONE - ahead
                _change(line, (left[x] * levels + level) * MAPS,  # type: ignore[call-arg]  # Numba gives the first
                        (right[x] * levels + level) * MAPS,
                        (along * step, along * down, ahead * step, ahead * down),
                        (picture[0, x], picture[1, x], picture[2, x]), x, change)
            for x in range(width):
                part = shares[share_left[x]]
                luma[x] = part + share_across[x] * (shares[share_right[x]] - part)
            for x in range(width):
                for c in range(3):
                    picture[c, x] += luma[x] * change[x, c]
                noise[x] = luma[x] * change[x, 3]
            if first <= top + y < last:
                for c in range(3):
                    for x in range(width):
                        out[c, row, x] = picture[c, x]
            for x in range(width):
                bright = _RED * picture[0, x] + _GREEN * picture[1, x] + _BLUE * picture[2, x]
                planes[0, y, x] = bright
                planes[1, y, x] = picture[2, x] - bright
                planes[2, y, x] = picture[0, x] - bright
            for x in range(width, planes.shape[2]):
                for c in range(3):
                    planes[c, y, x] = planes[c, y, width - 1]
                noise[x] = noise[width - 1]
            for x in range(variance.shape[1]):
                one, other = noise[2 * x], noise[2 * x + 1]
                squares = (one * one + other * other) * (_STRENGTH * _QUARTER)
                variance[half, x] = squares + (variance[half, x] if y % 2 else _ZERO)


@kernel
def halve(planes: Samples, halves: Samples, scale: Real, start: int, stop: int) -> None:
    """Means of two by two pixels, times `scale`: (n, 2 h, 2 w) to (n, h, w), rows `start` to `stop` of these."""
    factor = np.float32(scale) * _QUARTER
    for n in range(halves.shape[0]):
        for y in range(start, stop):
            for x in range(halves.shape[2]):
                halves[n, y, x] = factor * (planes[n, 2 * y, 2 * x] + planes[n, 2 * y, 2 * x + 1]
                                            + planes[n, 2 * y + 1, 2 * x] + planes[n, 2 * y + 1, 2 * x + 1])


@inlined
def _between(halves: Samples, y: int, line: Samples) -> None:
    """Row y of a plane of twice the size before its columns are doubled, with a border that repeats: (w + 2)."""
    half = y // 2
    other = max(half - 1, 0) if y % 2 == 0 else min(half + 1, halves.shape[0] - 1)
    width = halves.shape[1]
    for x in range(width):
        line[x + 1] = halves[half, x] + _QUARTER * (halves[other, x] - halves[half, x])
    line[0], line[width + 1] = line[1], line[width]


@kernel
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


@kernel
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


@kernel
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


@kernel
def subtract(noise: Samples, out: Samples, start: int, stop: int) -> None:
    """Takes noise, as luma and color differences (3, h, w), from a picture (3, H, W) no larger; rows as of `part`."""
    to_red, to_blue = _RED / _GREEN, _BLUE / _GREEN
    for y in range(start, stop):
        for x in range(out.shape[2]):
            luma, blue, red = noise[0, y, x], noise[1, y, x], noise[2, y, x]
            out[0, y, x] -= luma + red
            out[1, y, x] -= luma - (to_red * red + to_blue * blue)
            out[2, y, x] -= luma + blue
