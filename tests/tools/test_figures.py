"""The figures that README and docs quote: kept in one file, and the same everywhere."""
import json
import re
from pathlib import Path

import pytest
from loading import load_tool

ROOT = Path(__file__).resolve().parents[2]
benchmark = load_tool('benchmark')
figures, MIB = benchmark.figures, benchmark.report.MIB
PAGES = benchmark.quoting_pages()
UNNAMED = re.compile(r'\d times as fast')


def row(model: str, size: str, seconds: float, speedup: float, memory: int | None) -> dict:
    return dict(
        size=size, model=model, rounds=3, latency=seconds, latency_q1=seconds / 2, latency_q3=seconds * 2,
        cpu_time=None, speedup=dict(retinexformer=speedup), memory=memory, memory_ratio=dict(retinexformer=0.5),
        share_of_peak=None, parameters=1)


@pytest.fixture
def results() -> dict:
    return dict(
        complete=True, machine=dict(cpu='a processor', threads=2),
        settings=dict(train=False, device='cpu', dtype='fp32', batch_size=1, sizes=['8x9', '16x18'], seed=0),
        rows=[row('isalux', '8x9', 0.1, 2.345, 3 * MIB), row('retinexformer', '8x9', 0.2345, 1.0, 6 * MIB),
              row('isalux', '16x18', 1.0, 0.09, None)])


@pytest.mark.parametrize('page', PAGES, ids=lambda p: p.stem)
def test_pages_quote_the_figures(page):
    text = page.read_text(encoding='utf-8')
    assert figures.quoted(text, json.loads((ROOT / 'docs/figures.json').read_text(encoding='utf-8'))) == text


@pytest.mark.parametrize('page', PAGES, ids=lambda p: p.stem)
def test_no_page_states_a_speed_of_its_own(page):
    text = figures.TABLE.sub('', page.read_text(encoding='utf-8'))
    assert not UNNAMED.findall(text)


def test_readme_quotes_some():
    assert len(figures.QUOTED.findall((ROOT / 'README.md').read_text(encoding='utf-8'))) >= 3


@pytest.mark.parametrize(('changes', 'name'), [
    (dict(), 'inference-8x9'),
    (dict(train=True, batch_size=8), 'training-8x9-batch8'),
    (dict(device='cuda', dtype='fp16'), 'inference-8x9-cuda-fp16'),
])
def test_runs_are_told_apart(results, changes, name):
    assert figures.run_name(results['settings'] | changes, '8x9') == name


def test_a_run_goes_into_file_and_pages(results, tmp_path):
    place = 'inference-8x9 isalux'
    text = (f'a **9.9<!-- {place} speedup retinexformer -->** b 7%<!-- {place} memory_ratio retinexformer --> '
            '1<!-- inference-1x1 peer rounds -->\n<!-- table inference-8x9 -->\n| old |\n<!-- end -->\n')
    (tmp_path / 'page.md').write_text(text)
    other = {'inference-1x1': dict(rows=dict(peer=dict(rounds=4)))}
    (tmp_path / 'figures.json').write_text(json.dumps(other))
    figures.update(tmp_path / 'figures.json', results, [tmp_path / 'page.md'])
    kept = json.loads((tmp_path / 'figures.json').read_text())
    assert set(kept) == {'inference-1x1', 'inference-8x9', 'inference-16x18'}  # other runs stay
    assert kept['inference-8x9']['machine'] == dict(cpu='a processor', threads=2)
    assert (tmp_path / 'page.md').read_text() == '\n'.join([
        f'a **2.3<!-- {place} speedup retinexformer -->** b 50%<!-- {place} memory_ratio retinexformer --> '
        '4<!-- inference-1x1 peer rounds -->', '<!-- table inference-8x9 -->', '',
        '|  | latency (ms), interquartile range | times as fast as Retinexformer | peak memory (MiB) |',
        '|---|---|---|---|', '| ISALux | 100 (50 to 200) | 2.3 | 3 |',
        '| Retinexformer, as published now | 234 (117 to 469) | 1 | 6 |', '', '<!-- end -->', ''])


def test_an_unfinished_run_is_no_figure(results, tmp_path):
    with pytest.raises(ValueError, match='finished runs only'):
        figures.update(tmp_path / 'figures.json', dict(results, complete=False), [])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('text', ['2<!-- inference-8x9 isalux speedup peer -->', '2<!-- a b c -->',
                                  '<!-- table inference-9x9 -->\n<!-- end -->'])
def test_what_does_not_exist_is_not_quoted(results, text):
    with pytest.raises(ValueError, match='must be'):
        figures.quoted(text, figures.figures_of(results))
