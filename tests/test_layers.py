"""Who may import whom: every layer imports from those below it, siblings never meet."""
import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = 'isalux_mm'
# from the ground up; the rooms of one row are siblings
LAYERS = (
    ('functional', ),
    ('registry', 'compat', 'structures', 'model_zoo'),
    ('io', ),
    ('models', 'datasets', 'evaluation', 'engine', 'visualization'),
    ('inference', ),
    ('chain', ),
    ('det', 'seg'),
    ('apis', ),
    ('cli', ),
    ('__main__', ),
)
HEIGHT = {room: height for height, row in enumerate(LAYERS) for room in row}
FOREIGN = {'mmdet': 'det', 'mmseg': 'seg'}
MODULES = sorted((ROOT / PACKAGE).rglob('*.py'))
SHORT = [*MODULES, *sorted(path for folder in ('tools', 'tests') for path in (ROOT / folder).rglob('*.py'))]


def imported(source: str, package: str) -> set[str]:
    """Dotted names of all modules that a source imports, wherever in it the import stands.

    Args:
        source: Python code.
        package: dotted name of the package that relative imports start from.
    """
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split('.')[:len(package.split('.')) + 1 - node.level] if node.level else []
            module = '.'.join([*base, *([node.module] if node.module else [])])
            names |= {f'{module}.{alias.name}' for alias in node.names}
    return names


def forbidden(room: str, name: str) -> str | None:
    """Why a module in `room` may not import `name`; `None` if it may."""
    parts = name.split('.')
    if parts[0] in FOREIGN and room != FOREIGN[parts[0]]:
        return f'{parts[0]} is imported by {FOREIGN[parts[0]]} alone'
    if parts[0] in ('tools', 'tests', 'configs'):
        return 'the package imports nothing from outside'
    if parts[0] != PACKAGE or len(parts) == 1 or parts[1] == room or parts[1] not in HEIGHT or room not in HEIGHT:
        return None
    if HEIGHT[parts[1]] > HEIGHT[room]:
        return f'upward edge {room} -> {parts[1]}'
    if HEIGHT[parts[1]] == HEIGHT[room]:
        return f'sideways edge {room} -> {parts[1]}'
    return None


def room_of(path: Path) -> str:
    """The folder or module right under the package."""
    return path.relative_to(ROOT / PACKAGE).parts[0].removesuffix('.py')


@pytest.mark.parametrize('path', MODULES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_imports_go_downwards(path):
    package = '.'.join(path.relative_to(ROOT).parent.parts)
    reasons = [(name, why) for name in imported(path.read_text(encoding='utf-8'), package)
               if (why := forbidden(room_of(path), name))]
    assert not reasons


def test_every_room_has_its_layer():
    rooms = {room_of(path) for path in MODULES} - {'__init__'}
    assert rooms <= HEIGHT.keys()


@pytest.mark.parametrize(('room', 'source', 'reason'), [
    ('functional', 'from isalux_mm.models import isalux', 'upward edge functional -> models'),
    ('models', 'import isalux_mm.det.neck', 'upward edge models -> det'),
    ('models', 'from isalux_mm import datasets', 'sideways edge models -> datasets'),
    ('det', 'from ..seg import segmentor', 'sideways edge det -> seg'),
    ('models', 'def f():\n    import mmdet.models', 'mmdet is imported by det alone'),
    ('models', 'from isalux_mm.functional import checks', None),
    ('det', 'from mmdet.registry import MODELS', None),
    ('models', 'from .gates import Routing', None),
])
def test_the_rule_itself(room, source, reason):
    name, = imported(source, f'{PACKAGE}.{room}')
    assert forbidden(room, name) == reason


@pytest.mark.parametrize('path', SHORT, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_files_are_short(path):
    assert len(path.read_text(encoding='utf-8').splitlines()) <= 400
