"""What is written from the CSVs of tables, docs/benchmarks.md and more: it is up to date, its figures are theirs."""
import csv
import re
import sys
from pathlib import Path

import pytest
import yaml
from loading import load_tool

write_benchmarks = load_tool('write_benchmarks')
page, quotes, report, tables = (sys.modules[f'tabling.{name}'] for name in ('page', 'quotes', 'report', 'tables'))
ROOT = Path(__file__).resolve().parents[2]
TABLE = """
title, shows = 'LOL', 'Something.'
sets = dict(eval15=dict(low='low', gt='gt', title='eval15'))
rows = [dict(name='A', peer='input'), dict(name='ISALux-MM, b', config='configs/isalux_cpu.py', checkpoint='b')]
"""
NUMBER = re.compile(r'\d+(?:\.\d+)?')
VALUE = re.compile(r'\d+(?:\.\d+)?(?:e-\d+)?')  # a CSV's, where a spread may be tiny
QUALITY = re.compile(r'(?<![\d.])(?:\d\d\.\d\d|0\.\d{3})(?![\d.])')  # decibels, or an SSIM
HEAD = ('row,how,set,pictures,PSNR,PSNR_low,PSNR_high,PSNR_GTmean,parameters,cpu_seconds,trained_on,config,weights,'
        'source')
LINES = [
    'A,measured,eval15,2,20.125,18,22,23.5,1000,0.5,-,,w.pth:0123,',
    'A,published,eval15,,20.5,,,,,,-,,,a paper',
    '"ISALux-MM, b",measured,eval15,2,21.25,19,23,24.5,2000,0.25,LOL,configs/isalux_cpu.py,b.pth:4567,',
]


@pytest.fixture
def root(tmp_path) -> Path:
    """A table of two methods on two pictures, one of them without a twin."""
    (tmp_path / 'configs/tables').mkdir(parents=True)
    (tmp_path / 'configs/tables/lol_v1.py').write_text(TABLE)
    (tmp_path / 'docs/tables').mkdir(parents=True)
    (tmp_path / 'docs/tables/lol_v1.csv').write_text('\n'.join([HEAD, *LINES]) + '\n')
    with open(tmp_path / 'docs/tables/lol_v1_pictures.csv', 'w', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(report.PICTURES_HEAD)
        for row, psnr in (('A', 20.125), ('ISALux-MM, b', 21.25)):
            for picture, more in (('1', 1), ('179', -1)):
                writer.writerow([row, '', 'eval15', picture, 'PSNR', psnr + more])
                writer.writerow([row, '', 'eval15', picture, 'PSNR_GTmean', psnr + 3 * more])
    (tmp_path / 'README.md').write_text('It has 9.9<!-- csv lol_v1 / ISALux-MM, b / eval15 / PSNR --> dB.\n')
    return tmp_path


def test_what_is_in_the_repository_is_what_is_written():
    wrong = [path.relative_to(ROOT).as_posix() for path, text in write_benchmarks.texts().items()
             if not path.is_file() or path.read_text(encoding='utf-8') != text]
    assert not wrong, 'run python tools/write_benchmarks.py'


def known_figures() -> set[str]:
    """Every number of the CSVs, as pages write it."""
    return {format(float(value), form) for path in (ROOT / 'docs/tables').glob('*.csv')
            for line in csv.DictReader(path.read_text(encoding='utf-8').splitlines())
            for value in line.values() if VALUE.fullmatch(value) for form in ('.2f', '.3f', '.1f', '.2g')}


def test_every_figure_of_readme_is_in_a_csv():
    text = (ROOT / 'README.md').read_text(encoding='utf-8')
    found = [*QUALITY.findall(text)]
    assert len(found) > 10 and not set(found) - known_figures()


@pytest.mark.parametrize('name', ['isalux_zero_shot', 'isalux_lol', 'isalux_general'])
def test_figures_of_a_packaged_model_are_quoted_not_typed(name):
    readme = (ROOT / 'README.md').read_text(encoding='utf-8').splitlines()
    results = (ROOT / 'docs/results.md').read_text(encoding='utf-8').partition('version 0.1.0\n')[0].splitlines()
    row, = [line for line in results if line.startswith(f'| `{name}`') and 'csv' in line]
    lines = [*(line for line in readme if line.startswith('|') and f'(packaged `{name}`' in line),
             *row.split('|')[3:]]  # behind the held-out pictures, which no table has
    assert not [figure for line in lines for figure in QUALITY.findall(quotes.QUOTED.sub('', line))]


def test_every_figure_of_the_pages_tables_is_in_a_csv():
    known = known_figures()
    text = (ROOT / write_benchmarks.PAGE).read_text(encoding='utf-8').partition(f'## {page.ITSELF}')[0]
    rows = [line.split('|') for line in text.splitlines() if line.startswith('| ')]
    shown = [figure for cells in rows for cell in cells[3:] for figure in NUMBER.findall(cell) if '.' in figure]
    assert not [figure for figure in shown if figure not in known]


def test_the_page(root):
    text = write_benchmarks.texts(root)[root / 'docs/benchmarks.md']
    assert '| A | measured | 20.12 [18.00, 22.00] | 23.50 | - | 1,000 | 0.5 |' in text
    assert '| A | published: a paper | 20.50 |  | - |  |  |' in text
    assert '| ISALux-MM, b | measured | **21.25** [19.00, 23.00] | **24.50** | LOL | 2,000 | 0.25 |' in text
    # mean of both pictures, of the one with a twin, of 179, and how far the first moves
    assert '| A | 20.12 | 21.12 | 19.12 | +1.00 | 20.12 | 23.12 | 17.12 | +3.00 |' in text


def test_the_index_of_models(root):
    texts = write_benchmarks.texts(root)
    assert yaml.safe_load(texts[root / 'model-index.yml']) == dict(Import=['configs/metafile.yml'])
    model, = yaml.safe_load(texts[root / 'configs/metafile.yml'])['Models']
    assert model['Name'] == 'isalux_cpu' and model['Weights'] == 'b.pth' and model['Metadata']['Parameters'] == 2000
    assert model['Results'][0]['Metrics'] == dict(PSNR=21.25, PSNR_GTmean=24.5)


def test_pages_quote_the_csvs(root):
    texts = write_benchmarks.texts(root)
    assert texts[root / 'README.md'] == 'It has 21.2<!-- csv lol_v1 / ISALux-MM, b / eval15 / PSNR --> dB.\n'
    results = page.read_results(root / 'configs/tables', root / 'docs/tables')
    assert quotes.value_at('lol_v1 / published A / eval15 / PSNR', results) == 20.5
    for place in ('lol_v1 / A / eval15 / SSIM', 'lol_v2 / A / eval15 / PSNR', 'nothing'):
        with pytest.raises(ValueError, match='which is none'):
            quotes.quoted(f'1.0<!-- csv {place} -->', results)


def test_pictures_are_drawn(root):
    drawing = sys.modules['tabling.drawing']
    drawing.draw(page.read_results(root / 'configs/tables', root / 'docs/tables')['lol_v1'], root / 'docs/images')
    assert all((root / 'docs/images' / name).stat().st_size > 5000 for name in drawing.SHOWN)


def test_quotes_of_speed_are_let_alone():
    figures = load_tool('benchmark').figures
    assert figures.quoted('1.5<!-- csv a / b / c / PSNR -->', {}) == '1.5<!-- csv a / b / c / PSNR -->'
