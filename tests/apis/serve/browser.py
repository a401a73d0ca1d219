"""A real browser and a real server for the tests of the page; both absent means skipped, with the reason."""
import re
import shutil
import signal
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from processes import PATIENCE, environment, started, wait_until

TIMEOUT = 1000 * PATIENCE  # milliseconds, of Playwright
TRIALS = 3  # of ports: another process may take one between the look and the start
TAKEN = 'cannot listen at'
ADDRESS = re.compile(r'http://\S+')
QUIET = ('--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync')


def skip_without_browser() -> str:
    """The path of Chromium; skips where it, Gradio or Playwright is missing."""
    pytest.importorskip('gradio', reason='Gradio is not installed')
    pytest.importorskip('playwright.sync_api', reason='Playwright is not installed')
    path = shutil.which('chromium') or shutil.which('chromium-browser')
    if path is None:
        pytest.skip('Chromium is not installed')
    return path


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class Server:
    """The page in a process of its own.

    Args:
        folder: for its output, and in `temporary` what it uploads and makes.
        command: of Python, which prints the page's address; `--port` with a free one is added.
    """

    def __init__(self, folder: Path, *command: str):
        self.log, self.temporary = folder / 'server.log', folder / 'temporary'
        self.temporary.mkdir()
        with ExitStack() as stack:  # a start that fails leaves no process behind
            for _ in range(TRIALS):
                log = stack.enter_context(open(self.log, 'wb'))
                self.process = stack.enter_context(started(
                    *command, '--port', str(free_port()), stdout=log, stderr=log,
                    env=environment(TMPDIR=str(self.temporary))))
                wait_until(lambda: self.process.poll() is not None or ADDRESS.search(self.log.read_text()))
                if TAKEN not in self.log.read_text():
                    break
            found = ADDRESS.search(self.log.read_text())
            if not found:
                pytest.fail(f'the server did not start:\n{self.log.read_text()}')
            self.address, self._end = found.group(), stack.pop_all()

    def stop(self) -> int:
        """SIGTERM, which acts as Ctrl-C, but reaches processes started in the background too; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            return self.process.returncode  # it was killed

    def wait(self) -> int:
        """The exit code, once it has ended; an end that does not come is made."""
        with self._end:
            return self.process.wait(PATIENCE)


class Visit:
    """A browser's page that keeps what it asked for and what it complained about.

    Attributes:
        page: Playwright's.
        requests: addresses that were asked for.
        errors: of the console, and uncaught ones.
        expected: ends of those that do not count.
    """

    def __init__(self, page):
        self.page, self.requests, self.errors, self.expected = page, [], [], ()
        page.on('request', lambda request: self.requests.append(request.url))
        page.on('console', lambda line: self.errors.append(line.text) if line.type == 'error' else None)
        page.on('pageerror', lambda error: self.errors.append(str(error)))

    def upload(self, path: Path) -> str:
        """Gives the page a file, in the place of the one before; the message that follows."""
        if self.page.locator('#upload').get_by_label('Clear').count():
            self.page.locator('#upload').get_by_label('Clear').click()
            self.page.locator('#message p').wait_for(state='detached')
        self.page.set_input_files('#upload input[type=file]', path)
        return self.said()

    def said(self) -> str:
        """The message, as soon as there is one."""
        self.page.wait_for_selector('#message p')
        return self.page.locator('#message p').inner_text()

    def complaints(self) -> list[str]:
        """Errors that were not expected."""
        return [error for error in self.errors if not error.endswith(tuple(self.expected))]

    def strangers(self) -> set[str]:
        """Hosts beside this machine that were asked for anything."""
        hosts = {urlsplit(url).hostname for url in self.requests if urlsplit(url).scheme not in ('data', 'blob')}
        return hosts - {'127.0.0.1', 'localhost'}
