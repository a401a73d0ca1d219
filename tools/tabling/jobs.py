"""What a table computes: for every row and seed a model, for every set its results and their scores.

Each step is left out where it is done already and nothing that it hangs on has changed, so that a table that was
interrupted goes on, and a row that is new alone is computed.
"""
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from peers.catalog import Method, as_method, load_method

from isalux_mm.apis.evaluating import check_sizes, pair_files
from isalux_mm.apis.loading import load_network
from isalux_mm.evaluation.measures import DARK_INPUT, REFERENCE, choose_measures
from isalux_mm.evaluation.score_table import ScoreTable, resume
from isalux_mm.evaluation.scoring import Task, score_all
from isalux_mm.inference.prepare import prepare_for_inference
from isalux_mm.io.attempts import outcome, reason
from isalux_mm.io.whole_file import write_json
from isalux_mm.model_zoo import find_config, find_weights
from isalux_mm.registry import MODELS
from tabling.outputs import RECORD, checksum, checksums, read_record, result_name, write_outputs
from tabling.provenance import ROOT, commit, config_hash, described, versions
from tabling.tables import EvaluationSet, Row, Table

TRAINED_RECORD = 'trained.json'
TRAIN_SCRIPT = ROOT / 'tools/train.py'


class JobError(RuntimeError):
    """A row that cannot be computed, with the reason; other rows go on."""


@dataclass(frozen=True)
class Settings:
    """How a table is computed.

    Attributes:
        table: its file, as it was named.
        work: folder of everything that is computed, below it a folder for each table.
        weights: folder of the peers' weights.
        launcher: words ahead of the training script, such as torchrun and its options; none for one process.
        device: that the models run on.
        again: whether results that are there are computed anew (trainings are not).
    """
    table: Path
    work: Path
    weights: Path
    launcher: tuple[str, ...] = ()
    device: str = 'cpu'
    again: bool = False


@dataclass(frozen=True)
class Job:
    """A row with one seed.

    Attributes:
        row: the row.
        seed: of its training; none for what is not trained here.
        folder: of what it computes.
    """
    row: Row
    seed: int | None
    folder: Path

    @property
    def name(self) -> str:
        """For readers."""
        return self.row.name if self.seed is None else f'{self.row.name}, seed {self.seed}'

    def outputs(self, name: str) -> Path:
        """Folder of the results on a set; somebody's own where the row names it."""
        return Path(self.row.outputs.format(set=name)) if self.row.outputs else self.folder / name

    def scores(self, name: str) -> Path:
        """CSV of the scores on a set."""
        return self.folder / f'{name}.csv'

    def record(self, name: str) -> Path:
        """How the scores on a set came about."""
        return self.folder / f'{name}.record.json'


def jobs_of(table: Table, work: Path) -> Iterator[Job]:
    """All that a table has to compute, in order."""
    for row in table.rows:
        if row.runs:
            folder = work / table.name / row.slug
            if row.is_trained:
                yield from (Job(row, seed, folder / f'seed{seed}') for seed in row.seeds)
            else:
                yield Job(row, None, folder)


def run_job(job: Job, sets: Mapping[str, EvaluationSet], settings: Settings) -> None:
    """Trains, runs and scores what is missing.

    Raises:
        JobError: if something is not there, or training fails.
    """
    try:
        training = train(job, settings) if job.row.is_trained else {}
        for evaluation_set in sets.values():
            run_on_set(job, evaluation_set, training, settings)
    except (FileNotFoundError, ValueError) as error:
        raise JobError(str(error)) from error


def merged_config(row: Row) -> Config:
    """The config of a row with its options."""
    if row.config is None:
        raise ValueError(f'row {row.name!r} has no config')
    cfg = Config.fromfile(find_config(row.config))
    cfg.merge_from_dict(dict(row.options))
    return cfg


