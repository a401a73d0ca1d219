"""The layout of the web page: controls, slider, tabs; what they call is a `Workbench`'s."""
import html
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

from isalux_mm.apis.serve.gradio_loading import import_gradio
from isalux_mm.apis.serve.workbench import RefusedError, Shown, Workbench, megapixels
from isalux_mm.io.formats import IMAGE_SUFFIXES

if TYPE_CHECKING:
    import gradio as gr

KEEP_SECONDS = 3600  # ours: after which a picture of an open page is removed
CLEAN_SECONDS = 600  # ours: from one look for such pictures to the next
TILES = (None, 0, 256, 512, 768, 1024)  # ours: sides of tiles to choose from, beside the command's
TITLE = 'ISALux: light into dark photographs'
FONT = ('system-ui', 'sans-serif')  # of the reader's system: nothing is fetched
ONE_AT_A_TIME = dict(concurrency_limit=1, concurrency_id='network', api_visibility='private')
CSS = """
.gradio-container, .gradio-container main { max-width: 1280px !important; width: 100%; margin: 0 auto !important; }
.gradio-container main > .wrap, .gradio-container .column { width: 100%; }
#title h1 { margin-bottom: 0; }
#title p { margin-top: .2em; }
#message p { margin: 0; padding: .6em .8em; border-radius: 8px; border-left: 5px solid; overflow-wrap: anywhere; }
#message .note { background: #eef5ee; border-color: #3c7d46; color: #1c3a21; }
#message .problem { background: #fdecea; border-color: #b3261e; color: #601410; }
:is(#compare, #boxes) .outer:focus-visible { outline: 3px solid #c2410c; outline-offset: -3px; }
"""
# Gradio's slider takes the pointer alone: keys, name and value for keyboards and screen readers are added
KEYBOARD = """
<script>
(() => {
  const step = 0.05;
  const place = (handle) => {
    const whole = handle.parentElement.getBoundingClientRect();
    const own = handle.getBoundingClientRect();
    return { x: own.left + own.width / 2, y: whole.top + whole.height / 2, left: whole.left, width: whole.width };
  };
  const tell = (handle) => {
    const at = place(handle);
    const percent = Math.round(100 * (at.x - at.left) / Math.max(at.width, 1));
    handle.setAttribute('aria-valuenow', String(Math.min(Math.max(percent, 0), 100)));
  };
  const drag = (handle, x) => {
    const at = place(handle);
    const send = (kind, clientX, target) => target.dispatchEvent(new MouseEvent(
      kind, { clientX, clientY: at.y, bubbles: true, cancelable: true, view: window, button: 0 }));
    send('mousedown', at.x, handle);
    send('mousemove', x, window);
    send('mouseup', x, window);
    requestAnimationFrame(() => tell(handle));
  };
  const equip = (handle) => {
    const attributes = { tabindex: '0', role: 'slider', 'aria-label': 'division between before and after',
      'aria-orientation': 'horizontal', 'aria-valuemin': '0', 'aria-valuemax': '100' };
    for (const [name, value] of Object.entries(attributes)) handle.setAttribute(name, value);
    tell(handle);
    handle.addEventListener('pointerup', () => requestAnimationFrame(() => tell(handle)));
    handle.addEventListener('keydown', (event) => {
      const at = place(handle);
      const target = { ArrowLeft: at.x - step * at.width, ArrowRight: at.x + step * at.width,
        Home: at.left + 1, End: at.left + at.width - 1 }[event.key];
      if (target === undefined) return;
      event.preventDefault();
      drag(handle, Math.min(Math.max(target, at.left + 1), at.left + at.width - 1));
    });
  };
  const describe = (box) => box.querySelectorAll('img').forEach((image, index) => {
    const text = index === 0 ? 'before' : 'after';
    if (image.alt !== text) image.alt = text;
  });
  new MutationObserver(() => document.querySelectorAll('#compare, #boxes').forEach((box) => {
    box.querySelectorAll('.outer:not([tabindex])').forEach(equip);
    describe(box);
  })).observe(document, { childList: true, subtree: true });
})();
</script>
"""


def build_page(workbench: Workbench) -> 'gr.Blocks':
    """The page; `launch_options` go into its `launch`.

    Raises:
        ImportError: if Gradio is missing or too old.
    """
    gr = import_gradio()
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(CLEAN_SECONDS, KEEP_SECONDS)) as page:
        gr.Markdown(f'# {TITLE}\nPictures stay on the machine that runs this page.', elem_id='title')
        shown = gr.State(None)
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                upload, strength, tile, start, download, line = _controls(gr, workbench)
            with gr.Column(scale=3, min_width=320), gr.Tabs():
                with gr.Tab('Before and after'):
                    slider = gr.ImageSlider(label='Before (left) and after (right)', interactive=False,
                                            elem_id='compare', buttons=['fullscreen'], max_height=640)
                with gr.Tab('Priors and routing'):
                    explain, drawing = _explanation(gr)
                if workbench.overlay is not None:
                    with gr.Tab('Detections'):
                        detect, boxes, found = _detections(gr)
        stale = [drawing] + ([boxes, found] if workbench.overlay is not None else [])
        outputs = [slider, download, line, shown, *stale]
        work = dict(fn=_enhance(gr, workbench, len(stale)), inputs=[upload, strength, tile], outputs=outputs,
                    show_progress_on=[slider], **ONE_AT_A_TIME)
        upload.upload(**work)
        start.click(**work)
        upload.clear(lambda: (None, gr.update(value=None, interactive=False), '', None, *[None] * len(stale)),
                     outputs=outputs, queue=False, api_visibility='private')
        explain.click(_explain(gr, workbench), upload, [drawing, line], show_progress_on=[drawing], **ONE_AT_A_TIME)
        if workbench.overlay is not None:
            detect.click(_detect(workbench), shown, [boxes, found, line], show_progress_on=[boxes], **ONE_AT_A_TIME)
    return page.queue(max_size=workbench.limits.queue_size, api_open=False)


