"""The project's own files agree with one another: version and changelog, pins and extras, image, hooks and lint."""
import ast
import re
from pathlib import Path

import pytest
import slow_time
import yaml
from packaging.specifiers import SpecifierSet

import isalux_mm

ROOT = Path(__file__).resolve().parents[1]
HEADING = re.compile(r'^## \[(.+?)\](?: - (\S+))?$', re.MULTILINE)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding='utf-8')


def requirements(text: str) -> set[str]:
    """Names of packages in a requirements file or a list of extras."""
    return {re.match(r'[\w\-]+', line)[0].lower() for line in text.splitlines() if re.match(r'\w', line)}


def test_the_changelog_ends_in_this_version():
    (unreleased, no_date), (version, date), *_ = HEADING.findall(read('CHANGELOG.md'))
    assert (unreleased, no_date) == ('Unreleased', '')
    assert version == isalux_mm.__version__
    assert re.fullmatch(r'\d{4}-\d{2}-\d{2}', date)


def test_the_version_is_stated_once():
    assert not [name for name in ('setup.py', 'pyproject.toml') if isalux_mm.__version__ in read(name)]


@pytest.mark.parametrize(('extra', 'file'), [('dev', 'requirements-dev.txt'), ('docs', 'requirements-docs.txt'),
                                             ('serve', 'requirements-dev.txt'), ('video', 'requirements-dev.txt'),
                                             ('export', 'requirements-dev.txt'), ('heif', 'requirements-dev.txt'),
                                             ('jxl', 'requirements-dev.txt'), ('raw', 'requirements-dev.txt'),
                                             ('fast', 'requirements-dev.txt')])
def test_what_an_extra_asks_for_is_pinned(extra, file):
    listed = re.search(rf"'{extra}': \[(.*?)\],\n", read('setup.py'), re.DOTALL)[1]
    asked = {re.match(r'[\w\-]+', name)[0].lower() for name in re.findall(r"'([^']+)'", listed)}
    assert asked and asked <= requirements(read(file))
    assert all('==' in line for line in read(file).splitlines() if re.match(r'\w', line))


def test_the_image_is_given_what_it_copies():
    copied = ' '.join(re.findall(r'^COPY (.+) \S+$', read('Dockerfile'), re.MULTILINE)).split()
    let_through = {line.removeprefix('!') for line in read('.dockerignore').splitlines() if line.startswith('!')}
    assert set(copied) == let_through
    assert all((ROOT / name).exists() for name in copied)


def test_the_hooks_run_what_lint_runs():
    recipe = re.search(r'^lint:.*\n((?:\t.+\n)+)', read('Makefile'), re.MULTILINE)[1]
    tools = re.findall(r'\$\(BIN\)/(\w+)', recipe)
    hooks = [hook for repo in yaml.safe_load(read('.pre-commit-config.yaml'))['repos'] for hook in repo['hooks']]
    assert tools == [hook['id'] for hook in hooks]
    assert all(hook['entry'].startswith(f".venv/bin/{hook['id']}") for hook in hooks)


def test_continuous_integration_runs_every_test_once():
    """The slow ones within a time, so that those of ninety minutes that a machine allows are enough."""
    commands = re.findall(r'^make (.+?)(?:  #.*)?$', read('.ci/run'), re.MULTILINE)
    assert commands == ['lint', 'docs', 'test', 'test-slow SLOW_MINUTES=30']


@pytest.mark.parametrize(('minutes', 'seconds', 'used'), [
    ('', 1e6, False), ('20', 1199, False), ('20', 1201, True), ('0.5', 31, True)])
def test_slow_tests_have_a_time(monkeypatch, minutes, seconds, used):
    monkeypatch.setenv(slow_time.VARIABLE, minutes)
    assert slow_time.is_used(seconds) is used


def test_what_is_installed_for_users_has_a_floor_and_an_end():
    """What changes with the next major version was not tried; versions that are dates tell nothing of it."""
    text = read('setup.py')
    named = re.findall(r"'([\w\-\[\]]+?)((?:[<>=!]=?[\d.]+,?)+)'", text[text.index('CORE ='):text.index("'dev':")])
    assert len(named) > 25 and {'torch', 'av', 'gradio', 'onedl-mmengine'} <= {name for name, _ in named}
    floors = {name: re.match(r'>=(\d+)', bounds) for name, bounds in named}
    assert not [name for name, bounds in named
                if not floors[name] or '<' not in bounds and int(floors[name][1]) < 2000]
    pins = dict(re.findall(r'^([\w\-]+)==([\w.]+)', '\n'.join(read(path.name) for path in ROOT.glob('requirements*.txt')
                                                            if 'openmmlab' not in path.name), re.MULTILINE))
    assert not [name for name, bounds in named
                if (pin := pins.get(name.partition('[')[0])) and not SpecifierSet(bounds).contains(pin)]


def test_the_oldest_python_that_is_promised_is_the_one_that_is_written_for():
    major, minor = map(int, re.search(r"python_requires='>=(\d+)\.(\d+),<3\.\d+'", read('setup.py')).groups())
    settings = read('pyproject.toml')
    assert f'target-version = "py{major}{minor}"' in settings and f'python_version = "{major}.{minor}"' in settings
    for folder in ('isalux_mm', 'tools', 'configs'):
        for path in (ROOT / folder).rglob('*.py'):
            ast.parse(path.read_text(encoding='utf-8'), str(path), feature_version=(major, minor))
