"""The documentation holds: links, command lines, configs and code of README.md and docs/."""
import argparse
import ast
import importlib
import inspect
import os
import re
import shlex
import sys
from pathlib import Path

import mmengine.registry
import numpy as np
import pytest
from loading import load_tool
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

import isalux_mm.registry as registries
from isalux_mm import cli
from isalux_mm.cli import compare
from isalux_mm.io.images import write_image
from isalux_mm.registry import DATASETS, METRICS, MODELS, TRANSFORMS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
LINKED = [*PAGES, ROOT / 'CONTRIBUTING.md', ROOT / 'CHANGELOG.md']
TUTORIALS = [ROOT / 'docs/own_data.md', ROOT / 'docs/own_expert.md']
FENCE = re.compile(r'^```(\w*)\n(.*?)^```', re.MULTILINE | re.DOTALL)
INLINE = re.compile(r'`([^`\n]+(?:\n[^`\n]+)?)`')
LINK = re.compile(r'!?\[[^\]]*\]\(([^)\s]+)\)')
NAMED = re.compile(r'# (\S+\.py)\n')
REGISTRIES = [value for place in (registries, mmengine.registry) for value in vars(place).values()
              if isinstance(value, mmengine.registry.Registry)]
FLAGS = ('_delete_', '_scope_', 'type')


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return [text for name, text in FENCE.findall(page.read_text(encoding='utf-8')) if name == language]


def inline(page: Path) -> list[str]:
    """What stands between single backticks, outside of blocks."""
    return [' '.join(text.split()) for text in INLINE.findall(FENCE.sub('', page.read_text(encoding='utf-8')))]


def each(language: str, pages: list[Path] = PAGES) -> list:
    """A parameter for every block of a language."""
    return [pytest.param(text, id=f'{page.stem}-{k}') for page in pages
            for k, text in enumerate(blocks(page, language))]


# --- links


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r'^#+ (.+)$', FENCE.sub('', page.read_text(encoding='utf-8')), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', head.lower()).replace(' ', '-') for head in heads}


@pytest.mark.parametrize('page', LINKED, ids=lambda p: p.stem)
def test_links_and_pictures_are_there(page):
    missing = []
    for target in LINK.findall(FENCE.sub('', page.read_text(encoding='utf-8'))):
        if '://' in target:
            continue
        name, _, anchor = target.partition('#')
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            missing.append(target)
    assert not missing


def test_the_index_names_every_page():
    index = (ROOT / 'docs/README.md').read_text(encoding='utf-8')
    named = {target for target in LINK.findall(index) if '/' not in target}
    assert named == {page.name for page in PAGES[1:]} - {'README.md'}
    assert 'docs/README.md' in LINK.findall(PAGES[0].read_text(encoding='utf-8'))


# --- command lines


class Parsed(Exception):
    """A command line was understood."""


def commands(text: str) -> list[list[str]]:
    """The words of every call of `isalux` or a script of ours in shell text: no comments, variables, assignments."""
    found = []
    for line in text.replace('\\\n', ' ').splitlines():
        words = shlex.split(re.sub(r'\$\{?\w+\}?', '0', line), comments=True)
        while words and re.fullmatch(r'\w+=\S*|do|then', words[0]):
            words = words[1:]
        if words[:3] == ['python', '-m', 'isalux_mm']:
            words = ['isalux', *words[3:]]
        words = [word for word in words if word != '...']
        if len(words) > 1 and (words[0] == 'isalux' or (words[0] == 'python' and words[1].startswith('tools/'))):
            found.append(words)
    return found


def shown_commands(page: Path) -> list[list[str]]:
    """Command lines of a page's shell blocks, and those in its running text, where a bare name asks for help."""
    found = [words for text in blocks(page, 'bash') for words in commands(text)]
    for text in inline(page):
        found += [[*words, '--help'] if len(words) == 2 else words for words in commands(text)]
    return [['isalux', 'enhance', *words[2:]] if words[1] == 'COMMAND' else words for words in found]


def parse(words: list[str], monkeypatch) -> None:
    """Hands a command line to the parser that it is meant for; nothing runs.

    Raises:
        Parsed: if it is understood.
        SystemExit: if not.
    """
    real = argparse.ArgumentParser.parse_args

    def parse_args(self, args=None, namespace=None):
        real(self, args, namespace)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, 'parse_args', parse_args)
    if words[0] == 'isalux':
        monkeypatch.setattr(compare, 'named_folder', str)  # which asks for a folder that exists
        cli.main(words[1:])
    monkeypatch.setattr(sys, 'argv', words[1:])
    load_tool(words[1].removeprefix('tools/').removesuffix('.py')).main()


