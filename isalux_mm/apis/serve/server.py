"""The server of the page: runs until it is interrupted, then all its files are removed."""
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from isalux_mm.apis.inferencer import EnhanceInferencer
from isalux_mm.apis.serve.gradio_loading import import_gradio
from isalux_mm.apis.serve.page import build_page, page_options
from isalux_mm.apis.serve.vault import Vault, page_folder
from isalux_mm.apis.serve.workbench import OWN_MODEL, Limits, Models, Overlay, Workbench

if TYPE_CHECKING:
    import uvicorn

HOST, PORT = '127.0.0.1', 7860  # Gradio's own
WILDCARDS = ('0.0.0.0', '::', '')  # addresses that are all of the machine's
CONNECTIONS = 200  # ours: at once
SWEEP_SECONDS = 60  # ours: from one look for old files to the next
START_SECONDS, STOP_SECONDS = 60, 5  # ours: in which the server must answer, and end


def serve(inferencer: EnhanceInferencer, host: str = HOST, *, port: int = PORT, limits: Limits | None = None,
          overlay: Overlay | None = None, model: str = OWN_MODEL, models: Models | None = None,
          hosts: Sequence[str] = (), root_path: str = '', started: Callable[[str], None] = print) -> None:
    """Runs the page until it is interrupted; then all its files are removed. Loggers of the process are left alone.

    Args:
        inferencer: enhances.
        host: address to listen at; 0.0.0.0 opens the page to the network.
        port: number to listen at.
        limits: what is taken.
        overlay: draws a detector's boxes and counts them.
        model: what the page calls the inferencer's model.
        models: others to choose from, by name: what builds them.
        hosts: names under which the page may be asked for, beside this machine's own and `host`.
        root_path: under which a reverse proxy shows the page, say '/photos'.
        started: told the page's address once it answers.

    Raises:
        ImportError: if Gradio is missing or too old.
        OSError: if the port is taken.
        ValueError: if `root_path` does not begin with a stroke.
    """
    with page_folder() as folder, running_page(
            inferencer, folder, host, port=port, limits=limits, overlay=overlay, model=model, models=models,
            hosts=hosts, root_path=root_path) as address:
        started(address)
        threading.Event().wait()


@contextmanager
def running_page(inferencer: EnhanceInferencer, folder: Path, host: str = HOST, *, port: int = PORT,
                 limits: Limits | None = None, overlay: Overlay | None = None, model: str = OWN_MODEL,
                 models: Models | None = None, hosts: Sequence[str] = (), root_path: str = '') -> Iterator[str]:
    """The page, answering while the block runs; arguments and errors as of `serve`, and the folder of its files.

    Yields:
        Its address.
    """
    gr = import_gradio()
    import fastapi
    import uvicorn

    from isalux_mm.apis.serve.guard import COOKIE, Guard
    from isalux_mm.apis.serve.patience import PatientProtocol
    root_path = root_path.rstrip('/')
    if root_path and not root_path.startswith('/'):
        raise ValueError(f"root_path must begin with '/', got {root_path!r}")
    limits, vault = limits or Limits(), Vault(folder)
    workbench = Workbench(inferencer, folder, limits=limits, overlay=overlay, model=model, models=models)
    listening = listen(host, port)
    with listening:
        port = listening.getsockname()[1]
        cookie = f'{COOKIE}-{port}'
        app = gr.mount_gradio_app(fastapi.FastAPI(openapi_url=None), build_page(workbench, vault, cookie), path='/',
                                  server_name=host, server_port=port, root_path=root_path or None,
                                  **page_options(workbench))
        own = () if host in WILDCARDS else (host, )
        guard = Guard(app, vault, limits, hosts=(*hosts, *own), root_path=root_path, cookie=cookie)
        server = uvicorn.Server(uvicorn.Config(
            guard, http=PatientProtocol, ws='none', log_config=None, log_level='warning', access_log=False,
            server_header=False, proxy_headers=False, limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=STOP_SECONDS))
        with in_background(server, listening), swept(vault, limits):
            name = 'localhost' if host in WILDCARDS else f'[{host}]' if ':' in host else host
            yield f'http://{name}:{port}{root_path}/'


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        OSError: if it cannot; names address and port.
    """
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        listening.close()
        raise OSError(f'the page cannot listen at {host}, port {port} ({getattr(error, "strerror", None) or error}): '
                      'choose another with --port') from error
    return listening


@contextmanager
def in_background(server: 'uvicorn.Server', listening: socket.socket) -> Iterator[None]:
    """Runs the server in a thread until the block ends; connections that are open then are cut."""
    thread = threading.Thread(target=server.run, args=([listening], ), daemon=True)
    thread.start()
    try:
        end = time.monotonic() + START_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > end:
                raise OSError('the page did not start')
            time.sleep(0.01)
        yield
    finally:
        logger = logging.getLogger('uvicorn.error')
        before, logger.disabled = logger.disabled, True  # what is cut off is no error
        server.should_exit = server.force_exit = True
        thread.join(STOP_SECONDS)
        logger.disabled = before


@contextmanager
def swept(vault: Vault, limits: Limits) -> Iterator[None]:
    """Removes old files every minute until the block ends."""
    over = threading.Event()

    def sweep() -> None:
        while not over.wait(SWEEP_SECONDS):
            vault.sweep(60 * limits.keep_minutes)

    thread = threading.Thread(target=sweep, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(STOP_SECONDS)
