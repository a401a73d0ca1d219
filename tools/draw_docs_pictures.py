"""Makes the pictures of docs/photographs.md, own_data.md and own_expert.md: `python tools/draw_docs_pictures.py`.

From photographs in scikit-image's wheel: coffee (Rachel Michetti, CC0), chelsea (Stefan van der Walt, CC0) and rocket
(SpaceX, public domain), darkened by the physical synthesis with fixed seeds. The code and configs of the tutorials are
taken from their pages; what they train takes some minutes on two cores.

README's first picture is of real dark photographs, which lie in no Python package: `--dark FOLDER` draws it alone, from
copies of Path and One Stands Out (Risto Saukonpaa, LGPL-3.0), 2560x1600, of Plasma's workspace wallpapers.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from isalux_mm.apis import EnhanceInferencer
from isalux_mm.cli import main as isalux
from isalux_mm.cli.options import demand_free, demand_pictures, run_tool
from isalux_mm.functional.degradation_draw import synthesize_pair
from isalux_mm.functional.degradation_ranges import DegradationRanges
from isalux_mm.io.images import list_images, read_image, write_image
from isalux_mm.io.whole_file import write_text
from isalux_mm.visualization.panels import side_by_side

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = ('coffee', 'chelsea')
PAIRED = ('chelsea.png', 'coffee.png', 'rocket.jpg')
SEED = 0
WIDTH = 1000  # pixels of the pictures in the docs
STRENGTHS = (0.0, 0.5, 1.0)


def darken(name: str, seed: int = SEED) -> tuple[np.ndarray, np.ndarray]:
    """A dark version of a photograph of scikit-image, and the photograph, (H, W, 3) in [0, 1].

    Raises:
        FileNotFoundError: if scikit-image or the photograph is missing.
    """
    spec = find_spec('skimage')
    path = Path(spec.origin).parent / 'data' / name if spec and spec.origin else Path(name)
    if not path.is_file():
        raise FileNotFoundError(f'no photograph {path}: pip install scikit-image')
    photo = read_image(path)
    low, reference = synthesize_pair(photo, DegradationRanges(), None, np.random.default_rng(seed))[:2]
    return low, reference


def save_small(source: Path | np.ndarray, target: Path) -> None:
    """Writes a picture at the docs' width, in the place of the one that the docs have."""
    picture = Image.open(source).convert('RGB') if isinstance(source, Path) else Image.fromarray(source)
    if picture.width > WIDTH:
        picture = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)
    write_image(target, np.asarray(picture) / np.float32(255), overwrite=True)
    print(target)


def draw_photographs(work: Path, out: Path) -> None:
    """Comparison, explanation and strengths with the packaged model."""
    for photo in PHOTOS:
        low, reference = darken(f'{photo}.png')
        write_image(work / 'dark' / f'{photo}.png', low)
        write_image(work / 'reference' / f'{photo}.png', reference)
    compared = ['compare', work / 'dark', '--reference', work / 'reference', '--out', work / 'out', '--quiet']
    explained = ['explain', work / 'dark/chelsea.png', '--out', work / 'out', '--quiet']
    for command in (compared, explained):
        if isalux([str(part) for part in command]):
            raise RuntimeError(f'isalux {command[0]} failed')
    save_small(work / 'out/coffee_compared.png', out / 'photographs_compare.jpg')
    save_small(work / 'out/chelsea_explained.png', out / 'photographs_explain.jpg')
    inferencer, dark = EnhanceInferencer(show_progress=False), work / 'dark/chelsea.png'
    shown = {f'strength {s}': inferencer(dark, strength=s)['predictions'][0] for s in STRENGTHS}
    shown['brightness 0.6'] = inferencer(dark, reference_brightness=0.6)['predictions'][0]
    save_small(side_by_side(shown, max_side=320), out / 'photographs_strength.jpg')