def training_words(job: Job, settings: Settings) -> list[str]:
    """The command of a row's training."""
    row = job.row
    launcher = settings.launcher or (sys.executable, )
    words = [*launcher, str(TRAIN_SCRIPT), str(row.config), '--work-dir', str(job.folder / 'train'),
             '--seed', str(job.seed)]
    words += ['--amp'] if row.amp else []
    words += ['--launcher', 'pytorch'] if settings.launcher else []
    return words + (['--cfg-options', *(f'{k}={_as_word(v)}' for k, v in row.options.items())] if row.options else [])


def train(job: Job, settings: Settings) -> dict[str, Any]:
    """Trains a row with its seed, or goes on where a training stopped; returns the record of the training.

    Raises:
        JobError: if the training fails, or its folder holds one of another config.
    """
    folder, hashed = job.folder / 'train', config_hash(merged_config(job.row))
    found = described(job.folder / TRAINED_RECORD)
    if found and found['config_hash'] != hashed:
        raise JobError(f'{folder} holds a training of another config ({found["config_hash"]}, not {hashed}): remove it')
    if found.get('checkpoint'):
        return found
    words, started = training_words(job, settings), time.time()
    record: dict[str, Any] = dict(
        config_hash=hashed, seed=job.seed, command=_shown(words), commit=commit(), versions=versions())
    write_json(job.folder / TRAINED_RECORD, record, indent=1, overwrite=True)
    last = folder / 'last_checkpoint'
    options = ['--resume'] if any(folder.glob('*.pth')) else []
    cut = words.index('--cfg-options') if '--cfg-options' in words else len(words)
    code = subprocess.run([*words[:cut], *options, *words[cut:]], check=False).returncode
    if code or not last.is_file():
        raise JobError(f'training in {folder} ended with exit code {code}'
                       + ('' if last.is_file() else ' and no checkpoint'))
    checkpoint = folder / Path(last.read_text(encoding='utf-8').strip()).name
    record |= dict(checkpoint=checkpoint.as_posix(), seconds=time.time() - started, resumed=bool(options))
    write_json(job.folder / TRAINED_RECORD, record, indent=1, overwrite=True)
    return record


def run_on_set(job: Job, evaluation_set: EvaluationSet, training: Mapping[str, Any], settings: Settings) -> None:
    """Runs a row on the pictures of a set and scores the results.

    Raises:
        FileNotFoundError: if the set, the weights or somebody's results are missing.
        ValueError: if they do not fit.
        JobError: if pictures could not be read.
    """
    outputs, measured = job.outputs(evaluation_set.name), {}
    if not job.row.outputs:
        files = {result_name(path, evaluation_set.low): path for path in evaluation_set.inputs().values()}
        measured = make_outputs(job, files, outputs, training, settings)
        if measured['failures']:
            raise JobError('; '.join(measured['failures']))
    score_set(job, evaluation_set, outputs)
    how = measured or dict(parameters=job.row.parameters, commit=commit(), versions=versions())
    write_json(job.record(evaluation_set.name), dict(
        how, command=f'python tools/run_table.py {settings.table.as_posix()} --rows "{job.row.name}"',
        training=training.get('command', '')), indent=1, overwrite=True)


def make_outputs(job: Job, files: Mapping[str, Path], out: Path, training: Mapping[str, Any],
                 settings: Settings) -> dict[str, Any]:
    """The record of a row's results on a set, which are computed unless they are there."""
    row = job.row
    made_of: dict[str, Any] = dict(
        inputs=checksum(repr([(name, path.stat().st_size) for name, path in files.items()]).encode()),
        device=settings.device)
    if row.peer:
        weights = [settings.weights / name for name in row.weights]
        missing = [path for path in weights if not path.is_file()]
        if missing:
            raise FileNotFoundError(f'no weights {", ".join(map(str, missing))}')
        made_of |= dict(peer=row.peer, weights=checksums(weights))
    else:
        checkpoint = find_weights(row.checkpoint or training['checkpoint'])
        if not checkpoint.is_file():
            raise FileNotFoundError(f'no checkpoint {checkpoint}')
        made_of |= dict(config_hash=config_hash(merged_config(row)), weights=checksums([checkpoint]))
    found = read_record(out)
    whole = all((out / name).is_file() for name in files)
    if found.get('made_of') == made_of and whole and not found['failures'] and not settings.again:
        return found
    write_json(out / RECORD, {}, overwrite=True)  # what it said holds no longer
    if row.peer:
        method, parameters = load_method(row.peer, weights, device=settings.device)
        frozen = 0
    else:
        method, parameters, frozen = load_ours(row, checkpoint, settings.device)
    return write_outputs(method, files, out, device=settings.device, overwrite=True, notes=dict(
        made_of=made_of, parameters=parameters, frozen=frozen, commit=commit(), versions=versions()))


