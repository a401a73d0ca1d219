"""One place for clear errors: shapes, ranges, choices. Every message names the argument, the expectation, the find."""
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from numbers import Integral, Real
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
    """Raises a `ValueError` if `value` is no number in [low, high]."""
    if not (isinstance(value, Real) and low <= value <= high):
        raise ValueError(f'{name} must be in [{low}, {high}], got {shown(value)}')


def check_positive(value: float, name: str) -> None:
    """Raises a `ValueError` if `value` is no finite number above 0."""
    if not (is_number(value) and value > 0):
        raise ValueError(f'{name} must be positive, got {shown(value)}')


def check_count(value: int, name: str, least: int = 1) -> None:
    """Raises a `ValueError` if `value` is no whole number of `least` or more."""
    if not (is_whole(value) and value >= least):
        raise ValueError(f'{name} must be a whole number of {least} or more, got {shown(value)}')


def check_seed(value: int | None, name: str = 'seed') -> None:
    """Raises a `ValueError` if `value` is neither `None` nor a whole number of 0 or more."""
    if value is not None:
        check_count(value, name, 0)


def check_interval(values: Sequence[float], low: float, high: float, name: str) -> None:
    """Raises a `ValueError` if `values` are not two numbers, the lower first, in [low, high]."""
    fits = is_list(values) and len(values) == 2 and all(map(is_number, values))
    if not (fits and low <= values[0] <= values[1] <= high):
        raise ValueError(f'{name} must be (lowest, highest) in [{low}, {high}], got {shown(values)}')


def check_size(values: Sequence[int], name: str) -> None:
    """Raises a `ValueError` if `values` are not a height and a width, whole numbers of 1 or more."""
    if not (is_list(values) and len(values) == 2 and all(is_whole(side) and side >= 1 for side in values)):
        raise ValueError(f'{name} must be (height, width), whole numbers of 1 or more, got {shown(values)}')


def check_names(values: Collection, name: str, least: int = 0) -> None:
    """Raises a `ValueError` if `values` are no list of names or whole numbers, or fewer than `least`."""
    fits = isinstance(values, Collection) and not isinstance(values, str | bytes | Mapping)
    if not (fits and len(values) >= least and all(isinstance(value, str) or is_whole(value) for value in values)):
        wanted = f'{least} or more names' if least else 'names'
        raise ValueError(f'{name} must be a list of {wanted}, got {shown(values)}')


def check_fields(changes: Any, kind: type, name: str) -> None:
    """Raises a `ValueError` if `changes` is no mapping, or has a key that is no field of `kind`, a dataclass."""
    names = [field.name for field in fields(kind)]
    if not isinstance(changes, Mapping):
        raise ValueError(f'{name} must be a mapping of {names}, got {shown(changes)}')
    unknown = [key for key in changes if key not in names]
    if unknown:
        raise ValueError(f'{name} must have no keys but {names}, got {unknown}')


def is_number(value: Any) -> bool:
    """Whether `value` is a number, neither NaN nor infinite."""
    return isinstance(value, Real) and math.isfinite(value)


def is_whole(value: Any) -> bool:
    """Whether `value` is a whole number; `True` and `False` are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_list(value: Any) -> bool:
    """Whether `value` is a list or tuple, or what acts as one; a string does not."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def shown(value: Any) -> str:
    """A value in an error: text in quotes, lists as tuples."""
    return repr(value) if isinstance(value, str | bytes) else str(tuple(value) if isinstance(value, list) else value)
