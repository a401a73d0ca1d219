"""The server of the page: runs until it is interrupted, then all its files are removed."""
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from isalux_mm.apis.inferencer import EnhanceInferencer
from isalux_mm.apis.serve.page import build_page, launch_options
from isalux_mm.apis.serve.workbench import Limits, Overlay, Workbench

FOLDER_VARIABLE = 'GRADIO_TEMP_DIR'
HOST, PORT = '127.0.0.1', 7860  # Gradio's own


@contextmanager
def page_folder() -> Iterator[Path]:
    """A folder for all that is uploaded and made, which Gradio is told to use; removed with its content at the end."""
    with tempfile.TemporaryDirectory(prefix='isalux-page-', ignore_cleanup_errors=True) as folder:
        before = os.environ.get(FOLDER_VARIABLE)
        os.environ[FOLDER_VARIABLE] = folder
        try:
            yield Path(folder)
        finally:
            if before is None:
                del os.environ[FOLDER_VARIABLE]
            else:
                os.environ[FOLDER_VARIABLE] = before


@contextmanager
def untouched_logging() -> Iterator[None]:
    """Keeps Uvicorn from configuring logging, which closes the handlers of the whole process, a training's log among
    them. Gradio, which starts Uvicorn, has no option for it."""
    from uvicorn.config import LOGGING_CONFIG
    before = dict(LOGGING_CONFIG)
    LOGGING_CONFIG.clear()
    LOGGING_CONFIG.update(version=1, incremental=True)  # a change of nothing
    try:
        yield
    finally:
        LOGGING_CONFIG.clear()
        LOGGING_CONFIG.update(before)


def serve(inferencer: EnhanceInferencer, host: str = HOST, *, port: int = PORT, limits: Limits | None = None,
          overlay: Overlay | None = None, started: Callable[[str], None] = print) -> None:
    """Runs the page until it is interrupted; then all its files are removed. Loggers of the process are left alone.

    Args:
        inferencer: enhances.
        host: address to listen at; 0.0.0.0 opens the page to the network.
        port: number to listen at.
        limits: what is taken.
        overlay: draws a detector's boxes and counts them.
        started: told the page's address once it answers.

    Raises:
        ImportError: if Gradio is missing or too old.
        OSError: if the port is taken.
    """
    with page_folder() as folder:
        workbench = Workbench(inferencer, folder, limits=limits, overlay=overlay)
        page = build_page(workbench)
        try:
            with untouched_logging():
                _, address, _ = page.launch(server_name=host, server_port=port, prevent_thread_lock=True,
                                            **launch_options(workbench))
            started(address)
            threading.Event().wait()
        finally:
            page.close(verbose=False)
