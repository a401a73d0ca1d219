"""A web page on this machine: drop a picture, see before and after, look into the network, download."""
from isalux_mm.apis.serve.gradio_loading import check_gradio
from isalux_mm.apis.serve.page import build_page, launch_options
from isalux_mm.apis.serve.server import page_folder, serve
from isalux_mm.apis.serve.workbench import Limits, RefusedError, Shown, Workbench

__all__ = ['Limits', 'RefusedError', 'Shown', 'Workbench', 'build_page', 'check_gradio', 'launch_options',
           'page_folder', 'serve']
