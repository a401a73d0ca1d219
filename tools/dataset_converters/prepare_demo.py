"""Makes a small pair set for a first training from photographs that lie inside installed packages:
`python tools/dataset_converters/prepare_demo.py`.

Training: astronaut, motorcycle, retina (scikit-image), china, flower (scikit-learn), grace_hopper (matplotlib).
Held out: chelsea, coffee, rocket (scikit-image). All lie in the wheels of scikit-image 0.26, scikit-learn 1.9 and
matplotlib 3.11; nothing is downloaded.
"""
import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

from synthesize_lowlight import make_jobs, run_jobs

from isalux_mm.cli.options import count, run_tool
from isalux_mm.functional.degradation_ranges import DegradationRanges
from isalux_mm.io.places import check_writable

PHOTOS = {
    'skimage': ('data/astronaut.png', 'data/motorcycle_left.png', 'data/retina.jpg', 'data/chelsea.png',
                'data/coffee.png', 'data/rocket.jpg'),
    'sklearn': ('datasets/images/china.jpg', 'datasets/images/flower.jpg'),
    'matplotlib': ('mpl-data/sample_data/grace_hopper.jpg', ),
}
HELD_OUT = {'chelsea', 'coffee', 'rocket'}
VARIANTS, MAX_SIDE, SEED = 12, 512, 0
# milder than the default: minutes of training do not teach a small network to remove strong noise
RANGES = DegradationRanges(mean_ratio=(0.08, 0.3), noise_left=(0.03, 0.1))


def packaged_photos() -> list[Path]:
    """Paths of the photographs.

    Raises:
        FileNotFoundError: if a package or a photograph is missing; names it.
    """
    found = []
    for package, names in PHOTOS.items():
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise FileNotFoundError(f'the demo needs the package {package}: pip install -e .[dev]')
        found += [Path(spec.origin).parent / name for name in names]
    missing = [str(p) for p in found if not p.is_file()]
    if missing:
        raise FileNotFoundError(f'photographs missing from their packages: {missing}')
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, default=Path('data/demo'), help='folder of the pair set')
    parser.add_argument('--workers', type=count, default=2)
    args = parser.parse_args()
    check_writable(args.out)
    try:
        jobs = make_jobs(packaged_photos(), HELD_OUT, VARIANTS)
        errors = run_jobs(
            jobs, args.out, max_side=MAX_SIDE, seed=SEED, workers=args.workers, ranges=RANGES,
            variants=VARIANTS)
    except (FileNotFoundError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    for message in errors:
        print(message, file=sys.stderr)
    print(f'{len(jobs) - len(errors)} of {len(jobs)} pairs in {args.out}, {len(errors)} failed')
    return 1 if errors else 0


if __name__ == '__main__':
    sys.exit(run_tool(main))
