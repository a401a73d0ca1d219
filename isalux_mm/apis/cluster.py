"""Pictures enhanced by many processes, of one machine or of a cluster, by Ray: the rules are those of one process.

Every worker holds one prepared network and takes a picture at a time. What a lost worker had in hand is given to
another one; its result, if it was written, is found there and is the same.
"""
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import torch

from isalux_mm.apis.inferencer import EnhanceInferencer
from isalux_mm.apis.jobs import EnhanceReport, Job, is_outdated, jobs_of
from isalux_mm.apis.progress import progress_bar
from isalux_mm.apis.sources import Source, check_path, gather, result_names
from isalux_mm.apis.tone import Tone
from isalux_mm.io.attempts import Attempts
from isalux_mm.io.stores import as_path, fetch, is_below, is_elsewhere, joined, pictures_in, store, there
from isalux_mm.io.whole_file import drafts_of

QUEUED = 2  # ours: pictures that a worker has in hand, so that it never waits for the next
LIVES = 3  # ours: workers that a picture may take along before it counts as failed
STORE = 100 * 2**20  # ours: bytes of a cluster's own store of objects, of which pictures are none
# ours: a machine in use starts processes slowly, and answers late; nothing is lost by waiting
PATIENCE = dict(worker_register_timeout_seconds=900, agent_register_timeout_ms=900_000,
                health_check_initial_delay_ms=60_000, health_check_timeout_ms=300_000)


@dataclass(frozen=True)
class Task:
    """One picture for a worker, wherever that runs.

    Attributes:
        index: place among the inputs.
        name: of the input, as a report names it.
        source: absolute path, or address.
        target: likewise, of the result.
        shown: of the result, as a report names it.
        overwrite: whether the result may be there.
        again: whether a worker that was lost had it in hand, and may have written it.
        lost: workers that were lost at work on it.
    """
    index: int
    name: str
    source: str
    target: str
    shown: str
    overwrite: bool
    again: bool = False
    lost: int = 0


@dataclass
class Outcome(Attempts):
    """What became of a task: of the attempts' names there is one, the task's.

    Attributes:
        index: the task's.
        lacks: what the result lacks.
    """
    index: int = 0
    lacks: tuple[str, ...] = ()


class Worker:
    """Enhances one picture after the other with one network.

    Args:
        build: makes the inferencer.
        tone: of the results.
        threads: that the network computes with.
    """

    def __init__(self, build: Callable[[], EnhanceInferencer], tone: Tone, threads: int):
        self.build, self.tone, self.threads = build, tone, threads

    def prepare(self) -> int:
        """Makes the inferencer; the process."""
        torch.set_num_threads(self.threads)
        self.inferencer = self.build()
        return os.getpid()

    def enhance(self, task: Task) -> Outcome:
        """Enhances one picture; what fails is reported, not raised."""
        outcome = Outcome(index=task.index)
        with outcome.attempt(task.name), TemporaryDirectory(prefix='isalux-') as folder:
            outcome.lacks = self._enhance(task, Path(folder), outcome)
        return outcome

    def _enhance(self, task: Task, folder: Path, outcome: Outcome) -> tuple[str, ...]:
        source = Path(task.source)
        if is_elsewhere(task.source):
            source = folder / 'in' / Path(task.source).name
            fetch(task.source, source)
        # a result that may be there already, of a worker that was lost, is made beside it and compared
        direct = not is_elsewhere(task.target) and (task.overwrite or not task.again)
        target = Path(task.target) if direct else folder / 'out' / Path(task.target).name
        report = self.inferencer.report = EnhanceReport()
        for batch in self.inferencer.preprocess([Job(0, Source(source, target), target, overwrite=task.overwrite)]):
            self.inferencer.postprocess(self.inferencer.forward(batch, tone=self.tone), [])
        for text, trace in zip(report.failed.values(), report.tracebacks.values()):
            outcome.failed[task.name], outcome.tracebacks[task.name] = text, trace
        if report.failed:
            return ()
        if not direct:
            address = task.target if is_elsewhere(task.target) else f'file://{task.target}'
            store(target, address, overwrite=task.overwrite, same=task.again)
        return report.lost.get(str(target), ())


