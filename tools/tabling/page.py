"""docs/benchmarks.md, its pictures, and OpenMMLab's index of models: all from the CSVs of the tables, nothing typed."""
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.fileio import dump

from isalux_mm.evaluation.measures import MEASURES
from isalux_mm.evaluation.score_summary import interval_text
from tabling.report import Line, Picture, read_lines, read_pictures, set_table
from tabling.sections import definitions_section, order_section, seeds_section, stated_section, twins_section
from tabling.tables import PUBLISHED, Table, read_table

ORDER = ('lol_v1', 'cross_set', 'no_reference', 'ablation', 'paper', 'definitions')
OURS = 'ISALux-MM'  # rows of our own models start so
COLLECTION = 'ISALux-MM'
DEFINITIONS = 'definitions'  # the table that is shown in a form of its own
ITSELF = 'The benchmark itself'
ITS_WORDS = '''\
What moves a figure although no method has changed: the definition of the measure, the pictures that happen to be
in the set, the seed. [Evaluation](evaluation.md) has the definitions by name.
'''
HEAD = '''# Benchmarks

<!-- Written by tools/write_benchmarks.py from docs/tables; a test compares. Change the tables, not this page. -->

Every measured figure comes from a line of a CSV in `docs/tables/`, which holds the command, the weights' checksums, the
commit, versions and hardware. [Tables](tables.md) says how to compute them and how to add a method.
'''


@dataclass(frozen=True)
class Results:
    """A table and what has been computed of it.

    Attributes:
        table: its file.
        lines: of the CSV.
        pictures: of the CSV of pictures.
    """
    table: Table
    lines: list[Line]
    pictures: list[Picture]


def read_results(tables: Path, csvs: Path) -> dict[str, Results]:
    """The tables that have results, in the page's order.

    Args:
        tables: folder of the tables' files.
        csvs: folder of their CSVs.
    """
    found = {}
    for name in ORDER:
        path = csvs / f'{name}.csv'
        if path.is_file():
            found[name] = Results(read_table(tables / f'{name}.py'), read_lines(path),
                                  read_pictures(csvs / f'{name}_pictures.csv'))
    return found


def page_of(results: Mapping[str, Results], images: Mapping[str, str]) -> str:
    """The page.

    Args:
        results: by table.
        images: the pictures that there are: by file, what each shows.
    """
    parts = [HEAD]
    for name, found in results.items():
        if name == DEFINITIONS:
            continue
        parts += [f'## {found.table.title}\n', found.table.shows + '\n']
        for key, evaluation_set in found.table.sets.items():
            lines = [line for line in found.lines if line['set'] == key]
            if lines:
                several = [f'### {evaluation_set.title}\n'] if len(found.table.sets) > 1 else []
                parts += [*several, '\n'.join(set_table(lines)) + '\n']
        parts.append(said_of(found, name))
        if name == 'lol_v1':
            parts += [f'![{text}](images/{file})\n' for file, text in images.items()]
    parts += itself(results)
    return '\n'.join(part for part in parts if part).rstrip() + '\n'


def itself(results: Mapping[str, Results]) -> list[str]:
    """The page's last part: what the benchmark itself is worth, compared from lines of several tables."""
    lol, ablation, paper, definitions = (results.get(name) for name in ('lol_v1', 'ablation', 'paper', DEFINITIONS))
    parts = [stated_section(lol.lines), twins_section(lol.pictures)] if lol else []
    if definitions:
        parts += [f'### {definitions.table.title}\n', definitions.table.shows + '\n',
                  definitions_section(definitions.lines)]
    if ablation:
        parts += [seeds_section(ablation.lines), order_section(ablation.lines, paper.lines if paper else ())]
    return [f'## {ITSELF}\n', ITS_WORDS, *parts] if any(parts) else []


def said_of(found: Results, name: str) -> str:
    """How a table's figures are to be read, and where they come from."""
    measured = [line for line in found.lines if line['how'] != PUBLISHED]
    machines = sorted({line['hardware'] for line in measured if line.get('hardware')})
    words = [f'{interval_text()}, in brackets.'] if measured else []
    words += ['Behind ±: standard deviation over seeds.'] if any(
        value for line in found.lines for key, value in line.items() if key.endswith('_spread')) else []
    if machines:
        words.append(f'Time: median of a picture, CPU time of the network alone, on {"; ".join(machines)}.')
    words += ['In bold: the best of what is measured here.'] if len(measured) > 1 else []
    return ' '.join([*words, f'All lines: [{name}.csv](tables/{name}.csv).\n'])


def metafile_of(results: Mapping[str, Results]) -> str:
    """OpenMMLab's metafile: our models and their figures on LOL-v1."""
    found = results.get('lol_v1')
    models = [model_entry(line) for line in (found.lines if found else ()) if line.get('config')]
    collection = dict(Name=COLLECTION, Paper=dict(Title='ISALux', URL='https://arxiv.org/abs/2508.17885'),
                      README='docs/model_card.md')
    return dump(dict(Collections=[collection], Models=models), file_format='yaml', sort_keys=False)


def model_entry(line: Line) -> dict[str, Any]:
    """A model's entry in a metafile."""
    metrics = {name: round(float(line[name]), MEASURES[name].digits) for name in MEASURES if line.get(name)}
    return {
        'Name': Path(line['config']).stem, 'In Collection': COLLECTION, 'Config': line['config'],
        'Metadata': {'Training Data': line['trained_on'], 'Parameters': int(line['parameters'])},
        'Weights': line['weights'].partition(':')[0],
        'Results': [{'Task': 'Low-Light Image Enhancement', 'Dataset': 'LOL-v1', 'Metrics': metrics}]}


def model_index() -> str:
    """OpenMMLab's model-index.yml."""
    return dump(dict(Import=['configs/metafile.yml']), file_format='yaml', sort_keys=False)
