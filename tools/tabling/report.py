"""A table's lines: means over pictures and seeds, intervals, spread, and where each comes from; CSV and Markdown."""
import csv
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from isalux_mm.evaluation.measures import MEASURES
from isalux_mm.evaluation.metrics import write_csv
from isalux_mm.evaluation.score_summary import interval_text, summarize
from tabling.jobs import Job, jobs_of
from tabling.outputs import median_seconds
from tabling.provenance import described, hardware
from tabling.tables import PUBLISHED, EvaluationSet, Row, Table

HEAD = ('row', 'how', 'set', 'pictures', 'seeds')
ENDS = ('', '_low', '_high', '_spread')  # of a measure's columns: mean, interval, deviation over seeds
TAIL = ('parameters', 'frozen', 'seconds', 'cpu_seconds', 'trained_on', 'command', 'training', 'config', 'config_hash',
        'weights', 'commit', 'versions', 'hardware', 'source', 'note')
PICTURES_HEAD = ('row', 'seed', 'set', 'picture', 'measure', 'value')
Line = dict[str, str]  # a line of the CSV
Scores = dict[int | None, dict[str, dict[str, float]]]  # by seed, by measure, by picture
DIGITS = 6
SHORTEST = 1e-4  # seconds that are shown: the input itself takes none


class Picture(NamedTuple):
    """A value of one picture."""
    row: str
    set: str
    picture: str
    measure: str
    value: float


def lines_of(table: Table, work: Path) -> tuple[list[Line], list[list[str]]]:
    """What has been computed of a table, and what its file quotes.

    Returns:
        A line for every row and set; a line for every picture of each: row, seed, set, picture, measure, value.
    """
    jobs: dict[str, list[Job]] = {}
    for job in jobs_of(table, work):
        jobs.setdefault(job.row.name, []).append(job)
    lines, pictures = [], []
    for row in table.rows:
        for name, evaluation_set in table.sets.items():
            done = [job for job in jobs.get(row.name, []) if job.record(name).is_file()]
            scores: Scores = {job.seed: read_scores(job.scores(name)) for job in done}
            if done:
                lines.append(measured_line(row, evaluation_set, done, scores))
                pictures += [[row.name, '' if seed is None else str(seed), name, picture, measure, _number(value)]
                             for seed, of_seed in scores.items() for measure, values in of_seed.items()
                             for picture, value in values.items()]
            if name in row.published:
                lines.append(published_line(row, name))
    return lines, pictures


def with_earlier(table: Table, lines: Sequence[Line], pictures: Sequence[Sequence[str]],
                 folder: Path) -> tuple[list[Line], list[Sequence[str]]]:
    """Lines and pictures, and of the table's rows and sets those in a folder's CSVs that are not computed here: rows
    are computed on several machines, or work folders are cleared."""
    files = [folder / f'{table.name}{end}.csv' for end in ('', '_pictures')]
    if not all(file.is_file() for file in files):
        return list(lines), list(pictures)
    here = {(line['row'], line['set']) for line in lines if line['how'] != PUBLISHED}
    kept = [line for line in read_lines(files[0]) if line['how'] != PUBLISHED
            and (line['row'], line['set']) not in here]
    told = {(line['row'], line['set']) for line in kept}
    with open(files[1], newline='', encoding='utf-8') as file:
        earlier = [picture for picture in csv.reader(file) if (picture[0], picture[2]) in told]
    rows, sets = [row.name for row in table.rows], list(table.sets)

    def place(row: str, name: str) -> tuple[int, int]:
        return rows.index(row), sets.index(name)

    def listed(row: str, name: str) -> bool:
        return row in rows and name in sets

    return (sorted((line for line in (*lines, *kept) if listed(line['row'], line['set'])),
                   key=lambda line: (*place(line['row'], line['set']), line['how'] == PUBLISHED)),
            sorted((picture for picture in (*pictures, *earlier) if listed(picture[0], picture[2])),
                   key=lambda picture: place(picture[0], picture[2])))


def measured_line(row: Row, evaluation_set: EvaluationSet, jobs: Sequence[Job], scores: Scores) -> Line:
    """A row's line on a set, from what its seeds have computed."""
    name = evaluation_set.name
    found = described(jobs[0].record(name))
    made_of = found.get('made_of', {})
    line = dict(row=row.name, how=row.how, set=name, trained_on=row.trained_on, source=row.source, note=row.note,
                config=row.config or '')
    line['seeds'] = ' '.join(str(seed) for seed in scores if seed is not None)
    for measure in next(iter(scores.values())):
        of_seeds = [values[measure] for values in scores.values()]
        over_seeds = {picture: statistics.fmean(values[picture] for values in of_seeds) for picture in of_seeds[0]}
        summary = summarize(measure, over_seeds)
        means = [summarize(measure, values).mean for values in of_seeds]
        line['pictures'] = str(summary.pictures)
        line |= dict(zip((f'{measure}{end}' for end in ENDS), map(_number, (
            summary.mean, summary.low, summary.high, statistics.stdev(means) if len(means) > 1 else math.nan))))
    line |= {key: str(found.get(key) or '') for key in
             ('parameters', 'frozen', 'command', 'training', 'commit', 'versions')}
    return line | dict(
        config_hash=made_of.get('config_hash', ''),
        weights=' '.join(f'{file}:{sum_}' for file, sum_ in made_of.get('weights', {}).items()),
        seconds=_number(median_seconds(found, 'wall')), cpu_seconds=_number(median_seconds(found, 'cpu')),
        hardware=hardware(found.get('machine', {})))


