"""A page that says which test keeps a promise names one that is there."""
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').glob('*.md'))]
NAME = re.compile(r'`((?:test_|Test)\w+)(?:\[[^`]*\])?`')
FILE = re.compile(r'`(tests/[\w/]+\.py)(?:::(\w+))?`')
CONFIG = ('test_cfg', 'test_dataloader', 'test_evaluator', 'test_pipeline')  # what mmengine calls parts of a config
DEFINED = re.compile(r'^ *(?:def|class) (\w+)', re.MULTILINE)


def defined(paths) -> set[str]:
    """Functions and classes of sources."""
    return {name for path in paths for name in DEFINED.findall(path.read_text(encoding='utf-8'))}


def wrong(text: str) -> list[str]:
    """What a text names and is not there."""
    names = defined((ROOT / 'tests').rglob('*.py'))
    found = [name for name in NAME.findall(text) if name not in {*names, *CONFIG}]
    for file, name in FILE.findall(text):
        if not (ROOT / file).is_file() or name and name not in defined([ROOT / file]):
            found.append(f'{file}::{name}' if name else file)
    return found


@pytest.mark.parametrize('page', PAGES, ids=lambda p: p.stem)
def test_named_tests_are_there(page):
    assert not wrong(page.read_text(encoding='utf-8'))


def test_every_promise_of_the_reliability_page_names_its_test():
    page = (ROOT / 'docs/reliability.md').read_text(encoding='utf-8')
    rows = re.findall(r'^\| ([^|\n]+) \| ([^|\n]+) \|$', page, re.MULTILINE)
    kept = [(promise, test) for promise, test in rows if promise != 'promise' and '---' not in promise]
    assert len(kept) > 30
    assert not [promise for promise, test in kept if not (NAME.search(test) or FILE.search(test) or 'the same' in test)]


@pytest.mark.parametrize(('text', 'expected'), [
    ('`test_named_tests_are_there`', []), ('`test_nothing_of_the_kind`', ['test_nothing_of_the_kind']),
    ('`tests/test_named_tests.py`, `tests/no.py`', ['tests/no.py']),
    ('`tests/test_named_tests.py::wrong`', []),
    ('`tests/test_named_tests.py::none`', ['tests/test_named_tests.py::none']),
])
def test_the_rule_itself(text, expected):
    assert wrong(text) == expected