def write_blocks(page: str, work: Path) -> None:
    """Writes the Python blocks of a page whose first line names their file."""
    blocks = re.findall(r'^```python\n(# (\S+\.py)\n.*?)^```', (ROOT / 'docs' / page).read_text(encoding='utf-8'),
                        re.MULTILINE | re.DOTALL)
    for text, name in blocks:
        write_text(work / name, text)


def call(work: Path, *arguments: str) -> None:
    """Runs Python in a folder from which the tutorials' modules can be imported.

    Raises:
        subprocess.CalledProcessError: if it fails.
    """
    subprocess.run([sys.executable, *arguments], cwd=work, env=dict(os.environ, PYTHONPATH='.'), check=True)


def train(work: Path, config: str, iterations: int, logged: int) -> None:
    """Trains on the demo's pairs for a while."""
    call(work, 'tools/train.py', config, '--cfg-options', f'train_cfg.max_iters={iterations}',
         'train_cfg.val_interval=20', 'default_hooks.checkpoint.interval=20', f'default_hooks.logger.interval={logged}',
         'log_level=WARNING')


def draw_tutorials(work: Path, out: Path) -> None:
    """Pairs as the network sees them, training curves, and the explanation with experts of one's own."""
    for name in ('configs', 'tools'):
        (work / name).symlink_to(ROOT / name)
    for page in ('own_data.md', 'own_expert.md'):
        write_blocks(page, work)
    for seed, name in enumerate(PAIRED):
        low, reference = darken(name, seed)
        for part in ('train', 'val'):
            write_image(work / 'data/pairs' / part / 'low' / Path(name).with_suffix('.png'), low)
            write_image(work / 'data/pairs' / part / 'gt' / Path(name).with_suffix('.png'), reference)
    call(work, 'check.py')
    save_small(work / 'check.png', out / 'own_data_check.jpg')
    call(work, 'tools/dataset_converters/prepare_demo.py')
    train(work, 'my/mixed.py', 40, 10)
    call(work, '-m', 'isalux_mm', 'explain', 'data/demo/eval15/low/chelsea.png', '--model', 'my/mixed.py', '--weights',
         'work_dirs/mixed/iter_40.pth')
    save_small(work / 'explained/chelsea_explained.png', out / 'own_expert_explain.jpg')
    train(work, 'configs/isalux_cpu.py', 80, 4)
    call(work, 'tools/plot_training.py', 'work_dirs/isalux_cpu')
    save_small(work / 'work_dirs/isalux_cpu/training.png', out / 'own_data_training.jpg')


def draw_dark(folder: Path, target: Path) -> None:
    """Dark photographs of a folder above what `isalux enhance` makes of them."""
    inferencer, shown = EnhanceInferencer(show_progress=False), {}
    for path in list_images(folder):
        result = inferencer(path)['predictions'][0]
        shown[path.stem] = (np.round(read_image(path) * 255).astype(np.uint8), result)
    rows = [side_by_side({f'{word} {i + 1}': pair[row] for i, pair in enumerate(shown.values())}, max_side=WIDTH // 2)
            for row, word in enumerate(('dark photograph', 'enhanced'))]
    save_small(np.concatenate(rows), target)


DRAWN = dict(photographs=draw_photographs, tutorials=draw_tutorials)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, default=Path('docs/images'), help='folder of the pictures (%(default)s)')
    parser.add_argument('--only', choices=DRAWN, help='pictures of these pages alone')
    parser.add_argument('--dark', type=Path, metavar='FOLDER', help="README's picture alone, of these photographs")
    args = parser.parse_args()
    if args.dark:
        demand_pictures(parser, args.dark)
        demand_free(parser, args.out / 'enhanced.jpg', overwrite=True, read=list_images(args.dark))
        draw_dark(args.dark, args.out / 'enhanced.jpg')
        return 0
    for name in [args.only] if args.only else DRAWN:
        with tempfile.TemporaryDirectory() as work:
            DRAWN[name](Path(work), args.out)
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main))
