"""The layout of the web page: controls, slider, tabs; what they call is in `events`."""
from types import ModuleType
from typing import TYPE_CHECKING, Any

from isalux_mm.apis.serve.events import Events
from isalux_mm.apis.serve.gradio_loading import import_gradio
from isalux_mm.apis.serve.looks import CSS, KEYBOARD
from isalux_mm.apis.serve.vault import Vault
from isalux_mm.apis.serve.workbench import MIB, Workbench, megapixels
from isalux_mm.functional.tone import HIGHLIGHTS
from isalux_mm.io.formats import IMAGE_SUFFIXES

if TYPE_CHECKING:
    import gradio as gr

TILES = (None, 0, 256, 512, 768, 1024)  # ours: sides of tiles to choose from, beside the command's
TITLE = 'ISALux: light into dark photographs'
FONT = ('system-ui', 'sans-serif')  # of the reader's system: nothing is fetched
ONE_AT_A_TIME: dict[str, Any] = dict(concurrency_limit=1, concurrency_id='network', api_visibility='private')
AT_ONCE: dict[str, Any] = dict(concurrency_limit=None, show_progress='hidden', api_visibility='private')


def build_page(workbench: Workbench, vault: Vault, cookie: str) -> 'gr.Blocks':
    """The page; `page_options` go into its mounting.

    Args:
        workbench: does the work.
        vault: knows whose files are.
        cookie: name of the one that tells visitors apart.

    Raises:
        ImportError: if Gradio is missing or too old.
    """
    gr = import_gradio()
    events = Events(gr, workbench, vault, cookie)
    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.Markdown(f'# {TITLE}\nPictures stay on the machine that runs this page.', elem_id='title')
        shown = gr.State([])
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                upload, wish = _controls(gr, workbench)
                start = gr.Button('Enhance', variant='primary', elem_id='enhance')
                line = _words(gr, 'message')
                download = gr.DownloadButton('Download the result', interactive=False, elem_id='download')
                archive = gr.DownloadButton('Download all results', visible=False, elem_id='archive')
            with gr.Column(scale=3, min_width=320):
                picked = gr.Dropdown([], label='Picture', visible=False, elem_id='picture')
                with gr.Tabs():
                    with gr.Tab('Before and after'):
                        slider = gr.ImageSlider(label='Before (left) and after (right)', interactive=False,
                                                elem_id='compare', buttons=['fullscreen'], max_height=640)
                    with gr.Tab('Priors and routing'):
                        explain, drawing = _explanation(gr)
                    if workbench.overlay is not None:
                        with gr.Tab('Detections'):
                            detect, boxes, found = _detections(gr)
        stale = [drawing] + ([boxes, found] if workbench.overlay is not None else [])
        outputs = [slider, download, archive, picked, line, shown, *stale]
        work: dict[str, Any] = dict(fn=events.enhance(len(stale)), inputs=[upload, *wish], outputs=outputs,
                                    show_progress_on=[slider], **ONE_AT_A_TIME)
        upload.upload(**work)
        start.click(**work)
        upload.clear(events.clear(len(stale)), outputs=outputs, **AT_ONCE)
        picked.input(events.pick(len(stale)), [picked, shown], [slider, download, line, *stale], **AT_ONCE)
        explain.click(events.explain(), [upload, picked, *wish], [drawing, line], show_progress_on=[drawing],
                      **ONE_AT_A_TIME)
        if workbench.overlay is not None:
            detect.click(events.detect(), [picked, shown], [boxes, found, line], show_progress_on=[boxes],
                         **ONE_AT_A_TIME)
    return page.queue(max_size=workbench.limits.queue_size, api_open=False)


def page_options(workbench: Workbench) -> dict[str, Any]:
    """Keyword arguments of Gradio's mounting: looks, limits, and nothing that leaves the machine."""
    gr = import_gradio()
    theme = gr.themes.Default(primary_hue='orange', font=FONT, font_mono=('monospace', )).set(
        button_primary_background_fill='*primary_700', button_primary_background_fill_hover='*primary_800',
        button_primary_background_fill_dark='*primary_700', button_primary_background_fill_hover_dark='*primary_800',
        block_info_text_color='*neutral_600', block_title_text_color='*neutral_700')  # contrast of 4.5 and more
    return dict(
        theme=theme, css=CSS, head=KEYBOARD, max_file_size=workbench.limits.max_mb * MIB, footer_links=[],
        run_history=False, enable_monitoring=False, ssr_mode=False, pwa=False, mcp_server=False, show_error=True)


def tile_name(tile: int | None) -> str:
    """What the page calls a side of tiles."""
    return {None: 'automatic', 0: 'never'}.get(tile, f'{tile} pixels')


def _controls(gr: ModuleType, workbench: Workbench) -> tuple[Any, list[Any]]:
    """The file, and what is wished in the order of `wish_of`."""
    limits = workbench.limits
    upload = gr.File(label=f'Pictures, up to {megapixels(limits.max_pixels)}', height=180, file_count='multiple',
                     file_types=list(IMAGE_SUFFIXES), elem_id='upload')
    strength = gr.Slider(0, 1, value=1, step=0.05, label='Strength', info='0: the input, 1: the full result',
                         elem_id='strength')
    brightness = gr.Slider(0, 0.95, value=0, step=0.05, label='Brightness', elem_id='brightness',
                           info='mean of the result; 0 leaves it to the network')
    highlights = gr.Radio(list(HIGHLIGHTS), value='soft', label='Highlights', elem_id='highlights',
                          info='what exceeds white is compressed, or cut off')
    names = [workbench.model, *(name for name in workbench.models if name != workbench.model)]
    model = gr.Dropdown(names, value=workbench.model, label='Model', visible=len(names) > 1, elem_id='model')
    tiles = list(dict.fromkeys([*map(tile_name, TILES), tile_name(workbench.inferencer.tile)]))
    tile = gr.Dropdown(tiles, value=tile_name(workbench.inferencer.tile), label='Tiles',
                       info='how a large picture is worked on in full mode', elem_id='tile')
    fast = gr.Checkbox(workbench.inferencer.mode == 'fast', label='Fast', elem_id='fast',
                       info='a tenth of the time or less; fine detail is softer')
    return upload, [strength, brightness, highlights, model, tile, fast]


def _explanation(gr: ModuleType) -> tuple[Any, Any]:
    gr.Markdown('What the network saw and chose: its priors, and for every block the experts with their '
                'probabilities.')
    button = gr.Button('Show priors and routing', elem_id='explain')
    return button, gr.Image(label='Priors and routing', show_label=False, interactive=False, elem_id='explanation',
                            buttons=['fullscreen', 'download'])


def _detections(gr: ModuleType) -> tuple[Any, Any, Any]:
    gr.Markdown('The same detector, without and with the enhancement ahead of it.')
    button = gr.Button('Detect before and after', elem_id='detect')
    boxes = gr.ImageSlider(label='Detections before (left) and after (right)', interactive=False, elem_id='boxes',
                           buttons=['fullscreen'], max_height=640)
    return button, boxes, _words(gr, 'found')


def _words(gr: ModuleType, place: str) -> Any:
    """A place for a `message`, which is escaped; Gradio's HTML would evaluate scripts, which the page may not."""
    return gr.Markdown('', elem_id=place, sanitize_html=False, latex_delimiters=[])
