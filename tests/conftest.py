"""For all tests: the process as it was, a small deterministic picture, a folder of real pictures where there is one."""
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import slow_time
import torch
from kept_state import kept_state, seed
from mmengine.registry import DefaultScope
from PIL import Image

DATA_VARIABLE = 'ISALUX_DATA'
DATA_NEIGHBOR = Path(__file__).resolve().parents[2] / 'shared' / 'data'
# what a shell that puts a run into the background, or nohup, has processes ignore: tests send these signals
SIGNALS = dict(SIGINT=signal.default_int_handler, SIGTERM=signal.SIG_DFL, SIGHUP=signal.SIG_DFL)
SEED = 0  # of every test: their order is random, their numbers are not


def pytest_configure(config: pytest.Config) -> None:
    Image.init()  # else in the middle of the first test that opens a picture, which may have replaced what Pillow calls
    config.option.randomly_reset_seed = False  # pytest-randomly's, after which a test's numbers would hang on the order
    for name, handler in SIGNALS.items():
        if signal.getsignal(getattr(signal, name)) is signal.SIG_IGN:
            signal.signal(getattr(signal, name), handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says the seed of the order, which a quiet run keeps to itself."""
    if hasattr(config.option, 'randomly_seed'):
        terminalreporter.write_line(f'random order: --randomly-seed={config.option.randomly_seed}')


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips a slow test for which no time is left."""
    if item.get_closest_marker('slow') and slow_time.is_used():
        pytest.skip(f'the time of {slow_time.VARIABLE} is over')


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef) -> None:
    """What is built for several tests has numbers of its own, whichever of them comes first."""
    if fixturedef.scope != 'function':
        seed(SEED)


@contextmanager
def clean_state(temporary: Path) -> Iterator[None]:
    """Our scope, one thread each (networks of the tests are tiny, threads would wait for one another), a fixed seed."""
    with kept_state(temporary):
        DefaultScope.get_instance('tests', scope_name='isalux_mm')
        torch.set_num_threads(1)
        seed(SEED)
        yield


@pytest.fixture(scope='module', autouse=True)
def _state_of_the_module(tmp_path_factory):
    with clean_state(tmp_path_factory.getbasetemp()):
        yield


@pytest.fixture(autouse=True)
def _state_of_the_test(_state_of_the_module, tmp_path_factory):
    with clean_state(tmp_path_factory.getbasetemp()):
        yield


@pytest.fixture(scope='session')
def shared_data() -> Path:
    """The folder of real photographs, pairs and weights; the test is skipped where there is none."""
    folder = Path(os.environ.get(DATA_VARIABLE, DATA_NEIGHBOR))
    if not folder.is_dir():
        pytest.skip(f'no real data: set {DATA_VARIABLE} to a folder of photographs, pairs and weights')
    return folder


@pytest.fixture
def picture() -> torch.Tensor:
    """A smooth random picture, (1, 3, 37, 53), RGB in [0, 1]: odd sizes on purpose."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 5, 7, generator=generator)
    return torch.nn.functional.interpolate(coarse, size=(37, 53), mode='bilinear').clamp(0, 1)
