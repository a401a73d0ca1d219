"""One place writes files: nothing else in the package or its tools opens one for writing, moves or removes one."""
import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PLACE = 'isalux_mm/io/whole_file.py'
SOURCES = sorted(path for folder in ('isalux_mm', 'tools') for path in (ROOT / folder).rglob('*.py')
                 if path != ROOT / PLACE)
# calls that write whatever they are given
WRITERS = {'save', 'savez', 'savez_compressed', 'savetxt', 'save_file', 'save_model', 'save_checkpoint', 'savefig',
           'imwrite', 'imsave', 'imwritemulti', 'tofile', 'to_csv', 'to_json', 'to_parquet', 'write_text',
           'write_bytes', 'VideoWriter', 'TiffWriter', 'ZipFile', 'copy2', 'copyfile', 'copytree', 'move', 'symlink_to',
           'hardlink_to', 'touch', 'download_url_to_file', 'urlretrieve', 'NamedTemporaryFile', 'mkstemp', 'rmtree',
           'unlink', 'truncate', 'pwrite'}
DUMPERS = {'json', 'pickle', 'yaml', 'mmengine', 'mmcv', 'marshal', 'tomllib'}  # whose `dump` writes
MOVERS = {'os': {'rename', 'replace', 'link', 'symlink', 'remove', 'unlink', 'open'}, 'shutil': {'copy', 'move'}}
OWN = {'write_text', 'write_json', 'write_image', 'write_picture'}  # of the house, by name: they go through the place
# what may be handed to a writer: a draft or file of the place, or memory
SAFE_SOURCES = {'whole_file', 'whole_path', 'BytesIO', 'StringIO'}
SAFE_TYPES = {'BinaryIO', 'BytesIO'}
EXCEPTIONS = {
    ('isalux_mm/apis/video/containers.py', 'av.open'): 'FFmpeg writes into the draft of `VideoEnhancer`',
    ('isalux_mm/apis/evaluating.py', 'table.save'): '`ScoreTable.save`, which goes through the place',
    ('tools/tabling/jobs.py', 'scored.save'): 'likewise',
    ('isalux_mm/apis/serve/vault.py', 'open'): "the lock of the page's own temporary folder, which must be new",
    ('isalux_mm/apis/serve/vault.py', 'shutil.rmtree'): 'that folder itself, and what visitors had in it',
    ('isalux_mm/apis/serve/vault.py', 'path.unlink'): 'likewise',
    ('isalux_mm/engine/checkpoint_hook.py', 'os.remove'): 'what max_keep_ckpts leaves out, after the new one is whole',
    ('isalux_mm/engine/work_folder.py', 'os.open'): 'the lock of a work folder',
    ('isalux_mm/engine/work_folder.py', 'lock.unlink'): 'likewise',
    ('isalux_mm/engine/work_folder.py', 'draft.unlink'): 'what a training that was killed left of a checkpoint',
    ('isalux_mm/apis/cluster.py', 'draft.unlink'): 'what a process that was lost left of a result',
    ('tools/benchmarking/measure.py', 'Path.write_text'): "a switch of Linux's, no file",
    ('tools/draw_docs_pictures.py', 'symlink_to'): 'into a temporary folder of its own',
}