COMMANDS = [(page, words) for page in LINKED for words in shown_commands(page)]


def test_pages_show_commands():
    assert len(COMMANDS) > 40 and {words[0] for _, words in COMMANDS} == {'isalux', 'python'}


@pytest.mark.parametrize(('page', 'words'), COMMANDS,
                         ids=[f'{page.stem}-{k}-{words[1][-24:]}' for k, (page, words) in enumerate(COMMANDS)])
def test_command_lines_are_understood(page, words, monkeypatch, capsys):
    try:
        parse(words, monkeypatch)
    except Parsed:
        pass
    except SystemExit as end:
        assert end.code == 0, f'{shlex.join(words)}\n{capsys.readouterr().err}'  # --help
    gone = [word for word in words if re.fullmatch(r'(configs|isalux_mm)/[\w/.]+', word) and not (ROOT / word).exists()]
    assert not gone


@pytest.mark.parametrize('line', ['isalux enhance a.jpg --brigthness 1', 'python tools/train.py', 'isalux paint a.jpg',
                                  'python tools/test.py c.py w.pth --gains dark', 'isalux enhance a.jpg --tile big'])
def test_the_check_itself_sees_a_wrong_line(line, monkeypatch, capsys):
    words, = commands(f'A=1 {line}  # a remark')
    with pytest.raises(SystemExit) as end:
        parse(words, monkeypatch)
    assert end.value.code == 2 and capsys.readouterr().err


