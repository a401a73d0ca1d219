"""Pictures of docs/benchmarks.md: quality over what it costs, and picture by picture."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from isalux_mm.io.picture_file import Picture as PictureFile
from isalux_mm.io.picture_file import write_picture
from tabling.page import OURS, Results
from tabling.report import Line, Picture
from tabling.tables import PUBLISHED

COST, STRIPS = 'benchmarks_cost.png', 'benchmarks_pictures.png'
SHOWN = {
    COST: 'Raw PSNR on eval15 over parameters and over seconds a picture; hollow: published figures.',
    STRIPS: 'Raw PSNR of every picture of eval15: all measured networks, the best peer, and ours where it is scored.',
}
MEASURE = 'PSNR'
DPI = 100
LEAST = 1e-4  # of a cost that is drawn: the input itself has none


def draw(results: Results, folder: Path) -> None:
    """Draws both pictures from the table of LOL-v1."""
    lines = [line for line in results.lines if line['set'] == 'eval15' and line.get(MEASURE)]
    figure = Figure(figsize=(11, 4.5), layout='constrained')
    left, right = figure.subplots(1, 2, sharey=True)
    scatter(left, lines, 'parameters', 'parameters')
    scatter(right, lines, 'cpu_seconds', 'CPU seconds a picture of 600x400, one thread')
    left.set_ylabel('PSNR, dB')
    save(figure, folder / COST)
    figure = Figure(figsize=(11, 4.5), layout='constrained')
    strips(figure.subplots(), lines, [p for p in results.pictures if p.set == 'eval15' and p.measure == MEASURE])
    save(figure, folder / STRIPS)


def scatter(axes: Axes, lines: Sequence[Line], key: str, label: str) -> None:
    """Quality over a cost on a logarithmic axis."""
    for line in lines:
        cost = float(line.get(key) or 0)
        if cost > LEAST:
            published, ours = line['how'] == PUBLISHED, line['row'].startswith(OURS)
            color = 'tab:red' if ours else 'tab:blue'
            axes.scatter(cost, float(line[MEASURE]), color=color, facecolor='none' if published else color, zorder=2)
            axes.annotate(line['row'], (cost, float(line[MEASURE])), xytext=(4, 3), textcoords='offset points',
                          fontsize=7)
    axes.set_xscale('log')
    axes.set_xlabel(label)
    axes.grid(alpha=0.3)
    axes.margins(x=0.2)


def strips(axes: Axes, lines: Sequence[Line], pictures: Sequence[Picture]) -> None:
    """A strip for every picture: all measured networks, and the best of the peers' and of our own by their mean."""
    networks = {line['row']: float(line[MEASURE]) for line in lines
                if line['how'] != PUBLISHED and float(line.get('parameters') or 0) > 0}
    values: dict[str, dict[str, list[float]]] = {}
    for p in pictures:
        if p.row in networks:
            values.setdefault(p.row, {}).setdefault(p.picture, []).append(p.value)
    names = sorted({p.picture for p in pictures}, key=lambda name: (len(name), name))
    for of_row in values.values():
        axes.scatter(range(len(names)), [np.mean(of_row[n]) for n in names], color='0.75', s=14, zorder=1)
    groups = ([row for row in values if row.startswith(OURS)], [row for row in values if not row.startswith(OURS)])
    for rows, color in zip(groups, ('tab:red', 'tab:blue')):
        if rows:
            best = max(rows, key=lambda row: networks[row])
            axes.plot(range(len(names)), [np.mean(values[best][n]) for n in names], 'o', color=color, label=best)
    axes.set_xticks(range(len(names)), names)
    axes.set_xlabel('picture of eval15')
    axes.set_ylabel('PSNR, dB')
    axes.grid(alpha=0.3)
    axes.legend()


def save(figure: Figure, path: Path) -> None:
    """Writes a figure whole or not at all."""
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    write_picture(path, PictureFile(np.asarray(canvas.buffer_rgba())[..., :3].astype(np.float32) / 255),
                  overwrite=True)
