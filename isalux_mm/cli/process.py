"""The process of a command that works on one large array after another, in several threads (ours)."""
import ctypes
import os
import platform

# glibc's numbers of its options, and what they become: large arrays come from the heap, whose free end stays
MMAP_MAX, TOP_PAD, TRIM_THRESHOLD = -4, -2, -1
PAD, KEPT = 64 * 2**20, 2**30  # bytes


def keep_memory() -> bool:
    """Has the allocator keep what large arrays leave, rather than give it back and have its pages faulted in again.

    For the rest of the process, so for commands alone.

    Returns:
        Whether there was something to be done: glibc's allocator.
    """
    if platform.libc_ver()[0] != 'glibc':
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all([mallopt(MMAP_MAX, 0), mallopt(TOP_PAD, PAD), mallopt(TRIM_THRESHOLD, KEPT)])


def let_threads_sleep() -> None:
    """Has OpenMP's threads sleep where they wait for one another, unless the environment says otherwise.

    By default they spin, which takes the processor from the threads that decode and encode: five times the CPU time on
    two busy cores. Only before torch is imported.
    """
    os.environ.setdefault('OMP_WAIT_POLICY', 'passive')