def launch_options(workbench: Workbench) -> dict:
    """Keyword arguments of `Blocks.launch` beside host and port: looks, limits, and nothing that leaves the machine."""
    gr = import_gradio()
    theme = gr.themes.Default(primary_hue='orange', font=FONT, font_mono=('monospace', )).set(
        button_primary_background_fill='*primary_700', button_primary_background_fill_hover='*primary_800',
        button_primary_background_fill_dark='*primary_700', button_primary_background_fill_hover_dark='*primary_800',
        block_info_text_color='*neutral_600', block_title_text_color='*neutral_700')  # contrast of 4.5 and more
    return dict(
        theme=theme, css=CSS, head=KEYBOARD,
        max_file_size=workbench.limits.max_mb * 2**20, quiet=True, share=False, inbrowser=False, footer_links=[],
        run_history=False, enable_monitoring=False, ssr_mode=False, pwa=False, mcp_server=False)


def tile_name(tile: int | None) -> str:
    """What the page calls a side of tiles."""
    return {None: 'automatic', 0: 'never'}.get(tile, f'{tile} pixels')


def tile_size(name: str) -> int | None:
    """The inverse of `tile_name`."""
    return {'automatic': None, 'never': 0}[name] if name in ('automatic', 'never') else int(name.split()[0])


def message(text: str, *, problem: bool = False) -> str:
    """A line of the page that screen readers speak when it changes."""
    return f'<p role="{"alert" if problem else "status"}" class="{"problem" if problem else "note"}">' \
           f'{html.escape(text)}</p>'


def _controls(gr: ModuleType, workbench: Workbench) -> tuple:
    limits = workbench.limits
    upload = gr.File(label=f'Picture, up to {megapixels(limits.max_pixels)}', height=180,
                     file_types=list(IMAGE_SUFFIXES), elem_id='upload')
    strength = gr.Slider(0, 1, value=1, step=0.05, label='Strength', info='0: the input, 1: the full result',
                         elem_id='strength')
    tiles = list(dict.fromkeys([*map(tile_name, TILES), tile_name(workbench.inferencer.tile)]))
    tile = gr.Dropdown(tiles, value=tile_name(workbench.inferencer.tile), label='Tiles',
                       info='how a large picture is worked on', elem_id='tile')
    start = gr.Button('Enhance', variant='primary', elem_id='enhance')
    download = gr.DownloadButton('Download the result', interactive=False, elem_id='download')
    return upload, strength, tile, start, download, gr.HTML('', elem_id='message')


def _explanation(gr: ModuleType) -> tuple:
    gr.Markdown('What the network saw and chose: its priors, and for every block the experts with their '
                'probabilities.')
    button = gr.Button('Show priors and routing', elem_id='explain')
    return button, gr.Image(label='Priors and routing', show_label=False, interactive=False, elem_id='explanation',
                            buttons=['fullscreen', 'download'])


def _detections(gr: ModuleType) -> tuple:
    gr.Markdown('The same detector, without and with the enhancement ahead of it.')
    button = gr.Button('Detect before and after', elem_id='detect')
    boxes = gr.ImageSlider(label='Detections before (left) and after (right)', interactive=False, elem_id='boxes',
                           buttons=['fullscreen'], max_height=640)
    return button, boxes, gr.HTML('', elem_id='found')


def _enhance(gr: ModuleType, workbench: Workbench, stale: int) -> Callable:
    """The event: slider, download, message, what is shown; and empties `stale` outputs of the picture before."""

    def enhance(path: str | None, strength: float, tile: str) -> tuple:
        try:
            done = workbench.enhance(path, strength, tile_size(tile))
        except RefusedError as error:
            return None, gr.update(value=None, interactive=False), message(str(error), problem=True), None, \
                *[None] * stale
        return (str(done.before), str(done.after)), gr.update(value=str(done.download), interactive=True), \
            message(done.note), done, *[None] * stale

    return enhance


def _explain(gr: ModuleType, workbench: Workbench) -> Callable:

    def explain(path: str | None) -> tuple:
        try:
            return str(workbench.explain(path)), message('Priors and routing: done.')
        except RefusedError as error:
            return None, message(str(error), problem=True)

    return explain


def _detect(workbench: Workbench) -> Callable:

    def detect(shown: Shown | None) -> tuple:
        try:
            if shown is None:
                raise RefusedError('Enhance a picture first.')
            before, after, note = workbench.detect(shown)
        except RefusedError as error:
            return None, '', message(str(error), problem=True)
        return (str(before), str(after)), message(note), message('Detection: done.')

    return detect
