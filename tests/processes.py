"""Other processes: what they run in, and waiting until something has happened, however busy the machine is."""
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 240  # seconds, of pytest's 600 for a test
PAUSE = 0.05  # seconds between two looks
RANKS = 2
# Linux's PR_SET_PDEATHSIG with SIGKILL, which outlives exec: whoever kills the tests leaves no process behind
TIED = """
import ctypes, os, sys
if sys.platform.startswith('linux'):
    ctypes.CDLL(None).prctl(1, 9)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
RANK = """
import sys
import torch
import torch.distributed
torch.set_num_threads(1)
rank, folder = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group('gloo', f'file://{{folder}}/rendezvous', rank=rank, world_size={ranks})
{code}
torch.save(found, f'{{folder}}/rank{{rank}}.pt')
torch.distributed.barrier()
torch.distributed.destroy_process_group()  # its threads, left to the interpreter's end, may abort the process
"""


def environment(*path: Path, **variables: str) -> dict[str, str]:
    """This process's environment with one thread, and with this checkout and other folders to import from."""
    return dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=os.pathsep.join(map(str, (ROOT, *path))), **variables)


@contextmanager
def started(*command: str, **options) -> Iterator[subprocess.Popen]:
    """Python in a process of its own, which ends when the block does, or the tests, if not before.

    Args:
        command: of Python.
        options: of `subprocess.Popen`.
    """
    process = subprocess.Popen([sys.executable, '-c', TIED, *command], **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until(happened: Callable[[], object], process: subprocess.Popen | None = None) -> None:
    """Returns as soon as something has happened; fails the test if the process ends before, or patience does."""
    end = time.monotonic() + PATIENCE
    while not happened():
        if process is not None and process.poll() is not None:
            if happened():
                return
            pytest.fail(f'the process ended with {process.returncode} before it happened')
        if time.monotonic() > end:
            pytest.fail(f'it did not happen within {PATIENCE} seconds')
        time.sleep(PAUSE)


def run_ranks(code: str, folder: Path, *path: Path) -> list[dict]:
    """Runs code in the processes of one group, which know `rank` and leave tensors and plain values in `found`.

    Args:
        code: of each.
        folder: for their files.
        path: folders to import from, beside this checkout.

    Returns:
        what was found, by rank.
    """
    script = folder / 'rank.py'
    script.write_text(RANK.format(code=code, ranks=RANKS))
    logs = [folder / f'rank{rank}.log' for rank in range(RANKS)]
    with ExitStack() as stack:
        running = []
        for rank, log in enumerate(logs):
            file = stack.enter_context(open(log, 'wb'))
            running.append(stack.enter_context(started(
                str(script), str(rank), str(folder), stdout=file, stderr=file,
                env=environment(*path, CUDA_VISIBLE_DEVICES=''))))
        wait_until(lambda: any(p.poll() for p in running) or all(p.poll() == 0 for p in running))
    for process, log in zip(running, logs):
        assert process.returncode == 0, log.read_text()[-3000:]
    return [torch.load(folder / f'rank{rank}.pt', weights_only=True) for rank in range(RANKS)]
