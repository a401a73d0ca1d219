"""One picture of how a picture was enhanced: input, output, priors, enrichment weights, experts by block."""
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

PICTURE_WIDTH = 4.2  # inches of a picture in the drawing
SHAPES = (0.2, 4.0)  # ours: height by width of its place; a thinner picture is drawn smaller in it
DPI = 110
SHOWN_CLASSES = 8  # of the legend: the most frequent ones
MARGIN = 0.55  # inches for titles


@dataclass(frozen=True)
class Explanation:
    """What a network saw and chose for one picture.

    Attributes:
        illumination: illumination prior, (H, W) in [0, 1], high where it is dark; `None` without one.
        semantics: class probabilities, (classes, h, w); `None` without a semantic prior.
        classes: their names.
        blocks: names of the transformer blocks in the order of the network.
        enrichment: weight of each stream by its name, nu for illumination and omega for semantics (Eq. 9), one value
            per block.
        probabilities: of the experts in each block with a mixture, by block; `None` for a block without one.
        chosen: indices of the chosen experts, likewise.
        weights: what multiplies them, likewise.
        experts: class names of the experts by number, where every mixture has the same; empty otherwise.
    """
    illumination: np.ndarray | None
    semantics: np.ndarray | None
    classes: Sequence[str]
    blocks: Sequence[str]
    enrichment: dict[str, Sequence[float]]
    probabilities: Sequence[np.ndarray | None]
    chosen: Sequence[np.ndarray | None]
    weights: Sequence[np.ndarray | None]
    experts: Sequence[str] = ()


def draw_explanation(image: np.ndarray, output: np.ndarray, explanation: Explanation) -> np.ndarray:
    """Draws the explanation.

    Args:
        image: (H, W, 3), uint8, RGB.
        output: same shape.
        explanation: of the picture; parts that the network does not have are left out.

    Returns:
        (H', W', 3), uint8, RGB.
    """
    panels: list[tuple[str, np.ndarray, dict[str, Any]]] = [('input', image, {}), ('output', output, {})]
    if explanation.illumination is not None:
        panels.append(('illumination prior (bright: dark in the input)', explanation.illumination,
                       dict(cmap='gray', vmin=0, vmax=1)))
    columns = len(panels) + (explanation.semantics is not None)
    height = PICTURE_WIDTH * float(np.clip(image.shape[0] / image.shape[1], *SHAPES))
    has_experts = any(p is not None for p in explanation.probabilities)
    rows = [height + MARGIN] + ([0.24 * experts_of(explanation) + 1.5] if has_experts else []) \
        + ([2.2] if explanation.enrichment else [])
    figure = Figure(figsize=(PICTURE_WIDTH * columns, sum(rows) + MARGIN), dpi=DPI, layout='constrained')
    canvas = FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(rows), columns, height_ratios=rows)
    for column, (title, picture, options) in enumerate(panels):
        _show(figure.add_subplot(grid[0, column]), title, picture, **options)
    if explanation.semantics is not None:
        _draw_classes(figure.add_subplot(grid[0, -1]), explanation.semantics, explanation.classes, image.shape[:2])
    if has_experts:
        _draw_experts(figure.add_subplot(grid[1, :]), explanation)
    if explanation.enrichment:
        _draw_enrichment(figure.add_subplot(grid[-1, :]), explanation)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def experts_of(explanation: Explanation) -> int:
    """The largest number of experts in a block; 0 without any."""
    return max((len(p) for p in explanation.probabilities if p is not None), default=0)


def class_shares(semantics: np.ndarray) -> tuple[np.ndarray, dict[int, float]]:
    """The most probable class of every pixel (h, w), and the share of pixels by class, most frequent first."""
    labels = semantics.argmax(axis=0)
    found, counts = np.unique(labels, return_counts=True)
    order = np.argsort(-counts, kind='stable')
    return labels, {int(found[i]): float(counts[i] / labels.size) for i in order}


