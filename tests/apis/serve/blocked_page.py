"""`isalux serve` in a process of its own, with work that waits: `python blocked_page.py FOLDER [--now] OPTIONS`.

Work begins with a file `started` in the folder and ends, refused, when there is a file `gate`. Two loggers write into
the folder before and after the page, and `called.json` tells to which hosts the process connected. With `--now` the
page ends as soon as it answers.
"""
import json
import logging
import socket
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from mmengine.logging import MMLogger

from isalux_mm import cli
from isalux_mm.apis.serve import RefusedError, Workbench

FOLDER, *OPTIONS = sys.argv[1:]
FOLDER, NOW = Path(FOLDER), '--now' in OPTIONS


def file_loggers() -> list[logging.Logger]:
    """One of mmengine and one of the standard library, which write into `mmengine.log` and `standard.log`."""
    standard = logging.getLogger('standard')
    standard.addHandler(logging.FileHandler(FOLDER / 'standard.log'))
    return [MMLogger.get_instance('mine', log_file=str(FOLDER / 'mmengine.log')), standard]


def work(workbench: Workbench, *_) -> None:
    """In the place of the workbench's own."""
    (workbench.folder / 'made.png').touch()
    (FOLDER / 'started').touch()
    while not (FOLDER / 'gate').exists():
        time.sleep(0.05)
    raise RefusedError('It is done.')


def end(address: str) -> None:
    """In the place of the announcement, as Ctrl-C right after it."""
    print(address, flush=True)
    raise KeyboardInterrupt


def main() -> int:
    called, connect = set(), socket.socket.connect
    socket.socket.connect = lambda self, to: (called.add(to), connect(self, to))[1]
    Workbench.enhance = Workbench.explain = work
    cli.serve.build_inferencer = lambda *_, **__: SimpleNamespace(tile=None, mode='full')
    if NOW:
        cli.serve.announce = end
    loggers = file_loggers()
    for logger in loggers:
        logger.warning('before the page')
    code = cli.main(['serve', *(option for option in OPTIONS if option != '--now')])
    for logger in loggers:
        logger.warning('after the page')
    (FOLDER / 'called.json').write_text(json.dumps(sorted({to[0] for to in called if isinstance(to, tuple)})))
    return code


if __name__ == '__main__':
    sys.exit(main())
