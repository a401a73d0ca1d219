"""How far a network's results in bfloat16 or float16 lie from those in float32, by class of picture; a Markdown table.

  python tools/compare_dtypes.py 'LOL-v1 eval15=data/LOL/eval15/low' 'well-lit=data/photos/val' --dtype bfloat16
  python tools/compare_dtypes.py ... --mode fast

Differences are of the results that are written, in levels of 255; on a CPU the time, too, over that in float32, by CPU
seconds. What `--dtype auto` chooses rests on these tables (`isalux_mm.apis.dtypes`).
"""
import argparse
import sys
import time
from pathlib import Path

import torch

from isalux_mm.apis import EnhanceInferencer, Tone
from isalux_mm.cli.options import count, demand_pictures, run_tool
from isalux_mm.functional.resizing import reduced
from isalux_mm.inference.fast import MODES
from isalux_mm.io.images import list_images, read_image
from isalux_mm.model_zoo import DEFAULT_MODEL

LEVELS = 255


def differences(exact: EnhanceInferencer, other: EnhanceInferencer, paths: list[Path], pixels: int) -> torch.Tensor:
    """Of every picture the mean, the 99.9th percentile and the greatest difference, in levels, and the ratio of CPU
    times, (N, 4)."""
    rows = []
    for path in paths:
        image = reduced(torch.from_numpy(read_image(path)).permute(2, 0, 1)[None], pixels)
        found = []
        for inferencer in (exact, other):
            start = time.process_time()
            found.append((inferencer.enhance(image), time.process_time() - start))
        apart = LEVELS * (Tone().apply(found[0][0], image) - Tone().apply(found[1][0], image)).abs()
        rows.append([apart.mean(), apart.flatten().kthvalue(round(0.999 * apart.numel())).values, apart.max(),
                     found[1][1] / found[0][1]])
    return torch.tensor(rows)


def main(arguments: list[str] | None = None) -> int:
    """Prints the table; 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('classes', nargs='+', metavar='NAME=FOLDER')
    parser.add_argument('--model', default=DEFAULT_MODEL)
    parser.add_argument('--dtype', default='bfloat16', choices=('bfloat16', 'float16'))
    parser.add_argument('--mode', default='full', choices=MODES)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--most', type=count, default=15, help='pictures of a class (%(default)s)')
    parser.add_argument('--pixels', type=count, default=240_000,
                        help='that larger pictures are reduced to (%(default)s)')
    options = parser.parse_args(arguments)
    for entry in options.classes:
        if '=' not in entry:
            parser.error(f'expected NAME=FOLDER, got {entry}')
    demand_pictures(parser, *(Path(entry.partition('=')[2]) for entry in options.classes))
    exact, other = (EnhanceInferencer(options.model, device=options.device, dtype=dtype, mode=options.mode,
                                      show_progress=False)
                    for dtype in ('float32', options.dtype))
    print('| pictures | number | mean | 99.9% of a picture, worst | greatest | CPU time |\n|' + ' --- |' * 6)
    for entry in options.classes:
        name, _, folder = entry.partition('=')
        found = list_images(folder)
        paths = found[::max(len(found) // options.most, 1)][:options.most]
        rows = differences(exact, other, paths, options.pixels)
        mean, high, most = rows[:, 0].mean(), rows[:, 1].max(), rows[:, 2].max()
        ratio = f'{rows[1:, 3].median():.2f}' if len(rows) > 1 else '-'  # the first calls load libraries
        print(f'| {name} | {len(paths)} | {mean:.2f} | {high:.1f} | {most:.1f} | {ratio} |', flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main))
