"""When kernels of `compiled` may be used, and threads that share their rows (ours)."""
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

ROWS = 8  # ours: fewer a thread are not worth it


@cache
def is_installed() -> bool:
    """Whether Numba is (extra `[fast]`)."""
    return find_spec('numba') is not None


def is_compilable(*images: Tensor) -> bool:
    """Whether kernels can take PyTorch's place: Numba is there, float32 on a CPU, nothing traces or differentiates."""
    watched = torch.compiler.is_compiling() or torch.jit.is_tracing() or torch.is_grad_enabled() and any(
        image.requires_grad for image in images)
    return not watched and all(x.device.type == 'cpu' and x.dtype == torch.float32 for x in images) and is_installed()


def in_rows(kernel: Callable[..., Any], rows: int, *arguments: Any) -> list[Any]:
    """Calls kernel(*arguments, start, stop) for ranges that make up all rows, in as many threads as PyTorch has."""
    threads = min(torch.get_num_threads(), max(rows // ROWS, 1))
    if threads == 1:
        return [kernel(*arguments, 0, rows)]
    edges = [rows * i // threads for i in range(threads + 1)]
    return list(_pool(threads).map(lambda ends: kernel(*arguments, *ends), _pairs(edges)))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, 'isalux-rows')


def _pairs(edges: list[int]) -> Iterator[tuple[int, int]]:
    return zip(edges[:-1], edges[1:])
