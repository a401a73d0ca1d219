"""The reader that runs nothing comes in front of mmengine's loaders by itself, in every process that knows our package.

mmengine.runner, where the loaders are, takes several times as long to import as PyTorch, and a picture is enhanced
without it: so the reader waits for somebody to import it, whoever that is.
"""
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

LOADERS = 'mmengine.runner.checkpoint'  # the module of mmengine that has them
READER = 'isalux_mm.io.checkpoint_schemes'  # ours, which puts its own in their place when it is imported


def put_reader_in_front() -> None:
    """From here on no checkpoint that mmengine loads is unpickled; imports the reader where mmengine's are there."""
    if LOADERS in sys.modules:
        import_module(READER)
    elif not any(isinstance(finder, _LoadersFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _LoadersFinder())


class _LoadersFinder(MetaPathFinder):
    """Finds the one module, as the finders behind it do, and has the reader imported as its last line."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
                  ) -> ModuleSpec | None:
        if fullname != LOADERS:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _WithReader(spec.loader)
                return spec
        return None


class _WithReader(Loader):
    """A module's loader, which imports the reader behind it.

    Args:
        loader: the module's own, which it keeps.
    """

    def __init__(self, loader: Loader):
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        self.loader.exec_module(module)
        sys.modules.pop(READER, None)  # of loaders that are no more: a reload brings mmengine's own back
        import_module(READER)
