"""The figures that README and docs quote: one file, `docs/figures.json`, and pages brought in line with it.

A page quotes a number with the name of its place behind it, which no reader sees,

    5.8<!-- inference-400x600 isalux speedup retinexformer --> times as fast

and a whole run as a table between two such comments, `table inference-400x600` and `end`.
"""
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarking.report import MIB, table
from isalux_mm.io.whole_file import write_json, write_text

REFERENCE = 'retinexformer'  # of the tables
KEPT = ('rounds', 'latency', 'latency_q1', 'latency_q3', 'cpu_time', 'speedup', 'memory', 'memory_ratio',
        'share_of_peak')  # of a report's row
SETTINGS = ('train', 'device', 'dtype', 'batch_size')
LABELS = dict(
    isalux='ISALux', isalux_unprepared='ISALux, as built', isalux_zero_shot='ISALux, packaged model',
    isalux_plain_dense='ISALux, plain reference, all experts',
    isalux_plain_sparse='ISALux, plain reference, chosen experts', semantic_prior='semantic network of ISALux alone',
    retinexformer='Retinexformer, as published now',
    retinexformer_uncopied='Retinexformer, layout of its first release',
    restormer='Restormer (26.1 M parameters)')
# above the cells of `tools/benchmark_whole.py`
WHOLE_HEADER = ('', 'wall (s)', 'CPU (s)', 'cores at work', 'pictures or frames a second', 'peak memory (MiB)')
QUOTED = re.compile(r'(\d+(?:\.\d+)?)(%?)(<!-- (?!table |csv )([^>]+?) -->)')
TABLE = re.compile(r'(<!-- table (\S+) -->\n).*?(<!-- end -->)', re.DOTALL)


def run_name(settings: Mapping[str, Any], size: str) -> str:
    """Name of a run at one size: `inference-400x600`, `training-256x256-batch8`, `inference-400x600-cuda-fp16`."""
    parts = ['training' if settings['train'] else 'inference', size]
    parts += [f'batch{settings["batch_size"]}'] if settings['batch_size'] != 1 else []
    parts += [settings['device']] if settings['device'] != 'cpu' else []
    return '-'.join(parts + ([settings['dtype']] if settings['dtype'] != 'fp32' else []))


def figures_of(results: Mapping[str, Any]) -> dict[str, dict]:
    """What is kept of a finished report, by run: machine, settings, and the figures of every model.

    Args:
        results: of `report.write_report`.
    """
    settings = results['settings']
    kept = {name: settings[name] for name in SETTINGS}
    return {run_name(settings, size): dict(
        machine=dict(results['machine']), settings=kept,
        rows={row['model']: {key: row[key] for key in KEPT} for row in results['rows'] if row['size'] == size})
        for size in settings['sizes']}


def figure(figures: Mapping[str, dict], place: str) -> float:
    """The figure of a place such as 'inference-400x600 isalux speedup retinexformer'.

    Raises:
        ValueError: if there is none.
    """
    run, model, *keys = place.split()
    found: Any = figures.get(run, {}).get('rows', {}).get(model)
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    if not isinstance(found, int | float):
        raise ValueError(f'a figure must be named by run, model and key, got {place!r}, which is none')
    return found


def quoted(text: str, figures: Mapping[str, dict]) -> str:
    """The text of a page with the numbers and tables of the figures, with as many decimals as it had.

    Raises:
        ValueError: if it quotes a figure or a run that does not exist.
    """
    def number(match: re.Match) -> str:
        old, percent, comment, place = match.groups()
        value = figure(figures, place) * (100 if percent else 1)
        return f'{value:.{len(old.partition(".")[2])}f}{percent}{comment}'

    def whole_table(match: re.Match) -> str:
        start, run, end = match.groups()
        if run not in figures:
            raise ValueError(f'a table must be of one of {sorted(figures)}, got {run!r}')
        return '\n'.join([start, *table_of(figures[run]), end])

    return QUOTED.sub(number, TABLE.sub(whole_table, text))


def table_of(run: Mapping[str, Any]) -> list[str]:
    """The lines of a run's table; a column that no model has a figure for is left out."""
    if 'lines' in run:
        return table(WHOLE_HEADER, run['lines'])
    unit, factor, digits = ('s', 1, 1) if run['settings']['train'] else ('ms', 1000, 0)

    def time(row: Mapping) -> str:
        low, middle, high = (f'{row[key] * factor:.{digits}f}' for key in ('latency_q1', 'latency', 'latency_q3'))
        return middle if low == high else f'{middle} ({low} to {high})'

    columns = {
        f'latency ({unit}), interquartile range': time,
        f'CPU time ({unit})': lambda row: row['cpu_time'] and f'{row["cpu_time"] * factor:.{digits}f}',
        'times as fast as Retinexformer': lambda row: times(row['speedup'].get(REFERENCE)),
        'peak memory (MiB)': lambda row: row['memory'] and f'{row["memory"] / MIB:.0f}',
        'share of peak arithmetic': lambda row: row['share_of_peak'] and f'{row["share_of_peak"]:.0%}',
    }
    cells = {name: [text(row) or '' for row in run['rows'].values()] for name, text in columns.items()}
    shown = {name: column for name, column in cells.items() if any(column)}
    lines = zip([label(model) for model in run['rows']], *shown.values())
    return table(['', *shown], lines)


def label(model: str) -> str:
    """A row's name for readers."""
    kind, *options = model.split('+')
    return ', '.join([LABELS[kind], *options])


def times(ratio: float | None) -> str:
    """A ratio with two digits, three from 100 on."""
    if ratio is None:
        return ''
    return f'{ratio:.0f}' if ratio >= 10 or ratio == 1 else f'{ratio:.{1 if ratio >= 1 else 2}f}'


def update(path: Path, results: Mapping[str, Any], pages: Sequence[Path]) -> None:
    """Puts the figures of a report into the file, and those of the file into the pages.

    Raises:
        ValueError: if the report is not finished.
    """
    if not results['complete']:
        raise ValueError('figures are taken from finished runs only')
    put(path, figures_of(results), pages)


def put(path: Path, runs: Mapping[str, dict], pages: Sequence[Path]) -> None:
    """Puts runs into the file of figures, and the figures of the file into the pages."""
    known: dict[str, dict] = json.loads(path.read_text(encoding='utf-8')) if path.exists() else {}
    figures = known | dict(runs)
    write_json(path, figures, indent=1, overwrite=True)
    for page in pages:
        write_text(page, quoted(page.read_text(encoding='utf-8'), figures), overwrite=True)