def class_colors(number: int) -> np.ndarray:
    """The colour map of Pascal VOC's development kit, (number, 3) in [0, 1]; class 0 is black."""
    index = np.arange(number)
    colors = np.zeros((number, 3), dtype=np.int64)
    for bit in range(8):
        for channel in range(3):
            colors[:, channel] |= ((index >> (3 * bit + channel)) & 1) << (7 - bit)
    return colors / 255


def _show(axes: Axes, title: str, picture: np.ndarray, **options: Any) -> None:
    axes.imshow(picture, **options)
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()


def _draw_classes(axes: Axes, semantics: np.ndarray, classes: Sequence[str], size: tuple[int, ...]) -> None:
    labels, shares = class_shares(semantics)
    number = len(semantics)
    colors = class_colors(number)
    _show(axes, 'semantic prior (most probable class)', labels, cmap=ListedColormap(colors), vmin=-0.5,
          vmax=number - 0.5, interpolation='nearest', extent=(0, size[1], size[0], 0))
    shown = list(shares.items())[:SHOWN_CLASSES]
    axes.legend(handles=[Patch(color=colors[k], label=f'{classes[k]} {share:.0%}') for k, share in shown],
                loc='lower right', fontsize=7, framealpha=0.8)


def _draw_experts(axes: Axes, explanation: Explanation) -> None:
    """A table of blocks (columns) and experts (rows): probability, and the weight of the chosen ones in a frame."""
    number = experts_of(explanation)
    table = np.full((number, len(explanation.blocks)), np.nan)
    for column, probabilities in enumerate(explanation.probabilities):
        if probabilities is not None:
            table[:len(probabilities), column] = probabilities
    axes.imshow(table, cmap='Blues', vmin=0, vmax=1, aspect='auto')
    for column, (chosen, weights) in enumerate(zip(explanation.chosen, explanation.weights)):
        picked = {} if chosen is None or weights is None else dict(zip(chosen.tolist(), weights.tolist()))
        for row in np.flatnonzero(np.isfinite(table[:, column])):
            value = table[row, column]
            text = f'{value:.2f}' + (f'\nx {picked[row]:.2f}' if row in picked else '')
            axes.text(column, row, text, ha='center', va='center', fontsize=7,
                      weight='bold' if row in picked else 'normal', color='white' if value > 0.6 else 'black')
            if row in picked:
                axes.add_patch(_frame(column, row))
    axes.set_title('experts: probability in each block; framed and bold: chosen, x its weight', fontsize=10)
    axes.set_xticks(range(len(explanation.blocks)), explanation.blocks, fontsize=7, rotation=30, ha='right')
    kinds = [f', {kind}' for kind in explanation.experts] or [''] * number
    axes.set_yticks(range(number), [f'expert {k}{kind}' for k, kind in enumerate(kinds)], fontsize=7)


def _frame(column: int, row: int) -> Rectangle:
    return Rectangle((column - 0.47, row - 0.46), 0.94, 0.92, fill=False, edgecolor='tab:orange', linewidth=1.6)


def _draw_enrichment(axes: Axes, explanation: Explanation) -> None:
    names = dict(illumination='nu (illumination)', semantics='omega (semantics)')
    places, width = np.arange(len(explanation.blocks)), 0.8 / len(explanation.enrichment)
    for index, (stream, values) in enumerate(explanation.enrichment.items()):
        offset = (index - (len(explanation.enrichment) - 1) / 2) * width
        bars = axes.bar(places + offset, values, width, label=names.get(stream, stream))
        axes.bar_label(bars, fmt='%.2f', fontsize=6, padding=1)
    axes.axhline(0, color='black', linewidth=0.6)
    axes.margins(y=0.15)
    axes.set_title('enrichment weights of each block (Eq. 9)', fontsize=10)
    axes.set_xticks(places, explanation.blocks, fontsize=7, rotation=30, ha='right')
    axes.tick_params(axis='y', labelsize=7)
    axes.legend(fontsize=7)
