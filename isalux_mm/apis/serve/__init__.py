"""A web page on this machine: drop pictures, see before and after, look into the network, download."""
from isalux_mm.apis.serve.gradio_loading import check_gradio
from isalux_mm.apis.serve.server import running_page, serve
from isalux_mm.apis.serve.vault import Vault, page_folder
from isalux_mm.apis.serve.workbench import Limits, RefusedError, Shown, Wish, Workbench

__all__ = ['Limits', 'RefusedError', 'Shown', 'Vault', 'Wish', 'Workbench', 'check_gradio', 'page_folder',
           'running_page', 'serve']
