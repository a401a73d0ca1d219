"""Makes the picture of docs/serve.md: `python tools/draw_page_picture.py`; needs Gradio, Playwright and a Chromium."""
import argparse
import io
import sys
import tempfile
from pathlib import Path

import numpy as np
from draw_docs_pictures import darken, save_small
from PIL import Image
from playwright.sync_api import ViewportSize, sync_playwright

from isalux_mm.apis import EnhanceInferencer
from isalux_mm.apis.serve import page_folder, running_page
from isalux_mm.cli.options import run_tool
from isalux_mm.io.images import write_image

SIZE: ViewportSize = {'width': 1100, 'height': 980}


def photograph(address: str, picture: Path, browser: str) -> np.ndarray:
    """The page after it has enhanced a picture, (H, W, 3), uint8."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=browser, args=['--no-sandbox', '--disable-gpu'])
        page = running.new_page(viewport=SIZE, color_scheme='light')
        page.goto(address)
        page.set_input_files('#upload input[type=file]', picture)
        page.wait_for_selector('#compare [role=slider]')
        page.wait_for_timeout(2000)  # pictures are decoded, the progress bar is gone
        shot = page.screenshot()
        running.close()
    return np.asarray(Image.open(io.BytesIO(shot)).convert('RGB'))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, default=Path('docs/images/serve.jpg'), help='file (%(default)s)')
    parser.add_argument('--browser', default='/usr/bin/chromium', help='Chromium (%(default)s)')
    args = parser.parse_args()
    with page_folder() as folder, tempfile.TemporaryDirectory() as name:
        picture = Path(name) / 'coffee.png'
        write_image(picture, darken('coffee.png')[0])
        with running_page(EnhanceInferencer(show_progress=False), folder) as address:
            save_small(photograph(address, picture, args.browser), args.out)
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main))