def published_line(row: Row, name: str) -> Line:
    """A line of figures that somebody states."""
    line = {measure: _number(value) for measure, value in row.published[name].items()}
    return line | dict(row=row.name, how=PUBLISHED, set=name, source=row.source, trained_on=row.trained_on,
                       parameters=str(row.parameters or ''))


def read_scores(path: Path) -> dict[str, dict[str, float]]:
    """The scores of a job on a set: by measure, by picture."""
    with open(path, newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    measures = [name for name in rows[0] if name in MEASURES]
    return {name: {row['image']: float(row[name]) for row in rows} for name in measures}


def write_lines(path: Path, lines: Sequence[Line]) -> None:
    """Writes the lines as CSV; columns that no line has are left out."""
    measures = [f'{name}{end}' for name in MEASURES for end in ENDS]
    columns = [name for name in (*HEAD, *measures, *TAIL) if any(line.get(name) for line in lines)]
    write_csv(path, columns, [[line.get(name, '') for name in columns] for line in lines], overwrite=True)


def read_lines(path: Path) -> list[Line]:
    """The lines of a CSV."""
    with open(path, newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


def read_pictures(path: Path) -> list[Picture]:
    """The values of a CSV of pictures."""
    with open(path, newline='', encoding='utf-8') as file:
        return [Picture(row['row'], row['set'], row['picture'], row['measure'], float(row['value']))
                for row in csv.DictReader(file)]


def to_markdown(title: str, text: str, sets: Mapping[str, str], lines: Sequence[Line],
                missing: Mapping[str, str] | None = None) -> str:
    """A table for readers: a part for every set, best mean of what is measured in bold.

    Args:
        title: of the table.
        text: below it.
        sets: by name, what is said of each.
        lines: of the CSV.
        missing: rows that could not be computed, and why.
    """
    parts = [f'## {title}', '', text, '']
    for name, said in sets.items():
        shown = [line for line in lines if line['set'] == name]
        if shown:
            parts += [f'### {said or name}', '', *set_table(shown), '']
    if missing:
        parts += ['Not computed: ' + '; '.join(f'{row} ({why})' for row, why in missing.items()) + '.', '']
    parts += [f'{interval_text()}. Behind ±: standard deviation over seeds. Seconds a picture: median, CPU time of '
              'the network alone.', '']
    return '\n'.join(parts)


def set_table(lines: Sequence[Line]) -> list[str]:
    """The Markdown lines of one set."""
    measures = [name for name in MEASURES if any(line.get(name) for line in lines)]
    heads = [f'{name} {"↑" if MEASURES[name].higher_is_better else "↓"}' for name in measures]
    extra = {'trained on': 'trained_on', 'parameters': 'parameters', 's a picture': 'cpu_seconds', 'seeds': 'seeds'}
    extra = {head: key for head, key in extra.items() if any(line.get(key) for line in lines)}
    best = {name: _best(name, lines) for name in measures}
    table = [f'| method | how obtained | {" | ".join([*heads, *extra])} |',
             f'|---|---|{"--:|" * len(heads)}{"---|" * len(extra)}']
    for line in lines:
        cells = [_cell(name, line, bold=line is best[name]) for name in measures]
        cells += [_extra(key, line.get(key, '')) for key in extra.values()]
        how = f'published: {line["source"]}' if line['how'] == PUBLISHED else line['how']
        table.append(f'| {line["row"]} | {how} | {" | ".join(cells)} |')
    return table


def _best(measure: str, lines: Iterable[Line]) -> Line | None:
    known = [line for line in lines if line.get(measure) and line['how'] != PUBLISHED]
    choose = max if MEASURES[measure].higher_is_better else min
    return choose(known, key=lambda line: float(line[measure])) if len(known) > 1 else None


def _cell(measure: str, line: Line, *, bold: bool) -> str:
    if not line.get(measure):
        return ''
    mean, low, high, spread = (line.get(f'{measure}{end}') for end in ENDS)
    text = _text(measure, mean)
    text = f'**{text}**' if bold else text
    text += f' ± {_text(measure, spread)}' if spread else ''
    return text + (f' [{_text(measure, low)}, {_text(measure, high)}]' if low and high else '')


def _text(measure: str, value: str | None) -> str:
    return f'{float(value or "nan"):.{MEASURES[measure].digits}f}'


def _extra(key: str, value: str) -> str:
    if not value or key in ('trained_on', 'seeds'):
        return value
    if key == 'cpu_seconds':
        return f'{float(value):.2g}' if float(value) > SHORTEST else ''
    return f'{int(value):,}'


def _number(value: float | None) -> str:
    return '' if value is None or math.isnan(value) else f'{value:.{DIGITS}g}' if abs(value) < 1 else f'{value:.4f}'
