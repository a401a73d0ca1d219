"""Scores folders of results, ours or anybody's: pictures are paired by name, scored, summed up and compared."""
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import isalux_mm
from isalux_mm.datasets.image_datasets import pair_key
from isalux_mm.evaluation.measures import DARK_INPUT, REFERENCE, choose_measures
from isalux_mm.evaluation.protocols import PROTOCOLS, Protocol
from isalux_mm.evaluation.score_summary import Comparison, Summary, compare, summarize
from isalux_mm.evaluation.score_table import ScoreTable, resume, stamps_path
from isalux_mm.evaluation.scoring import Task, score_all
from isalux_mm.functional.checks import check_choice
from isalux_mm.io.images import list_images
from isalux_mm.io.names import check_products
from isalux_mm.io.picture_file import ImageReadError, read_size
from isalux_mm.io.whole_file import check_free

SAVED_EVERY = 20.0  # seconds: what a machine that goes down costs
PICTURES_A_WORKER = 16  # ours: a process takes some seconds to start, as many as this many pictures of 600x400
SHOWN = 20  # pictures that an error lists


@dataclass
class Evaluation:
    """What came of it.

    Attributes:
        measures: that were taken.
        table: values of every picture.
        summaries: by method.
        comparisons: of the first method with the second, where there are two.
        failures: reason by file, of results that could not be scored.
        unmatched: results without a reference or dark input, which were not scored.
        missing: by method, references without a result.
        notes: measures that were left out, and values that could not be had.
    """
    measures: tuple[str, ...]
    table: ScoreTable
    summaries: dict[str, list[Summary]] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    unmatched: list[str] = field(default_factory=list)
    missing: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def evaluate_folders(methods: Mapping[str, Path], *, reference: Path | None = None, low: Path | None = None,
                     measures: Sequence[str] = ('default', ), protocol: str | None = None,
                     csv_path: Path | None = None, go_on: bool = False, overwrite: bool = False,
                     workers: int | None = None,
                     on_progress: Callable[[int, int], None] | None = None) -> Evaluation:
    """Scores the pictures of one folder, or of two that are then compared.

    Args:
        methods: folders of results by the method's name.
        reference: folder of normal-light references; without it, only what needs none is measured.
        low: folder of the dark inputs, for the luminance-order error.
        measures: names of measures or groups of `evaluation.measures`.
        protocol: name of one of `evaluation.protocols`.
        csv_path: file for the values of every picture, written every 20 seconds, at the end, and when interrupted.
        go_on: take up what the CSV has from an earlier evaluation with the same settings.
        overwrite: replace a CSV that is there.
        workers: processes; by default one for 16 pictures, and no more than there are processors.
        on_progress: is told how many pictures are done, and of how many.

    Raises:
        FileExistsError: if the CSV is there, and is neither to be gone on with nor to be replaced.
        FileNotFoundError: if a folder or the weights of a measure are missing.
        ValueError: if a name is unknown, no result has a partner, two files share a name, a picture has another size
            than its reference, the protocol is not kept to, or the CSV would be written over a picture.
    """
    partners = {kind: folder for kind, folder in ((REFERENCE, reference), (DARK_INPUT, low)) if folder is not None}
    if csv_path is not None:
        tables = (csv_path, stamps_path(csv_path))
        check_products(tables, [path for folder in (*methods.values(), *partners.values())
                                for path in list_images(folder)])
        for path in () if go_on else tables:
            check_free(path, overwrite=overwrite)
    chosen, notes = choose_measures(measures, tuple(partners))
    if protocol is not None:
        check_choice(protocol, PROTOCOLS, 'protocol')
    rules = PROTOCOLS[protocol] if protocol is not None else None
    found = Evaluation(chosen, ScoreTable(chosen), notes=list(notes))
    tasks = _tasks(methods, partners, found)
    check_sizes(tasks, rules)
    if rules is not None:
        _check_protocol(rules, methods, partners, tasks)
    settings = dict(version=isalux_mm.__version__, measures=list(chosen), protocol=protocol,
                    methods={name: os.path.abspath(folder) for name, folder in methods.items()},
                    **{kind: os.path.abspath(folder) for kind, folder in partners.items()})
    if csv_path is not None and go_on:
        found.table = resume(csv_path, settings, tasks, chosen)
    try:
        _score(tasks, rules, found, workers, on_progress, csv_path, settings)
    finally:
        if csv_path is not None:
            found.table.save(csv_path, settings)
    values = {method: found.table.values(method) for method in methods}
    found.summaries = {m: [summarize(name, values[m][name]) for name in chosen] for m in methods}
    if len(methods) == 2:
        first, second = values.values()
        found.comparisons = [compare(name, first[name], second[name]) for name in chosen]
        single = len(first[chosen[0]].keys() ^ second[chosen[0]].keys())
        found.notes += [f'{single} pictures have a value of one method alone and are not compared'] if single else []
    return found


def pair_files(results: Path, partners: Path) -> dict[Path, Path | None]:
    """Every result and its partner, `None` where there is none.

    Equal names first (suffixes may differ), then the rest without a leading 'low', 'normal' or 'high'.

    Args:
        results: folder.
        partners: folder.

    Raises:
        FileNotFoundError: if a folder is missing.
        ValueError: if one holds no picture, or two files of one share a name.
    """
    own = _files(results)
    pairs = partners_of_names(own, _files(partners))
    return {path: pairs.get(name) for name, path in own.items()}


