"""The one way in which tests get at the scripts and packages of tools/."""
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType

TOOLS = Path(__file__).resolve().parents[1] / 'tools'


def load_tool(name: str) -> ModuleType:
    """A script or package of tools/ as a module, the same at every call.

    Its folder goes on `sys.path`, as when Python runs it: there it finds its neighbours, and so do processes that it
    spawns. It is looked for in that folder alone: `test` is ours, not the standard library's.

    Args:
        name: path below tools/ without suffix: 'train', 'dataset_converters/exdark2coco', 'peers'.

    Raises:
        ModuleNotFoundError: if there is no such tool.
    """
    folder, _, stem = name.rpartition('/')
    place = str(TOOLS / folder)
    if place not in sys.path:
        sys.path.append(place)
    spec = PathFinder.find_spec(stem, [place])
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f'tools/ has no {name}')
    known = sys.modules.get(stem)
    if known is not None and getattr(known, '__file__', None) == spec.origin:
        return known
    module = module_from_spec(spec)
    sys.modules[stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[stem]
        raise
    return module
