"""`dtype='auto'`: in which number format a network computes, by what was measured (ours; paper silent).

bfloat16 is chosen where the processor has instructions for it, every class of picture that was measured stays within
one level of 255 of float32, and time is won. Else float32 it is. The table is that of `tools/compare_dtypes.py`, of the
packaged models on a CPU (docs/speed.md); another processor may win more time, the differences are about the same.
"""
from typing import NamedTuple

import torch

AUTO = 'auto'
MOST_LEVELS = 1.0  # of 255
MOST_TIME = 0.9  # of float32's: less is not worth a difference


class Measured(NamedTuple):
    """What bfloat16 was measured to do to a class of pictures.

    Attributes:
        mode: of the inferencer.
        pictures: their class.
        levels: greatest difference from float32, levels of 255.
        time: CPU time over that in float32; `None` where it was not measured.
    """
    mode: str
    pictures: str
    levels: float
    time: float | None = None


MEASURED = (
    Measured('full', 'LOL-v1 eval15', 3.3),
    Measured('full', 'dark, without references', 1.5),
    Measured('full', 'photographs', 2.9),
    Measured('fast', 'LOL-v1 eval15', 2.5, 0.93),
    Measured('fast', 'dark, without references', 0.6, 1.05),
    Measured('fast', 'photographs', 0.4, 0.97))


def chosen_dtype(mode: str, device: torch.device) -> tuple[str, str]:
    """The number format for a mode on a device, and why.

    Returns:
        'float32' or 'bfloat16', and the reason in words.
    """
    if device.type != 'cpu':
        return 'float32', f'nothing was measured on {device.type}'
    if not has_bfloat16():
        return 'float32', 'this processor has no instructions for bfloat16'
    rows = [row for row in MEASURED if row.mode == mode]
    worst = max(rows, key=lambda row: row.levels)
    if worst.levels >= MOST_LEVELS:
        return 'float32', (f'bfloat16 differs by up to {worst.levels:g} levels of 255 in {mode} mode '
                           f'({worst.pictures}), less than {MOST_LEVELS:g} is asked for')
    times = [row.time for row in rows if row.time is not None]
    if not times or max(times) > MOST_TIME:
        return 'float32', f'bfloat16 was not found to be faster in {mode} mode'
    return 'bfloat16', f'within {worst.levels:g} levels of 255 of float32 in {mode} mode, and faster'


def has_bfloat16() -> bool:
    """Whether PyTorch computes products in bfloat16 by instructions of this processor (AVX-512 BF16 or AMX)."""
    return any(bool(getattr(torch.cpu, name, lambda: False)())
               for name in ('_is_avx512_bf16_supported', '_is_amx_tile_supported'))