@dataclass
class Crew:
    """The workers, and what each has in hand.

    Attributes:
        ray: the package.
        hire: starts a worker.
        starting: workers by what tells that they are ready.
        ready: workers.
        hands: of each worker's number, the tasks it has, the first of them at work.
        calls: worker's number and task, by what will hold the outcome.
        number: of the last worker.
        unstarted: workers that were lost before they were ready.
    """
    ray: ModuleType
    hire: Callable[[], Any]
    starting: dict[Any, Any] = field(default_factory=dict)
    ready: dict[int, Any] = field(default_factory=dict)
    hands: dict[int, list[Task]] = field(default_factory=dict)
    calls: dict[Any, tuple[int, Task]] = field(default_factory=dict)
    number: int = 0
    unstarted: int = 0

    def start(self) -> None:
        """Starts one more worker."""
        actor = self.hire()
        self.starting[actor.prepare.remote()] = actor

    def give(self, waiting: deque[Task]) -> None:
        """Hands out tasks to those who have a hand free, evenly."""
        for load in range(QUEUED):
            for number, actor in self.ready.items():
                if waiting and len(self.hands[number]) == load:
                    task = waiting.popleft()
                    self.hands[number].append(task)
                    self.calls[actor.enhance.remote(task)] = (number, task)

    def results(self, waiting: deque[Task]) -> Iterator[Outcome]:
        """What comes next: outcomes; what a lost worker had in hand goes back to those that wait.

        Raises:
            RuntimeError: if a worker cannot be started.
        """
        done, _ = self.ray.wait([*self.starting, *self.calls], num_returns=1)
        for reference in done:
            if reference in self.starting:
                self._welcome(reference, self.starting.pop(reference))
                continue
            number, task = self.calls.pop(reference)
            try:
                outcome = self.ray.get(reference)
            except self.ray.exceptions.RayActorError as error:
                yield from self._lost(number, error, waiting)
                return
            self.hands[number].remove(task)
            yield outcome

    def _welcome(self, reference: Any, actor: Any) -> None:
        """A worker that has started, or has not."""
        try:
            self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:  # no network could be prepared
            raise error.cause from error
        except self.ray.exceptions.RayActorError as error:
            self.unstarted += 1
            if self.unstarted >= LIVES:
                why = str(error).strip().splitlines()[-1].strip()  # the first tells of Ray alone
                raise RuntimeError(f'{LIVES} workers were lost at their start: {why}') from error
            self.start()
            return
        self.number += 1
        self.ready[self.number], self.hands[self.number] = actor, []

    def _lost(self, number: int, error: Exception, waiting: deque[Task]) -> Iterator[Outcome]:
        """A worker that is no more: its tasks wait again, and another one is started."""
        self.ready.pop(number, None)
        tasks = self.hands.pop(number)
        self.calls = {call: entry for call, entry in self.calls.items() if entry[0] != number}
        clear_away(tasks)
        again = [replace(task, again=True, lost=task.lost + (task is tasks[0])) for task in tasks]
        waiting.extendleft(reversed([task for task in again if task.lost < LIVES]))
        for task in again:
            if task.lost >= LIVES:
                outcome, why = Outcome(index=task.index), str(error).splitlines()[0]
                outcome.fail(task.name, RuntimeError(f'{LIVES} workers were lost over it: {why}'))
                yield outcome
        self.start()

    def dismiss(self) -> None:
        """Ends all workers; what they had begun is cleared away."""
        for actor in [*self.starting.values(), *self.ready.values()]:
            self.ray.kill(actor)
        clear_away([task for tasks in self.hands.values() for task in tasks])


def enhance_on_ray(inputs: str | Path | Sequence[str | Path],
                   out: str | Path,
                   *,
                   build: Callable[[], EnhanceInferencer] = EnhanceInferencer,
                   tone: Tone | None = None,
                   recursive: bool = True,
                   redo: bool = False,
                   workers: int | None = None,
                   threads: int = 1,
                   gpus: float = 0,
                   address: str | None = None,
                   show_progress: bool = True,
                   report: EnhanceReport | None = None) -> EnhanceReport:
    """Enhances pictures by the workers of a Ray cluster, with the rules of `EnhanceInferencer` on files.

    Files are taken and left at the same paths by every machine, on a file system that they share, or at addresses that
    fsspec knows. A picture that takes three workers along counts as failed.

    Args:
        inputs: paths, folders and patterns; or one address of a folder or a file, 's3://bucket/folder'.
        out: folder, or its address.
        build: makes a worker's inferencer; must pickle, and the package be installed on every machine.
        tone: of the results.
        recursive: whether sub-folders are read.
        redo: make results again that are there.
        workers: number of them; by default as many as the cluster's cores, or GPUs, allow.
        threads: cores of each.
        gpus: of each, a share of one too.
        address: of a cluster that is there, 'auto' for this machine's; by default one is started here and ended again.
        show_progress: whether a bar is shown.
        report: is filled; a new one by default.

    Returns:
        The report, as of `EnhanceInferencer`, in the order of the inputs.

    Raises:
        ImportError: if Ray is missing.
        ValueError: if a number is out of range, there is no picture, or a result would overwrite an input.
        RuntimeError: if no worker can be started.
    """
    if threads < 1 or gpus < 0 or (workers is not None and workers < 1):
        raise ValueError('threads and workers must be at least 1 and gpus at least 0, '
                         f'got {threads}, {workers} and {gpus}')
    report = EnhanceReport() if report is None else report
    tasks = tasks_of(inputs, out, report, recursive=recursive, redo=redo)
    outcomes: dict[int, Outcome] = {}
    try:
        if tasks:
            with running_ray(address) as ray:
                room = ray.cluster_resources()
                most = int(room.get('GPU', 0) / gpus) if gpus else int(room.get('CPU', 1) / threads)
                number = min(workers or max(most, 1), len(tasks))
                hire = ray.remote(num_cpus=threads, num_gpus=gpus, max_restarts=0)(Worker).remote
                crew = Crew(ray, lambda: hire(build, tone or Tone(), threads))
                with progress_bar('enhancing', len(tasks), shown=show_progress) as advance:
                    for outcome in worked_off(crew, tasks, number):
                        outcomes[outcome.index] = outcome
                        advance(1)
    finally:
        fill(report, tasks, outcomes)
    return report


