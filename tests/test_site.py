"""The documentation site: what its hooks make; it is built in whole by `make docs`."""
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SPEC = importlib.util.spec_from_file_location('mkdocs_hooks', ROOT / 'docs/mkdocs_hooks.py')
hooks = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(hooks)


@pytest.fixture
def package(tmp_path):
    """A package `p` with a module, a package and private ones."""
    for name in ('__init__', '__main__', 'b', '_hidden', 'a/__init__', 'a/c', '_inner/d'):
        path = tmp_path / 'p' / f'{name}.py'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / 'p'


def test_every_public_module_has_a_page(package):
    modules = hooks.public_modules(package)
    assert modules == ['p', 'p.a', 'p.a.c', 'p.b']
    assert hooks.api_nav(modules, 'p') == [
        'api/p.md', {'a': ['api/p.a.md', {'c': 'api/p.a.c.md'}]}, {'b': 'api/p.b.md'}]


def test_a_package_names_what_it_exports():
    source = ("from a.b import C, d as e\nif TYPE_CHECKING:\n    from a import f\nfrom a import hidden\n"
              "__version__ = '1'\n__all__ = ['C', 'e', 'f', '__version__']\n")
    assert hooks.public_names(source) == {'C': 'a.b.C', 'e': 'a.b.d', 'f': 'a.f'}
    assert hooks.exported('isalux_mm')['EnhanceInferencer'] == 'isalux_mm.apis.inferencer.EnhanceInferencer'
    assert hooks.exported('isalux_mm.models.isalux') == {}
    assert '- [`ISALux`][isalux_mm.models.isalux.ISALux]\n' in hooks.api_text('isalux_mm.models')


@pytest.mark.parametrize(('page', 'source', 'text', 'expected'), [
    ('speed.md', 'docs', '[a](benchmark.md#peers)', '[a](benchmark.md#peers)'),
    ('speed.md', 'docs', '[a](../README.md#speed)', '[a](overview.md#speed)'),
    ('sub/a.md', 'docs/sub', '[a](../../CHANGELOG.md)', '[a](../changelog.md)'),
    ('overview.md', '', '![a](docs/images/demo.png)', '![a](images/demo.png)'),
    ('overview.md', '', '[a](docs/README.md)', '[a](README.md)'),
    ('overview.md', '', '[a](#install) [b](https://arxiv.org)', '[a](#install) [b](https://arxiv.org)'),
    ('speed.md', 'docs', '[tool](../tools/benchmark.py)', 'tool'),
    ('speed.md', 'docs', '```\n[a](../LICENSE)\n```\n', '```\n[a](../LICENSE)\n```\n'),
])
def test_links_lead_to_the_same_place_on_the_site(page, source, text, expected):
    assert hooks.relinked(text, page, source, repository='') == expected


def test_other_files_are_linked_where_the_repository_is_known():
    linked = hooks.relinked('[tool](../tools/benchmark.py)', 'speed.md', 'docs', 'https://example.org/isalux/blob/main')
    assert linked == '[tool](https://example.org/isalux/blob/main/tools/benchmark.py)'


def test_the_navigation_names_every_page():
    named = re.findall(r'^ +- (\S+\.md)$', (ROOT / 'mkdocs.yml').read_text(encoding='utf-8'), re.MULTILINE)
    assert sorted(named) == sorted(path.name for path in (ROOT / 'docs').glob('*.md'))


def test_the_pages_of_the_root_are_made():
    made = dict(hooks.made_pages())
    assert made['changelog.md'] == (ROOT / 'CHANGELOG.md').read_text(encoding='utf-8')
    assert made['api/isalux_mm.models.isalux.md'].endswith('\n::: isalux_mm.models.isalux\n')
