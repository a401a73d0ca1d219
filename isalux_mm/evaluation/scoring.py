"""Scores pictures by the measures of `evaluation.measures`, one after the other or in several processes.

Whatever the number of pictures, no more are in memory than are being measured.
"""
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing.connection import wait as wait_for
from pathlib import Path

import numpy as np
import torch

from isalux_mm.evaluation.measures import DARK_INPUT, MEASURES, REFERENCE
from isalux_mm.evaluation.protocols import Protocol
from isalux_mm.io.attempts import outcome, reason
from isalux_mm.io.picture_file import FULL_SCALE, read_picture

AHEAD = 2  # pictures handed out to each process, so that none waits


@dataclass(frozen=True)
class Task:
    """One picture to be scored.

    Attributes:
        method: whose result it is.
        image: its name within the folder.
        result: file.
        others: files by what they are: `REFERENCE`, `DARK_INPUT`.
    """
    method: str
    image: str
    result: Path
    others: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Score:
    """What a picture was scored.

    Attributes:
        task: the picture.
        values: by measure; NaN where a measure has no value for this picture.
        reasons: why, by measure.
        failure: why the picture could not be scored at all, or `None`.
    """
    task: Task
    values: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    failure: str | None = None


def read_exact(path: Path) -> np.ndarray:
    """A picture as (H, W, 3), float64, RGB in [0, 1]: integer samples over their full scale, not rounded to float32.

    Raises:
        ImageReadError: if it cannot be read.
    """
    picture = read_picture(path)
    scale = FULL_SCALE.get(picture.depth)
    image = picture.image.astype(np.float64)
    return image if scale is None else np.round(image * scale) / scale


def score(task: Task, measures: Sequence[str], protocol: Protocol | None = None) -> Score:
    """Scores one picture; what is wrong with it is in the score, and raises nothing.

    Args:
        task: the picture.
        measures: names.
        protocol: how pictures of another size are treated.
    """
    pictures = outcome(_pictures, task, protocol)
    if isinstance(pictures, BaseException):
        return Score(task, failure=reason(pictures))
    values, reasons = {}, {}
    for name in measures:
        measure = MEASURES[name]
        value = outcome(measure.function, pictures['result'], pictures[measure.needs or 'result'])
        values[name] = float('nan') if isinstance(value, BaseException) else float(value)
        if np.isnan(values[name]):
            reasons[name] = (reason(value) if isinstance(value, BaseException)
                             else 'it has no value for this picture')
    return Score(task, values, reasons)


def _pictures(task: Task, protocol: Protocol | None) -> dict[str, np.ndarray]:
    """The pictures of a task by kind, all of the result's size."""
    pictures = {kind: read_exact(path) for kind, path in dict(task.others, result=task.result).items()}
    if protocol is not None:
        pictures = {kind: protocol.fit(image) for kind, image in pictures.items()}
    result = pictures['result']
    for kind in (REFERENCE, DARK_INPUT):
        if kind in pictures and pictures[kind].shape != result.shape:
            raise ValueError(f'{task.result}: {_size(result)} pixels, {kind} {_size(pictures[kind])}')
    return pictures


def score_all(tasks: Sequence[Task], measures: Sequence[str], protocol: Protocol | None = None, *,
              workers: int = 1) -> Generator[Score, None, None]:
    """Scores pictures, in the order in which they are finished.

    An interruption lets the processes finish the pictures they are at, and ends them.

    Args:
        tasks: the pictures.
        measures: names.
        protocol: as in `score`.
        workers: processes; 1 works in this one.

    Raises:
        OSError: if a process was ended from outside, for want of memory say.
    """
    if workers <= 1 or len(tasks) < 2:
        yield from (score(task, measures, protocol) for task in tasks)
        return
    waiting, pending = iter(tasks), set[Future[Score]]()
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context('spawn'), initializer=_start_worker)
    try:
        while True:
            for task in waiting:
                pending.add(pool.submit(score, task, measures, protocol))
                if len(pending) >= AHEAD * workers:
                    break
            if not pending:
                return
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    except BrokenProcessPool as error:
        raise OSError('a process that scores pictures was ended from outside; fewer need less memory') from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    """One thread each; an interruption is the parent's business, and so is the parent's end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel, ), daemon=True).start()


def _end_with(sentinel: int, end: Callable[[int], None] = os._exit) -> None:
    """Waits until the parent is gone, however that came about, and ends this process."""
    wait_for([sentinel])
    end(1)


def _size(image: np.ndarray) -> str:
    return f'{image.shape[1]}x{image.shape[0]}'