def name_of(node: ast.expr) -> str:
    """'Path.write_text', 'os.replace', 'open': of what is called, the last two parts."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = node.value
        base = base.func if isinstance(base, ast.Call) else base
        last = name_of(base).rpartition('.')[2]
        return f'{last}.{node.attr}' if last else node.attr
    return ''


def mode_of(call: ast.Call, place: int) -> str:
    """The mode of an `open`, '?' where it is not written out."""
    given = [keyword.value for keyword in call.keywords if keyword.arg == 'mode'] or call.args[place:place + 1]
    if not given:
        return 'r'
    return given[0].value if isinstance(given[0], ast.Constant) and isinstance(given[0].value, str) else '?'


def writes(call: ast.Call) -> bool:
    """Whether a call may change files."""
    name = name_of(call.func)
    base, _, last = name.rpartition('.')
    if last == 'open' and base != 'os':
        if base in ('Image', 'TiffImageFile', 'webbrowser'):
            return False
        mode = mode_of(call, 1 if base in ('', 'io', 'gzip', 'bz2', 'lzma', 'av', 'codecs') else 0)
        return not set(mode) <= set('rbtU')
    if base in MOVERS and last in MOVERS[base]:
        return True
    if last == 'dump':
        return base in DUMPERS
    if last in ('rename', 'replace') and len(call.args) == 1 and not call.keywords and base != 'os':
        return True  # of a path; a string's and a dataclass's take more
    return last in WRITERS and not (base == '' and (last in OWN or last == 'save'))


def safe_names(function: ast.AST) -> set[str]:
    """Names in a function that stand for a draft, a file of the place, or memory."""
    names = set()
    for node in ast.walk(function):
        if isinstance(node, ast.withitem) and isinstance(node.context_expr, ast.Call):
            if name_of(node.context_expr.func).rpartition('.')[2] in SAFE_SOURCES and node.optional_vars is not None:
                names |= {one.id for one in ast.walk(node.optional_vars) if isinstance(one, ast.Name)}
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            if name_of(node.value.func).rpartition('.')[2] in SAFE_SOURCES:
                names |= {one.id for target in node.targets for one in ast.walk(target) if isinstance(one, ast.Name)}
        elif isinstance(node, ast.arg) and node.annotation is not None and any(
                name_of(one).rpartition('.')[2] in SAFE_TYPES for one in ast.walk(node.annotation)
                if isinstance(one, ast.Name | ast.Attribute)):
            names.add(node.arg)
    return names


def offenders(source: str) -> list[tuple[str, int]]:
    """Calls that may change files and are handed neither a draft nor memory: name and line."""
    found = {}
    functions = [node for node in ast.walk(ast.parse(source))
                 if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module)]
    for function in functions:  # the module first, then what is nested, which knows more
        safe = safe_names(function)
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call) and writes(node)):
            given = [*call.args, *(keyword.value for keyword in call.keywords)]
            base = call.func.value if isinstance(call.func, ast.Attribute) else None
            parts = [one for value in [*given, *([base] if base else [])] for one in ast.walk(value)]
            in_memory = any(isinstance(one, ast.Call) and name_of(one.func).rpartition('.')[2] in SAFE_SOURCES
                            for one in parts)
            used = {one.id for one in parts if isinstance(one, ast.Name)}
            found[call.lineno, call.col_offset, name_of(call.func)] = in_memory or bool(used & safe)
    return [(name, line) for (line, _, name), is_safe in found.items() if not is_safe]


@pytest.mark.parametrize('path', SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_else_writes(path):
    place = path.relative_to(ROOT).as_posix()
    found = [(name, line) for name, line in offenders(path.read_text(encoding='utf-8'))
             if (place, name) not in EXCEPTIONS]
    assert not found, 'write through isalux_mm.io.whole_file'


def test_exceptions_are_in_use():
    found = {(path.relative_to(ROOT).as_posix(), name) for path in SOURCES
             for name, _ in offenders(path.read_text(encoding='utf-8'))}
    assert EXCEPTIONS.keys() <= found


@pytest.mark.parametrize(('source', 'names'), [
    ("open(p, 'w')", ['open']), ("open(p, mode='ab')", ['open']), ("open(p, 'r+b')", ['open']),
    ('open(p, m)', ['open']),
    ('open(p)', []), ("open(p, 'rb')", []), ("p.open('w')", ['p.open']), ('p.open()', []),
    ("gzip.open(p, 'wb')", ['gzip.open']), ('os.remove(p)', ['os.remove']), ('names.remove(p)', []),
    ("av.open(p, 'w')", ['av.open']), ('av.open(p, format=f)', []), ('Image.open(p)', []),
    ('os.open(p, os.O_CREAT)', ['os.open']), ('os.replace(a, b)', ['os.replace']), ('a.rename(b)', ['a.rename']),
    ("text.replace('a', 'b')", []), ('replace(a, b=c)', []), ('shutil.move(a, b)', ['shutil.move']),
    ('torch.save(x, p)', ['torch.save']),
    ('Image.fromarray(x).save(p)', ['fromarray.save']), ('cv2.imwrite(p, x)', ['cv2.imwrite']),
    ('json.dump(x, f)', ['json.dump']), ('json.dumps(x)', []), ('Path(p).write_text(t)', ['Path.write_text']),
    ('write_text(p, t)', []), ('p.unlink()', ['p.unlink']), ('frame.to_csv(p)', ['frame.to_csv']),
    ('def f():\n with whole_file(p) as file:\n  torch.save(x, file)', []),
    ("def f():\n with whole_path(p) as draft, open(draft, 'w') as file:\n  file.write(t)", []),
    ("def f():\n with whole_path(p) as draft:\n  open(other, 'w')", ['open']),
    ('def f():\n buffer = io.BytesIO()\n picture.save(buffer)', []), ("av.open(io.BytesIO(), 'w')", []),
    ('def f(file: BinaryIO):\n np.save(file, x)', []),
    ('def f(file: Path):\n np.save(file, x)', ['np.save']),
])
def test_the_rule_itself(source, names):
    assert [name for name, _ in offenders(source)] == names


def test_whoever_writes_for_whom_says_whether_files_are_replaced():
    """The functions of the house that write never replace by default."""
    defaults = {}
    for name in ('isalux_mm/io/whole_file.py', 'isalux_mm/io/images.py', 'isalux_mm/io/picture_file.py',
                 'isalux_mm/evaluation/metrics.py'):
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding='utf-8'))):
            if isinstance(node, ast.FunctionDef):
                for arg, default in zip(node.args.kwonlyargs, node.args.kw_defaults):
                    if arg.arg == 'overwrite' and default is not None:
                        defaults[node.name] = ast.literal_eval(default)
    assert set(defaults) >= {'whole_path', 'whole_file', 'write_text', 'write_json', 'write_image', 'write_picture',
                             'write_csv'} and not any(defaults.values())
