"""Waiting for other processes: until something has happened, however busy the machine is."""
import subprocess
import time
from collections.abc import Callable

import pytest

PATIENCE = 240  # seconds, of pytest's 600 for a test
PAUSE = 0.05  # seconds between two looks


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