@pytest.mark.parametrize('page', PAGES, ids=lambda p: p.stem)
def test_make_targets_and_scripts_are_there(page):
    text = '\n'.join(blocks(page, 'bash') + inline(page))
    targets = set(re.findall(r'^make ([\w-]+)', text, re.MULTILINE))
    assert targets <= set(re.findall(r'^([\w-]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE))
    paths = re.findall(r'(?<![\w/.])((?:tools|configs|tests|isalux_mm)/[\w/]+\.(?:py|sh|safetensors))', text)
    assert not [path for path in paths if not (ROOT / path).exists()]


# --- code and configs


def typed_calls(source: str) -> list[tuple[str, list[str]]]:
    """Class name and keywords of every `dict(type='Name', ...)` in a source; none of what is no Python."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict':
            options = {k.arg: k.value for k in node.keywords if k.arg}
            kind = options.get('type')
            if isinstance(kind, ast.Constant) and isinstance(kind.value, str):
                found.append((kind.value, [name for name in options if name not in FLAGS]))
    return found


def wrong_options(name: str, options: list[str]) -> list[str]:
    """Options that a class has not; a name that ends in '.', if nobody has the class."""
    for registry in REGISTRIES:
        found = registry.get(name)
        if found is not None:
            parameters = inspect.signature(found).parameters.values()
            if any(p.kind is p.VAR_KEYWORD for p in parameters):
                return []
            return [f'{name}.{o}' for o in options if o not in {p.name for p in parameters}]
    return [f'{name}.']


def test_the_check_itself_sees_wrong_names_and_links():
    calls = typed_calls("dict(type='MoEFFN', experts=dict(type='ConvExpert', expansoin=2.0), gate=dict(type='Gaet'))")
    assert sorted(wrong for name, options in calls for wrong in wrong_options(name, options)) == [
        'ConvExpert.expansoin', 'Gaet.']
    assert 'a-segmentor-as-the-semantic-prior' in anchors(ROOT / 'docs/segmentation.md')


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder like a checkout, where modules are found that the tutorials define."""
    for name in ('configs', 'tools', 'isalux_mm'):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def write_modules(folder: Path) -> None:
    """Every named block of the tutorials, in its file."""
    for page in TUTORIALS:
        for text in blocks(page, 'python'):
            if named := NAMED.match(text):
                path = folder / named[1]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)


@pytest.mark.parametrize('page', PAGES, ids=lambda p: p.stem)
def test_classes_and_options_in_python_exist(page, workplace):
    for module in ('isalux_mm.det', 'isalux_mm.seg'):
        pytest.importorskip(module.replace('isalux_mm.det', 'mmdet').replace('isalux_mm.seg', 'mmseg'))
        importlib.import_module(module)
    write_modules(workplace)
    importlib.import_module('my.experts')
    fenced, short = blocks(page, 'python'), [text for text in inline(page) if 'dict(' in text]
    for text in fenced:
        ast.parse(text)
    calls = [call for text in [*fenced, *short, *(f'f({text})' for text in short)] for call in typed_calls(text)]
    own = set(re.findall(r'^class (\w+)', '\n'.join(fenced), re.MULTILINE))
    assert not [wrong for name, options in calls if name not in own for wrong in wrong_options(name, options)]
    for text in fenced:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith('isalux_mm'):
                module = importlib.import_module(node.module)
                assert not [alias.name for alias in node.names if not hasattr(module, alias.name)]


@pytest.mark.parametrize('text', [t for t in each('python') if '_base_' in t.values[0]])
def test_configs_are_read_and_their_models_built(text, workplace):
    if 'isalux_mm.det' in text:
        pytest.importorskip('mmdet')
    if 'isalux_mm.seg' in text:
        pytest.importorskip('mmseg')
    write_modules(workplace)
    path = workplace / (named[1] if (named := NAMED.match(text)) else 'config.py')
    path.write_text(text)
    cfg = Config.fromfile(path)
    model = MODELS.build(dict(cfg.model, _scope_='isalux_mm'))
    assert sum(p.numel() for p in model.parameters()) > 1e5
    if cfg.get('default_scope') == 'isalux_mm':
        for part in ('train', 'val', 'test'):
            for transform in cfg[f'{part}_dataloader'].dataset.pipeline:
                TRANSFORMS.build(transform)
        for metric in cfg.val_evaluator:
            METRICS.build(metric)


def write_pictures(folder: Path, brightness: float = 1.0, size: tuple[int, int] = (37, 53)) -> None:
    """Three pictures of coloured tiles."""
    rng = np.random.default_rng(0)
    for k in range(3):
        tiles = rng.uniform(0.2, 0.9, (size[0] // 4 + 1, size[1] // 4 + 1, 3)) * brightness
        picture = np.kron(tiles, np.ones((4, 4, 1)))[:size[0], :size[1]]
        write_image(folder / f'{k}.png', picture.astype(np.float32))


def write_data(folder: Path) -> None:
    """The folders that the tutorials speak of."""
    for part in ('pairs/train', 'pairs/val', 'mine/our485', 'mine/eval15', 'demo/our485', 'demo/eval15'):
        write_pictures(folder / 'data' / part / 'low', 0.1)
        write_pictures(folder / 'data' / part / ('gt' if 'pairs' in part else 'high'))
    write_pictures(folder / 'data/dark/train', 0.1)
    write_pictures(folder / 'data/dark/val', 0.1, (97, 193))  # NIQE wants two blocks of 96 pixels


@pytest.mark.parametrize('page', TUTORIALS, ids=lambda p: p.stem)
def test_scripts_of_the_tutorials_run_and_print_what_is_shown(page, workplace, capsys):
    write_modules(workplace)
    write_data(workplace)
    scripts = [text for text in blocks(page, 'python') if '_base_' not in text and 'my/' not in text.splitlines()[0]]
    assert scripts
    for text in scripts:
        exec(compile(text, page.name, 'exec'), {'__name__': 'tutorial'})
    out = capsys.readouterr().out
    if page.stem == 'own_data':
        assert 'train 3 pairs, first: data/pairs/train/low/0.png' in out and Path('check.png').is_file()
    else:
        shown = page.read_text(encoding='utf-8')
        assert out.startswith('sparse\n') and out.removeprefix('sparse\n') in shown


@pytest.mark.parametrize('name', ['pairs', 'photos', 'dark', 'mixed'])
def test_configs_of_the_tutorials_train(name, workplace):
    write_modules(workplace)
    write_data(workplace)
    cfg = Config.fromfile(f'my/{name}.py')
    cfg.merge_from_dict({
        'model.network.embed_dims': (8, 16), 'model.network.depths': (1, 1), 'model.network.num_heads': (1, 1),
        'model.init_cfg': None, 'train_cfg': dict(max_iters=1, val_interval=1), 'work_dir': 'work_dirs',
        'train_dataloader': dict(batch_size=1, num_workers=0, persistent_workers=False), 'log_level': 'ERROR',
        'val_dataloader': dict(num_workers=0, persistent_workers=False), 'default_hooks.checkpoint.save_best': None})
    cfg.visualizer.vis_backends = []
    cfg.test_dataloader = cfg.test_evaluator = cfg.test_cfg = None
    for dataloader in (cfg.train_dataloader, cfg.val_dataloader):
        assert len(DATASETS.build(dataloader.dataset)) == 3
    for transform in cfg.train_dataloader.dataset.pipeline:
        if 'size' in transform:
            transform.size = (61, 67)  # CheckerboardLoss wants cells of some pixels
    runner = Runner.from_cfg(cfg)
    before = [p.clone() for p in runner.model.parameters()]
    runner.train()
    assert any((a != b).any() for a, b in zip(before, runner.model.parameters()))
    assert os.path.exists('work_dirs/last_checkpoint') and DefaultScope.get_current_instance().scope_name == 'isalux_mm'
