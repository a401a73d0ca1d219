"""The time that the slow tests may take together: after it none is begun."""
import os
import time

VARIABLE = 'ISALUX_SLOW_MINUTES'
STARTED = time.monotonic()


def is_used(seconds: float | None = None) -> bool:
    """Whether the minutes that are allowed, any number where none is set, are over.

    Args:
        seconds: since the start; by default those of this process.
    """
    minutes = os.environ.get(VARIABLE, '')
    return bool(minutes) and (time.monotonic() - STARTED if seconds is None else seconds) > 60 * float(minutes)