def worked_off(crew: Crew, tasks: Sequence[Task], workers: int) -> Iterator[Outcome]:
    """The outcome of every task, as they come."""
    waiting, left = deque(tasks), len(tasks)
    try:
        for _ in range(workers):
            crew.start()
        while left:
            crew.give(waiting)
            for outcome in crew.results(waiting):
                left -= 1
                yield outcome
    finally:
        crew.dismiss()


def tasks_of(inputs: str | Path | Sequence[str | Path], out: str | Path, report: EnhanceReport, *,
             recursive: bool = True, redo: bool = False) -> list[Task]:
    """What is to be done; results that are there go to the report.

    Raises:
        ValueError: if an address stands beside other inputs, there is no picture, or a result would overwrite an input.
    """
    check_path('out', out)
    listed = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    remote = [str(one) for one in listed if is_elsewhere(one)]
    if remote and len(listed) > 1:
        raise ValueError(f'inputs must be paths, or one address alone, got {", ".join(map(str, listed))}')
    if remote:
        found = pictures_in(remote[0], recursive=recursive)
        if is_below(str(out), remote[0]):
            found = [address for address in found if not is_below(address, str(out))]
        short = [Path(address.removeprefix(remote[0].rstrip('/') + '/') if address != remote[0] else Path(address).name)
                 for address in found]
        pairs = list(zip(found, found, result_names(short)))
    else:
        folder = None if is_elsewhere(out) else as_path(out)
        sources = gather([as_path(one) for one in listed], recursive=recursive, leave_out=folder)
        if folder is not None:
            return _local_tasks(jobs_of(sources, folder, overwrite=redo), report, redo)
        pairs = [(str(one.content), os.path.abspath(str(one.content)), one.name) for one in sources]
    if not pairs:
        raise ValueError(f'inputs must hold a picture, found none in {listed[0]}')
    base = str(out) if is_elsewhere(out) else str(as_path(out))
    shown = [joined(base, name) for *_, name in pairs]
    targets = shown if is_elsewhere(out) else [os.path.abspath(one) for one in shown]
    clash = {source for _, source, _ in pairs}.intersection(targets)
    if clash:
        raise ValueError(f'out must lead to other files than the inputs, got {sorted(clash)[0]}')
    present = set() if redo else (there(targets, base) if is_elsewhere(out) else set(filter(os.path.isfile, targets)))
    report.skipped += [one for one, target in zip(shown, targets) if target in present]
    return [Task(index, name, source, target, one, redo) for index, ((name, source, _), target, one)
            in enumerate(zip(pairs, targets, shown)) if target not in present]


def _local_tasks(jobs: Sequence[Job], report: EnhanceReport, redo: bool) -> list[Task]:
    waiting = [job for job in jobs if redo or job.without_what_is_there() is not None]
    left = {job.index for job in waiting}
    for job in jobs:
        if job.index not in left:
            report.skipped.append(str(job.target))
            report.outdated += [str(job.target)] if is_outdated(job) else []
    return [Task(job.index, job.name, os.path.abspath(job.name), os.path.abspath(job.target or ''), str(job.target),
                 redo) for job in waiting]


def fill(report: EnhanceReport, tasks: Sequence[Task], outcomes: Mapping[int, Outcome]) -> None:
    """Writes what was found out into a report, in the order of the inputs."""
    for task in tasks:
        outcome = outcomes.get(task.index)
        if outcome is None:  # interrupted
            continue
        report.add(outcome)
        if not outcome.failed:
            report.done.append(task.shown)
            report.lost |= {task.shown: outcome.lacks} if outcome.lacks else {}


def clear_away(tasks: Iterable[Task]) -> None:
    """Removes what processes that are no more had begun on a file system."""
    for task in tasks:
        for draft in () if is_elsewhere(task.target) else drafts_of(Path(task.target)):
            draft.unlink(missing_ok=True)


@contextmanager
def running_ray(address: str | None) -> Iterator[ModuleType]:
    """Ray, connected to a cluster: that of the program, that of an address, or one of its own for the time."""
    try:
        import ray
    except ImportError as error:
        raise ImportError("--engine ray needs Ray: pip install 'isalux-mm[ray]'") from error
    if ray.is_initialized():
        yield ray
        return
    before = os.environ.get('RAY_USAGE_STATS_ENABLED')
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')  # nothing is sent anywhere
    try:
        own = {} if address else dict(include_dashboard=False, object_store_memory=STORE, _system_config=PATIENCE)
        ray.init(address=address, log_to_driver=False, logging_level='ERROR', **own)
        try:
            yield ray
        finally:
            ray.shutdown()
    finally:
        if before is None:
            os.environ.pop('RAY_USAGE_STATS_ENABLED', None)
