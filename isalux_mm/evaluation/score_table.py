"""The values of every picture as a CSV that an interrupted evaluation can go on from.

Beside `scores.csv` lies `scores.csv.json` with the settings, and size and time of every file that a row was made of: a
row counts as finished while both are what they were.
"""
import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from isalux_mm.evaluation.metrics import write_csv
from isalux_mm.evaluation.scoring import Score, Task
from isalux_mm.io.whole_file import write_json

HEAD = ('method', 'image')
Key = tuple[str, str]
Settings = Mapping[str, object]
Stamps = list[list[int]]


@dataclass
class ScoreTable:
    """Values by method and image.

    Attributes:
        measures: the columns.
        rows: values in their order.
        stamps: size and time of the files of each row.
    """
    measures: tuple[str, ...]
    rows: dict[Key, tuple[float, ...]] = field(default_factory=dict)
    stamps: dict[Key, Stamps] = field(default_factory=dict)

    def add(self, score: Score) -> None:
        """Takes up the values of a picture."""
        key = (score.task.method, score.task.image)
        self.rows[key] = tuple(score.values[name] for name in self.measures)
        self.stamps[key] = stamps_of(score.task)

    def values(self, method: str) -> dict[str, dict[str, float]]:
        """By measure, the values of a method's images, in the order of their names."""
        keys = sorted(key for key in self.rows if key[0] == method)
        return {name: {image: self.rows[_, image][k] for _, image in keys} for k, name in enumerate(self.measures)}

    def save(self, path: Path, settings: Settings) -> None:
        """Writes the CSV, then what a resumed evaluation asks for; each whole or not at all, in the place of what it
        wrote before."""
        rows = [(*key, *map(repr, row)) for key, row in sorted(self.rows.items())]
        write_csv(path, (*HEAD, *self.measures), rows, overwrite=True)
        write_json(stamps_path(path), dict(
            settings=dict(settings), rows=[[*key, stamps] for key, stamps in sorted(self.stamps.items())]),
            overwrite=True)


def resume(path: Path, settings: Settings, tasks: Sequence[Task], measures: tuple[str, ...]) -> ScoreTable:
    """What an earlier evaluation left, of the tasks whose files are unchanged; an empty table if there was none.

    Args:
        path: the CSV.
        settings: of this evaluation.
        tasks: of this evaluation.
        measures: the columns.

    Raises:
        ValueError: if it was made with other settings, or has none beside it.
    """
    table = ScoreTable(measures)
    if not path.exists():
        return table
    before = _read_stamps(path)
    changed = sorted(key for key in {*settings, *before['settings']}
                     if settings.get(key) != before['settings'].get(key))
    if changed:
        raise ValueError(f'{path} was made with other settings ({", ".join(changed)}): resume with the same, '
                         'write another file, or leave --resume out to start anew')
    stamps = {(method, image): found for method, image, found in before['rows']}
    with open(path, newline='', encoding='utf-8') as file:
        rows = {(row['method'], row['image']): row for row in csv.DictReader(file)}
    for task in tasks:
        key = (task.method, task.image)
        if key in rows and key in stamps and stamps[key] == stamps_of(task):
            table.rows[key] = tuple(float(rows[key][name]) for name in measures)
            table.stamps[key] = stamps[key]
    return table


def stamps_path(path: Path) -> Path:
    """The file beside a CSV."""
    return path.with_name(f'{path.name}.json')


def stamps_of(task: Task) -> Stamps:
    """Size and time of a task's files, as far as they are there."""
    files = [task.result, *(task.others[kind] for kind in sorted(task.others))]
    return [[file.stat().st_size, file.stat().st_mtime_ns] for file in files if file.is_file()]


def _read_stamps(path: Path) -> dict:
    beside = stamps_path(path)
    try:
        found = json.loads(beside.read_text(encoding='utf-8'))
        if not {'settings', 'rows'} <= found.keys():
            raise ValueError('settings or rows are missing')
    except (OSError, ValueError, AttributeError) as error:
        raise ValueError(f'{path} cannot be resumed: its settings in {beside.name} cannot be read ({error}); leave '
                         '--resume out to start anew') from error
    return found
