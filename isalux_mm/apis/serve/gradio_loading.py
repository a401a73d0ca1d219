"""Gradio, where it is installed: looked for, and loaded so that it stays silent."""
import os
from importlib import metadata
from types import ModuleType

MISSING = "the page needs Gradio 6: pip install 'isalux-mm[serve]'"


def check_gradio() -> None:
    """Looks for Gradio 6 or later without importing it.

    Raises:
        ImportError: if it is missing or too old; names what to install.
    """
    try:
        found = metadata.version('gradio')
    except metadata.PackageNotFoundError as error:
        raise ImportError(f'{MISSING} (there is none)') from error
    if int(found.partition('.')[0]) < 6:
        raise ImportError(f'{MISSING} (this is {found})')


def import_gradio() -> ModuleType:
    """Gradio, told to stay silent before it is imported.

    Raises:
        ImportError: if it is missing or too old; names what to install.
    """
    check_gradio()
    os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
    os.environ['HF_HUB_DISABLE_TELEMETRY'] = '1'
    import gradio
    return gradio
