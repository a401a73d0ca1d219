"""Measurements of one call: time, peak memory, FLOPs, dominating operators; and the machine's peak arithmetic."""
import ctypes
import gc
import multiprocessing
import os
import platform
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarking.rows import DTYPES, Setup, build_row, random_images

PRODUCT_SIDE = dict(cpu=2048, cuda=8192)  # ours; large enough that memory traffic does not count
PRODUCT_TRIALS = 3  # ours; the best counts, so that an interruption does not lower the peak
SMALL = (32, 32)  # image that loads libraries ahead of a measurement of memory
PROFILE_ROWS = 12  # ours
KIB = 1024


def timed(call: Callable[[], object], device: str) -> dict[str, float]:
    """Seconds of one call that has ended on the device too.

    Returns:
        `wall`; `cpu`, process CPU time of all threads; on a GPU also `gpu`, by events on the stream.
    """
    if device == 'cpu':
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        return dict(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    wall, cpu = time.perf_counter(), time.process_time()
    start.record()
    call()
    end.record()
    torch.cuda.synchronize()
    return dict(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu, gpu=start.elapsed_time(end) / 1e3)


def timed_burst(call: Callable[[], object], device: str, calls: int) -> float:
    """Seconds per call of several queued without waiting, which is what throughput on a GPU means."""

    def burst() -> None:
        for _ in range(calls):
            call()

    return timed(burst, device)['wall'] / calls


class MatrixProduct:
    """A large square matrix product, whose rate is taken as the machine's peak arithmetic.

    In float32 and in the run's type; the faster counts, because a processor without instructions for a short type
    computes faster in float32.

    Args:
        device: as in `Setup`.
        dtype: likewise.
        side: rows and columns; by default 2048 on a CPU, 8192 on a GPU.
    """

    def __init__(self, device: str, dtype: str, side: int | None = None):
        self.device, self.side = device, side or PRODUCT_SIDE[device]
        self.factors = [torch.rand(self.side, self.side, device=device, dtype=t)
                        for t in {torch.float32, DTYPES[dtype]}]
        self.rate()

    def rate(self) -> float:
        """FLOP/s now: 2 n^3 over the time of the fastest of three trials."""
        seconds = min(
            timed(partial(torch.mm, x, x), self.device)['wall'] for x in self.factors for _ in range(PRODUCT_TRIALS))
        return 2 * self.side**3 / seconds


def count_flops(call: Callable[[Tensor], Tensor], images: Tensor) -> int:
    """FLOPs of a forward, 2 per multiply-accumulate, of convolutions and matrix products.

    Not for calls with a backward: torch's counter takes that of a depthwise convolution for a dense one's.
    """
    counter = FlopCounterMode(display=False)
    with counter:
        call(images)
    return counter.get_total_flops()


def additional_memory(name: str, setup: Setup, size: tuple[int, int], *, batch_size: int, threads: int) -> int:
    """Bytes at the peak of one call above what was in use before it: output, activations and workspaces.

    On a CPU the peak resident set of a fresh process; on a GPU torch's own count. Weights, images and, in training,
    the optimizer's state are in use before.

    Raises:
        RuntimeError: if the process ends without a result, for want of memory, say.
    """
    if setup.device != 'cpu':
        return _device_memory(name, setup, size, batch_size)
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        try:
            return pool.submit(_resident_memory, name, setup, size, batch_size, threads).result()
        except BrokenProcessPool as error:
            raise RuntimeError('the process that measured memory was ended, most likely for want of memory') from error


def _device_memory(name: str, setup: Setup, size: tuple[int, int], batch_size: int) -> int:
    row, images = build_row(name, setup), random_images(size, batch_size, setup)
    row.call(images)  # compiles, and makes the optimizer's state
    torch.cuda.synchronize()
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    row.call(images)
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def _resident_memory(name: str, setup: Setup, size: tuple[int, int], batch_size: int, threads: int) -> int:
    torch.set_num_threads(threads)
    row = build_row(name, setup)
    row.call(random_images(SMALL, batch_size, setup))
    images = random_images(size, batch_size, setup)
    return resident_growth(lambda: row.call(images))


def resident_growth(call: Callable[[], object]) -> int:
    """Bytes at the peak of this process's resident set during a call above what it was before."""
    gc.collect()
    release_freed_memory()
    before = reset_resident_peak()
    call()
    return max(resident_peak() - before, 0)


def release_freed_memory() -> None:
    """Gives freed memory back to the system, where the C library (glibc) can."""
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
    if trim is not None:
        trim(0)


def reset_resident_peak() -> int:
    """Starts a new peak of the resident set and returns its size now, bytes.

    Where the system cannot reset the peak (not Linux) it is the highest so far.
    """
    try:
        Path('/proc/self/clear_refs').write_text('5')  # Linux: resets VmHWM, proc_pid_clear_refs(5)
        return _status_bytes('VmRSS')
    except OSError:
        return resident_peak()


def resident_peak() -> int:
    """Highest resident set of this process since the last reset, bytes."""
    try:
        return _status_bytes('VmHWM')
    except OSError:
        unit = 1 if platform.system() == 'Darwin' else KIB
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _status_bytes(field: str) -> int:
    """A size from /proc/self/status, which is in KiB."""
    for line in Path('/proc/self/status').read_text(encoding='ascii', errors='replace').splitlines():
        if line.startswith(field + ':'):
            return int(line.split()[1]) * KIB
    raise OSError(f'/proc/self/status has no field {field}')


def operators(call: Callable[[Tensor], Tensor], images: Tensor) -> list[dict]:
    """Operators, on a GPU kernels, by the time that they take themselves: name, calls, seconds, share of all."""
    on_gpu = images.is_cuda
    with profile(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]) as profiler:
        call(images)
        if on_gpu:
            torch.cuda.synchronize()
    rows = [(e.key, e.count, (e.self_device_time_total if on_gpu else e.self_cpu_time_total) / 1e6)
            for e in profiler.key_averages()]
    total = sum(seconds for *_, seconds in rows)
    rows.sort(key=lambda row: -row[2])
    return [dict(name=name, calls=count, seconds=seconds, share=seconds / total if total else 0.0)
            for name, count, seconds in rows]


def dominating_operators(call: Callable[[Tensor], Tensor], images: Tensor) -> list[dict]:
    """Those of the operators that take the most time; which they are may differ from run to run."""
    return operators(call, images)[:PROFILE_ROWS]


def describe_machine(device: str, threads: int) -> dict[str, object]:
    """Where the figures come from: processor, GPU, threads, versions, precision of products."""
    found: dict[str, object] = dict(
        cpu=cpu_name(), cores=os.cpu_count() or 1, threads=threads, system=platform.platform(terse=True),
        python=platform.python_version(), torch=torch.__version__)
    if device == 'cuda':
        found.update(
            gpu=torch.cuda.get_device_name(), cuda=torch.version.cuda, cudnn=torch.backends.cudnn.version(),
            tf32=f'products {torch.backends.cuda.matmul.allow_tf32}, convolutions {torch.backends.cudnn.allow_tf32}')
    return found


def cpu_name() -> str:
    """The processor's name."""
    try:
        for line in Path('/proc/cpuinfo').read_text(encoding='utf-8', errors='replace').splitlines():
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
