"""State of the whole process, kept over a test or a module: whatever a test leaves behind, the next one does not meet.

Filters of warnings are kept by pytest itself.
"""
import logging
import multiprocessing
import operator
import os
import random
import signal
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import cv2
import matplotlib
import mmengine.registry
import numpy as np
import torch
from mmengine.registry import Registry
from mmengine.utils import ManagerMixin
from PIL import Image

TESTS = Path(__file__).resolve().parent
PHASE = 'PYTEST_CURRENT_TEST'  # pytest's own environment variable, which changes while a test runs
SIGNALS = (signal.SIGINT, signal.SIGTERM)
LOGGER_ATTRIBUTES = ('level', 'propagate', 'disabled')
LOGGER_STATE = operator.attrgetter(*LOGGER_ATTRIBUTES)
# pairs of functions: one reads, the other sets what was read
VALUES = (
    (os.getcwd, os.chdir),
    (cv2.getNumThreads, cv2.setNumThreads),
    (lambda: multiprocessing.get_start_method(allow_none=True),
     lambda method: multiprocessing.set_start_method(method, force=True)),
    (np.geterr, lambda options: np.seterr(**options)),
    (random.getstate, random.setstate),
    (np.random.get_state, np.random.set_state),
    (torch.get_rng_state, torch.set_rng_state),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (lambda: (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
     lambda modes: torch.use_deterministic_algorithms(modes[0], warn_only=modes[1])),
)
# attributes of modules
ATTRIBUTES = (
    (sys, 'argv'), (tempfile, 'tempdir'), (Image, 'MAX_IMAGE_PIXELS'), (torch.backends.cudnn, 'benchmark'),
    (torch.backends.cudnn, 'deterministic'), (torch.backends.mkldnn, 'deterministic'),
)


@contextmanager
def kept_state(temporary: Path) -> Iterator[None]:
    """Puts all back to what it was when the block ends. The block begins without instances of mmengine's managers.

    Args:
        temporary: folder of the tests' files; modules that lie in it are forgotten.
    """
    undo = [keep(temporary) for keep in (
        _registries, _modules, _values, _umask, _signals, _environment, _path, _loggers, _drawing, _managers)]
    try:
        yield
    finally:
        for put_back in reversed(undo):
            put_back()


def seed(number: int) -> None:
    """Seeds the sources of chance, of the CPU alone: `torch.manual_seed` notes a call for GPUs that is never made."""
    random.seed(number)
    np.random.seed(number)
    torch.default_generator.manual_seed(number)


def _values(temporary: Path) -> Callable[[], None]:
    values = [(read(), write) for read, write in VALUES]
    attributes = [(place, name, getattr(place, name)) for place, name in ATTRIBUTES]

    def put_back() -> None:
        for value, write in values:
            write(value)
        for place, name, value in attributes:
            setattr(place, name, value)

    return put_back


def _umask(temporary: Path) -> Callable[[], None]:
    mask = os.umask(0o077)
    os.umask(mask)  # reading it means setting it

    def put_back() -> None:
        os.umask(mask)

    return put_back


def _signals(temporary: Path) -> Callable[[], None]:
    handlers = {number: signal.getsignal(number) for number in SIGNALS}

    def put_back() -> None:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    return put_back


def _environment(temporary: Path) -> Callable[[], None]:
    before = dict(os.environ)

    def put_back() -> None:
        for name in {*before, *os.environ} - {PHASE}:
            if name not in before:
                del os.environ[name]
            elif os.environ.get(name) != before[name]:
                os.environ[name] = before[name]

    return put_back


def _path(temporary: Path) -> Callable[[], None]:
    before = list(sys.path)

    def put_back() -> None:
        sys.path[:] = before

    return put_back


def _modules(temporary: Path) -> Callable[[], None]:
    """Stand-ins go and what they stood for returns; so do modules written by a test. What was imported stays."""
    before = dict(sys.modules)

    def put_back() -> None:
        # thousands, of which most often none has changed and the new ones stand last: no loop in Python
        if list(islice(sys.modules.values(), len(before))) == list(before.values()):
            new = list(islice(reversed(sys.modules), len(sys.modules) - len(before)))
        else:
            sys.modules.update(before)
            new = list(sys.modules.keys() - before.keys())
        for name in new:
            if _lies_in(name, temporary):
                del sys.modules[name]

    return put_back


def _registries(temporary: Path) -> Callable[[], None]:
    """What a test registers is forgotten, what it replaced returns; what came with an import stays."""
    before = {registry: dict(registry.module_dict) for registry in _all_registries()}

    def put_back() -> None:
        for registry in _all_registries():
            now, known = registry.module_dict, before.get(registry, {})
            for name, registered in list(now.items()):
                if name not in known and _is_of_a_test(registered.__module__, temporary):
                    del now[name]
            now.update((name, kept) for name, kept in known.items() if now.get(name) is not kept)

    return put_back


def _all_registries() -> list[Registry]:
    found = [value for value in vars(mmengine.registry).values() if isinstance(value, Registry)]
    for registry in found:  # grows while it is walked through
        found += [child for child in registry.children.values() if child not in found]
    return found


def _lies_in(module: str, folder: Path) -> bool:
    file = getattr(sys.modules.get(module), '__file__', None)
    return file is not None and file.startswith(f'{folder}{os.sep}')


def _is_of_a_test(module: str, temporary: Path) -> bool:
    """Whether it is a test's, was written by one, or is none at all, as where a test runs text as code."""
    return module not in sys.modules or _lies_in(module, TESTS) or _lies_in(module, temporary)


def _loggers(temporary: Path) -> Callable[[], None]:
    """Levels, handlers and filters of the loggers that there are."""
    before = [(logger, LOGGER_STATE(logger), _handlers(logger), list(logger.filters)) for logger in _all_loggers()]
    threshold = logging.root.manager.disable

    def put_back() -> None:
        for logger, state, handlers, filters in before:
            if LOGGER_STATE(logger) != state:
                vars(logger).update(zip(LOGGER_ATTRIBUTES, state))
                logger.manager._clear_cache()
            if _handlers(logger) != handlers:
                logger.handlers = [h for h in logger.handlers if _is_of_pytest(h)] + handlers
            if logger.filters != filters:
                logger.filters = filters
        if logging.root.manager.disable != threshold:
            logging.disable(threshold)

    return put_back


def _all_loggers() -> list[logging.Logger]:
    return [logging.root, *(x for x in logging.root.manager.loggerDict.values() if isinstance(x, logging.Logger))]


def _handlers(logger: logging.Logger) -> list[logging.Handler]:
    return [handler for handler in logger.handlers if not _is_of_pytest(handler)]


def _is_of_pytest(handler: logging.Handler) -> bool:
    """pytest changes its own handlers from phase to phase."""
    return type(handler).__module__.startswith('_pytest')


def _drawing(temporary: Path) -> Callable[[], None]:
    """matplotlib's options and figures."""
    options = dict(dict.items(matplotlib.rcParams))
    figures = set(_figures())

    def put_back() -> None:
        for number in set(_figures()) - figures:
            sys.modules['matplotlib.pyplot'].close(number)
        if dict(dict.items(matplotlib.rcParams)) != options:
            dict.update(matplotlib.rcParams, options)

    return put_back


def _figures() -> list[int]:
    pyplot = sys.modules.get('matplotlib.pyplot')
    return pyplot.get_fignums() if pyplot is not None else []


def _managers(temporary: Path) -> Callable[[], None]:
    """Instances of mmengine's loggers, message hubs, visualizers and scopes: none at first; new ones are closed."""
    before = {manager: manager._instance_dict for manager in _all_managers()}
    for manager in before:
        manager._instance_dict = OrderedDict()

    def put_back() -> None:
        for manager in _all_managers():
            for made in manager._instance_dict.values():
                for handler in getattr(made, 'handlers', ()):
                    handler.close()
                if hasattr(made, 'close'):
                    made.close()
            manager._instance_dict = before.get(manager, OrderedDict())

    return put_back


def _all_managers() -> list[type[ManagerMixin]]:
    found = [ManagerMixin]
    for manager in found:  # grows while it is walked through
        found += [child for child in manager.__subclasses__() if child not in found]
    return found
