"""Makes the pictures of docs/photographs.md: `python tools/draw_docs_pictures.py`.

From photographs in scikit-image's wheel: coffee (Rachel Michetti, CC0) and chelsea (Stefan van der Walt, CC0), darkened
by the physical synthesis with a fixed seed.
"""
import argparse
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from isalux_mm.apis import EnhanceInferencer
from isalux_mm.cli import main as isalux
from isalux_mm.functional.degradation import DegradationRanges, synthesize_pair
from isalux_mm.functional.image_io import read_image, write_image
from isalux_mm.visualization.panels import side_by_side

PHOTOS = ('coffee', 'chelsea')
SEED = 0
WIDTH = 1000  # pixels of the pictures in the docs
STRENGTHS = (0.0, 0.5, 1.0)


def darken(name: str) -> tuple[np.ndarray, np.ndarray]:
    """A photograph of scikit-image and its dark version, (H, W, 3) in [0, 1].

    Raises:
        FileNotFoundError: if scikit-image or the photograph is missing.
    """
    spec = find_spec('skimage')
    path = Path(spec.origin).parent / 'data' / f'{name}.png' if spec else Path(f'{name}.png')
    if not path.is_file():
        raise FileNotFoundError(f'no photograph {path}: pip install scikit-image')
    photo = read_image(path)
    low, reference = synthesize_pair(photo, DegradationRanges(), None, np.random.default_rng(SEED))[:2]
    return low, reference


def save_small(source: Path | np.ndarray, target: Path) -> None:
    """Writes a picture at the docs' width."""
    picture = Image.open(source).convert('RGB') if isinstance(source, Path) else Image.fromarray(source)
    if picture.width > WIDTH:
        picture = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)
    write_image(target, np.asarray(picture) / np.float32(255))
    print(target)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, default=Path('docs/images'), help='folder of the pictures (%(default)s)')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for photo in PHOTOS:
            low, reference = darken(photo)
            write_image(work / 'dark' / f'{photo}.png', low)
            write_image(work / 'reference' / f'{photo}.png', reference)
        compared = ['compare', work / 'dark', '--reference', work / 'reference', '--out', work / 'out', '--quiet']
        explained = ['explain', work / 'dark/chelsea.png', '--out', work / 'out', '--quiet']
        if any(isalux([str(part) for part in command]) for command in (compared, explained)):
            return 1
        save_small(work / 'out/coffee_compared.png', args.out / 'photographs_compare.jpg')
        save_small(work / 'out/chelsea_explained.png', args.out / 'photographs_explain.jpg')
        inferencer, dark = EnhanceInferencer(show_progress=False), work / 'dark/chelsea.png'
        shown = {f'strength {s}': inferencer(dark, strength=s)['predictions'][0] for s in STRENGTHS}
        shown['brightness 0.6'] = inferencer(dark, reference_brightness=0.6)['predictions'][0]
        save_small(side_by_side(shown, max_side=320), args.out / 'photographs_strength.jpg')
    return 0


if __name__ == '__main__':
    sys.exit(main())