def load_ours(row: Row, checkpoint: Path, device: str) -> tuple[Method, int, int]:
    """The network of a config with a checkpoint, prepared for inference; its parameters, trained and frozen."""
    network = MODELS.build(dict(merged_config(row).model.network, _scope_='isalux_mm'))
    load_network(network, checkpoint)
    counts = [sum(p.numel() for p in network.parameters() if p.requires_grad == trained) for trained in (True, False)]
    return as_method(prepare_for_inference(network.to(device).eval()), device), counts[0], counts[1]


def tasks_of(job: Job, evaluation_set: EvaluationSet, outputs: Path) -> list[Task]:
    """The pictures of a set that are to be scored.

    Raises:
        FileNotFoundError: if there is no result for one.
    """
    if not outputs.is_dir():
        raise FileNotFoundError(f'no results in {outputs}')
    inputs, references = evaluation_set.inputs(), evaluation_set.references()
    results = {low: path for path, low in pair_files(outputs, evaluation_set.low).items()}
    missing = [path.name for path in inputs.values() if path not in results]
    if missing:
        raise FileNotFoundError(f'{outputs} has no result for {len(missing)} pictures, such as {missing[:3]}')
    tasks = []
    for key, path in inputs.items():
        others = {DARK_INPUT: path} | ({REFERENCE: references[key]} if references else {})
        tasks.append(Task(job.name, key, results[path], others))
    return tasks


def score_set(job: Job, evaluation_set: EvaluationSet, outputs: Path) -> ScoreTable:
    """The scores of every picture of a set, those taken up that are there.

    Raises:
        FileNotFoundError: if a result is missing.
        ValueError: if a result has another size than its reference, or cannot be read.
    """
    tasks = tasks_of(job, evaluation_set, outputs)
    check_sizes(tasks)
    at_hand = (DARK_INPUT, REFERENCE) if evaluation_set.gt is not None else (DARK_INPUT, )
    measures, _ = choose_measures(evaluation_set.measures, at_hand)
    path, settings = job.scores(evaluation_set.name), dict(measures=list(measures))
    try:
        scored = resume(path, settings, tasks, measures)
    except ValueError:  # of other measures
        scored = ScoreTable(measures)
    failures = []
    for found in score_all([t for t in tasks if (t.method, t.image) not in scored.rows], measures):
        if found.failure is not None:
            failures.append(found.failure)
        else:
            scored.add(found)
    scored.save(path, settings)
    if failures:
        raise ValueError('; '.join(failures))
    return scored


def run_all(jobs: list[Job], sets: Mapping[str, EvaluationSet], settings: Settings,
            say: Callable[[str], None]) -> dict[str, str]:
    """Runs jobs one after the other; gives the reason of each that failed, by its name."""
    failures = {}
    for number, job in enumerate(jobs, start=1):
        say(f'[{number}/{len(jobs)}] {job.name}')
        error = outcome(run_job, job, sets, settings)
        if error is not None:
            failures[job.name] = reason(error)
            say(f'  left out: {failures[job.name]}')
    return failures


def _as_word(value: Any) -> str:
    """A value as `--cfg-options` reads it: without spaces."""
    return repr(value).replace(' ', '') if isinstance(value, (list, tuple)) else str(value)


def _shown(words: list[str]) -> str:
    """A command as one would type it."""
    short = {sys.executable: 'python', str(TRAIN_SCRIPT): TRAIN_SCRIPT.relative_to(ROOT).as_posix()}
    return shlex.join(short.get(word, word) for word in words)
