"""Fixed numbers as tensors, beside a tensor they work with."""
from collections.abc import Sequence

import torch
from torch import Tensor


def constants(values: Sequence[float], like: Tensor) -> Tensor:
    """Fixed numbers in the dtype and on the device of `like`, (N,).

    On an accelerator they are filled in there: a copy from the host would make both wait, and no CUDA graph takes it.
    """
    return like.new_tensor(values) if like.device.type == 'cpu' else filled(values, like)


def filled(values: Sequence[float], like: Tensor) -> Tensor:
    """`constants` without a copy, on any device."""
    return torch.cat([like.new_full((1, ), value) for value in values])
