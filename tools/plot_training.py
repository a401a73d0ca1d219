"""Draws training curves from mmengine's log: `python tools/plot_training.py work_dirs/isalux_lol`.

One row each for the loss terms, the learning rate, the quality on the validation set and the use of the experts,
whatever of them the log holds. Takes work folders (the newest log of each), or files `scalars.json`; several are drawn
into one picture for comparison.
"""
import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from isalux_mm.cli.options import add_overwrite_option, demand_free, demand_picture_name, run_tool
from isalux_mm.io.picture_file import Picture, write_picture

LOG = '*/vis_data/scalars.json'  # where mmengine's LocalVisBackend keeps it
SMOOTH = 0.9  # ours: weight of the past in the running mean drawn over a noisy curve
ROWS = {  # title: does a scalar belong there
    'loss terms': lambda name: name.startswith('loss') or '.loss' in name,
    'learning rate': lambda name: name in ('lr', 'base_lr'),
    'PSNR, dB': lambda name: name.rpartition('/')[2].startswith('PSNR'),
    'SSIM': lambda name: name.rpartition('/')[2].startswith('SSIM'),
    'NIQE, LPIPS': lambda name: name.rpartition('/')[2] in ('NIQE', 'LPIPS'),
    'detection, segmentation': lambda name: name.endswith(('mAP', 'mAP_50', 'mIoU', 'mAcc')),
    'experts: share of selections, entropy of the gates': lambda name: name.startswith('experts/'),
}
Curves = dict[str, tuple[np.ndarray, np.ndarray]]


def find_log(path: Path) -> Path:
    """The log itself, or the newest one of a work folder.

    Raises:
        FileNotFoundError: if there is none.
    """
    if path.is_file():
        return path
    logs = sorted([*path.glob(LOG), *path.glob('scalars.json')], key=lambda p: p.stat().st_mtime)
    if not logs:
        raise FileNotFoundError(f'no log {LOG} in {path}')
    return logs[-1]


def read_curves(log: Path) -> Curves:
    """Steps and values of every scalar of a log; a last line that was cut off is left out.

    Raises:
        ValueError: if it holds no scalars.
    """
    points: dict[str, list[tuple[float, float]]] = {}
    last = None  # iteration of the last training entry: a validation's figures belong to it, their step may be an epoch
    for line in log.read_text(encoding='utf-8').splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        last = entry.get('iter', last)
        step = entry.get('step', 0) if last is None else last
        for name, value in entry.items():
            if name not in ('step', 'iter', 'epoch') and isinstance(value, int | float):
                points.setdefault(name, []).append((step, value))
    if not points:
        raise ValueError(f'{log} holds no scalars')
    return {name: tuple(np.array(sorted(pairs), dtype=float).T) for name, pairs in points.items()}


def smoothed(values: np.ndarray) -> np.ndarray:
    """Running mean, corrected for its start; values that are not finite count as the mean so far."""
    total, weight, means = 0.0, 0.0, []
    for value in values:
        if np.isfinite(value):
            total, weight = SMOOTH * total + value, SMOOTH * weight + 1
        means.append(total / weight if weight else np.nan)
    return np.array(means)


def draw(runs: Mapping[str, Curves]) -> np.ndarray:
    """The picture (H, W, 3), uint8, RGB: one row for every kind of scalar that a run has.

    Raises:
        ValueError: if no scalar is of a known kind.
    """
    rows = {title: belongs for title, belongs in ROWS.items()
            if any(belongs(name) for curves in runs.values() for name in curves)}
    if not rows:
        raise ValueError(f'no loss, quality or expert usage in the logs, got {sorted(next(iter(runs.values())))[:10]}')
    figure = Figure(figsize=(10, 2.9 * len(rows)), dpi=110, layout='constrained')
    canvas = FigureCanvasAgg(figure)
    for axes, (title, belongs) in zip(np.ravel(figure.subplots(len(rows), 1, sharex=True)), rows.items()):
        for run, curves in runs.items():
            for name in filter(belongs, curves):
                steps, values = curves[name]
                noisy = title == 'loss terms' and len(steps) > 20
                line, = axes.plot(steps, values, alpha=0.25 if noisy else 1, marker='.' if len(steps) < 40 else None,
                                  label=None if noisy else label(run, name, runs))
                if noisy:
                    axes.plot(steps, smoothed(values), color=line.get_color(), label=label(run, name, runs))
        if title == 'loss terms' and all(np.all(v > 0) for c in runs.values() for n, (_, v) in c.items() if belongs(n)):
            axes.set_yscale('log')
        axes.set_title(title, fontsize=10)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7, ncols=2)
    axes.set_xlabel('iteration')
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def label(run: str, name: str, runs: Mapping[str, Curves]) -> str:
    """The scalar's name, after the run's where there are several."""
    return f'{run}: {name}' if len(runs) > 1 else name


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('runs', type=Path, nargs='+', help='work folders or scalars.json')
    parser.add_argument('--out', type=Path, help='picture; training.png in the first folder by default')
    add_overwrite_option(parser)
    args = parser.parse_args(arguments)
    first = args.runs[0]
    out = args.out or (first if first.is_dir() else first.parent) / 'training.png'
    demand_picture_name(parser, '--out', out)
    try:
        logs = {run.name if run.is_dir() else run.parent.parent.name: find_log(run) for run in args.runs}
        demand_free(parser, out, overwrite=args.overwrite, read=list(logs.values()))
        runs = {name: read_curves(log) for name, log in logs.items()}
        picture = draw(runs)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    write_picture(out, Picture(picture / np.float32(255)), overwrite=args.overwrite)
    print(out)
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main))