def partners_of_names(names: Iterable[Path], others: Mapping[Path, Path]) -> dict[Path, Path]:
    """The partner of every name that has one: equal names first (suffixes may differ), then the rest without a leading
    'low', 'normal' or 'high'.

    Args:
        names: of pictures, relative to their folder.
        others: pictures by their names, likewise.

    Raises:
        ValueError: if two of the names, or two of the others, are one.
    """
    wanted, pairs = list(names), dict[Path, Path]()
    for key in (_same_name, pair_key):
        taken = set(pairs.values())
        rest = _by_key((name for name, path in others.items() if path not in taken), key)
        alone = _by_key((name for name in wanted if name not in pairs), key)
        pairs |= {name: others[rest[shared]] for shared, name in alone.items() if shared in rest}
    return pairs


def check_sizes(tasks: Sequence[Task], protocol: Protocol | None = None) -> None:
    """Checks by their headers that all pictures have their partners' sizes; those that cannot be read are passed over.

    Raises:
        ValueError: if some have not; lists them.
    """
    sizes: dict[Path, tuple[int, int] | None] = {}
    for path in {path for task in tasks for path in (task.result, *task.others.values())}:
        try:
            size = read_size(path)
            sizes[path] = size if protocol is None else protocol.size_after(size)
        except ImageReadError:
            sizes[path] = None
    wrong = []
    for task in tasks:
        own = sizes[task.result]
        wrong += [f'{task.result} has {own[1]}x{own[0]}, its {kind} {other[1]}x{other[0]}'
                  for kind, path in task.others.items() if own and (other := sizes[path]) and other != own]
    if wrong:
        more = f'\n  ... and {len(wrong) - SHOWN} more' if len(wrong) > SHOWN else ''
        raise ValueError(f'{len(wrong)} pictures are of another size, which only a protocol may settle '
                         f'({", ".join(PROTOCOLS)}):\n  ' + '\n  '.join(wrong[:SHOWN]) + more)


def _tasks(methods: Mapping[str, Path], partners: Mapping[str, Path], found: Evaluation) -> list[Task]:
    """What is to be scored, named as the references, or else as the results of the first method; notes the rest."""
    tasks = []
    naming = next(iter([*partners.values(), *methods.values()]))
    for method, folder in methods.items():
        pairs = {kind: pair_files(folder, place) for kind, place in partners.items()}
        names = {path: path for path in _files(folder).values()} if folder == naming else pair_files(folder, naming)
        if REFERENCE in partners:
            used = set(pairs[REFERENCE].values())
            found.missing[method] = [str(path) for path in _files(partners[REFERENCE]).values() if path not in used]
        for path, namesake in names.items():
            others = {kind: partner for kind, paired in pairs.items() if (partner := paired[path]) is not None}
            lacking = [kind for kind in partners if kind not in others]
            if lacking:
                found.unmatched.append(f'{path} has no {" and no ".join(lacking)}')
            else:
                image = path.relative_to(folder) if namesake is None else namesake.relative_to(naming)
                tasks.append(Task(method, image.as_posix(), path, others))
    if not tasks:
        raise ValueError(f'no result in {", ".join(map(str, methods.values()))} has a partner of its name in '
                         f'{", ".join(map(str, partners.values()))}')
    return tasks


def _score(tasks: Sequence[Task], rules: Protocol | None, found: Evaluation, workers: int | None,
           on_progress: Callable[[int, int], None] | None, csv_path: Path | None, settings: Mapping) -> None:
    """Scores what the table has not yet, and fills it."""
    rest = [task for task in tasks if (task.method, task.image) not in found.table.rows]
    if workers is None:
        workers = min(_processors(), math.ceil(len(rest) / PICTURES_A_WORKER))
    without: dict[str, list[str]] = {}
    saved, done = time.monotonic(), len(tasks) - len(rest)
    with closing(score_all(rest, found.measures, rules, workers=workers)) as scores:
        for score in scores:
            if score.failure is not None:
                found.failures[str(score.task.result)] = score.failure
            else:
                found.table.add(score)
            for name, reason in score.reasons.items():
                without.setdefault(name, []).append(f'{score.task.result}: {reason}')
            done += 1
            if on_progress is not None:
                on_progress(done, len(tasks))
            if csv_path is not None and time.monotonic() - saved > SAVED_EVERY:
                found.table.save(csv_path, settings)
                saved = time.monotonic()
    found.notes += [f'{name} has no value of {len(those)} pictures, such as {those[0]}'
                    for name, those in without.items()]


def _check_protocol(rules: Protocol, methods: Mapping[str, Path], partners: Mapping[str, Path],
                    tasks: Sequence[Task]) -> None:
    if REFERENCE not in partners:
        raise ValueError('a protocol needs a folder of reference pictures')
    references = list(_files(partners[REFERENCE]))
    sizes = set()
    for task in tasks:
        try:
            sizes.add(read_size(task.others[REFERENCE]))
        except ImageReadError:
            continue
    for method in methods:
        scored = [pair_key(task.others[REFERENCE].relative_to(partners[REFERENCE]))
                  for task in tasks if task.method == method]
        rules.check([pair_key(name) for name in references], scored, sizes)


def _files(folder: Path) -> dict[Path, Path]:
    """Files by their path within a folder.

    Raises:
        FileNotFoundError: if there is no folder.
        ValueError: if it holds no picture.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f'no folder {folder}')
    found = {path.relative_to(folder): path for path in list_images(folder)}
    if not found:
        raise ValueError(f'no picture in {folder}')
    return found


def _same_name(name: Path) -> str:
    return name.with_suffix('').as_posix()


def _by_key(names: Iterable[Path], key: Callable[[Path], str]) -> dict[str, Path]:
    """Names by their key.

    Raises:
        ValueError: if two share one.
    """
    table: dict[str, Path] = {}
    for name in names:
        if key(name) in table:
            raise ValueError(f'two pictures of one folder share the name {key(name)!r}: {table[key(name)]} and {name}')
        table[key(name)] = name
    return table


def _processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
