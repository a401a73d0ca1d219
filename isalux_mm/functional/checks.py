"""One place for clear errors: shapes, ranges, choices. Every message names the argument, the expectation, the find."""
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor


def check_image(x: Any, layout: str = 'B 3 H W', name: str = 'image') -> None:
    """Checks that `x` is a floating-point tensor with the named layout.

    Args:
        x: what is checked.
        layout: axis names parted by spaces; a number demands that size, a letter any size from 1 up.
        name: the argument's name in the error.

    Raises:
        TypeError: if `x` is not a floating-point tensor.
        ValueError: if the number of axes or a fixed size differs, or an axis is empty.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f'{name} must be a tensor with axes ({layout}), got {type(x).__name__}')
    if not x.is_floating_point():
        raise TypeError(f'{name} must be floating point in [0, 1], got {x.dtype}')
    axes = layout.split()
    fits = x.dim() == len(axes) and all(
        size == int(axis) if axis.isdigit() else size > 0 for axis, size in zip(axes, x.shape))
    if not fits:
        raise ValueError(f'{name} must have axes ({layout}), got shape {tuple(x.shape)}')


def check_finite(x: Tensor, name: str = 'image') -> None:
    """Checks that `x` holds no NaN and no infinity (reads the data: synchronizes with a GPU).

    Raises:
        ValueError: if a value is not finite; the message counts them.
    """
    if torch.isfinite(x.sum()):  # a sum has every NaN and infinity in it, and takes no memory
        return
    bad = int((~torch.isfinite(x)).sum())
    if bad:
        raise ValueError(f'{name} must be finite, got {bad} NaN or infinite values of {x.numel()}')


def check_choice(value: Any, choices: Collection, name: str) -> None:
    """Raises a `ValueError` that lists `choices` if `value` is none of them."""
    if value not in choices:
        raise ValueError(f'{name} must be one of {sorted(choices, key=str)}, got {value!r}')


def check_range(value: float, low: float, high: float, name: str) -> None:
    """Raises a `ValueError` if `value` is outside [low, high]."""
    if not low <= value <= high:
        raise ValueError(f'{name} must be in [{low}, {high}], got {value}')
