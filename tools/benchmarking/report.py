"""From raw samples to figures, and to JSON, Markdown and a plot."""
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from isalux_mm.io.whole_file import whole_file, write_json, write_text

STEM = 'benchmark'
MIB = 2**20
FIGURE_SIZE = (12, 5)
NONE = '-'
PROTOCOL = (
    'Protocol: {warmup} warm-up calls, then {repeats} rounds; in a round every model runs once at every size, in an '
    'order that rotates. Latency is the median of wall times with the interquartile range; ratios are taken within a '
    'round, then the median over the rounds. FLOPs: 2 per multiply-accumulate of convolutions and matrix products; a '
    'training step counts as three forwards. Peak: the most memory that one call needs above weights and input. Share '
    'of peak: FLOP/s over those of a {product_side} x {product_side} matrix product timed in the same round. Rows of '
    'ISALux read a fixed class map; the semantic network has a row of its own.')


def pixels(size: str) -> int:
    """Pixels of 'HxW'."""
    height, width = size.split('x')
    return int(height) * int(width)


def by_round(samples: Iterable[Mapping], size: str, model: str, key: str = 'wall') -> dict[int, float]:
    """A quantity of the samples of one model at one size, by round."""
    return {s['round']: s[key] for s in samples if s['size'] == size and s['model'] == model and key in s}


def median_ratio(numerators: Mapping[int, float], denominators: Mapping[int, float]) -> float | None:
    """Ratio within each round that has both, then the median over the rounds; `None` without a common round."""
    common = numerators.keys() & denominators.keys()
    return float(np.median([numerators[r] / denominators[r] for r in common])) if common else None


def summarize(raw: Mapping) -> dict[str, list[dict]]:
    """Figures of a run.

    Args:
        raw: `settings` (batch_size, sizes, models, references), `models` (parameters by name), `samples` (round, size,
            model, wall, cpu and, on a GPU, gpu and burst, in seconds), `products` (round, size, rate in FLOP/s),
            `flops` and `memory` (by model, then size).

    Returns:
        `rows`, one per size and model that was timed: seconds, FLOPs, bytes; `speedup` is the time of a reference over
        the model's, `cpu_speedup` the same of process CPU time, `memory_ratio` the model's memory over the
        reference's. `linearity`, one per model: time per pixel relative to the first size.
    """
    settings, samples = raw['settings'], raw['samples']
    rows = [_row(raw, size, model) for size in settings['sizes'] for model in settings['models']
            if by_round(samples, size, model)]
    base = settings['sizes'][0]
    linearity = []
    for model in settings['models']:
        first = {r: t / pixels(base) for r, t in by_round(samples, base, model).items()}
        ratios = {size: median_ratio({r: t / pixels(size) for r, t in by_round(samples, size, model).items()}, first)
                  for size in settings['sizes']}
        if first:
            linearity.append(dict(model=model, base=base, ratios={s: r for s, r in ratios.items() if r is not None}))
    return dict(rows=rows, linearity=linearity)


def _row(raw: Mapping, size: str, model: str) -> dict:
    samples, settings = raw['samples'], raw['settings']
    walls = by_round(samples, size, model)
    low, median, high = (float(q) for q in np.percentile(list(walls.values()), (25, 50, 75)))
    bursts = by_round(samples, size, model, 'burst')
    seconds = float(np.median(list(bursts.values()))) if bursts else median
    gpu = by_round(samples, size, model, 'gpu')
    flops = raw['flops'].get(model, {}).get(size)
    memory = raw['memory'].get(model, {}).get(size)
    rates = {p['round']: p['rate'] for p in raw['products'] if p['size'] == size}
    reached = {r: flops / t for r, t in walls.items()} if flops else {}
    others = {ref: raw['memory'].get(ref, {}).get(size) for ref in settings['references']}
    return dict(
        size=size, model=model, rounds=len(walls), parameters=raw['models'][model]['parameters'], flops=flops,
        latency=median, latency_q1=low, latency_q3=high,
        cpu_time=float(np.median(list(by_round(samples, size, model, 'cpu').values()))),
        gpu_time=float(np.median(list(gpu.values()))) if gpu else None,
        images_per_second=settings['batch_size'] / seconds,
        megapixels_per_second=settings['batch_size'] * pixels(size) / seconds / 1e6,
        speedup={ref: median_ratio(by_round(samples, size, ref), walls) for ref in settings['references']},
        cpu_speedup={ref: median_ratio(by_round(samples, size, ref, 'cpu'), by_round(samples, size, model, 'cpu'))
                     for ref in settings['references']},
        share_of_peak=median_ratio(reached, rates),
        memory=memory, memory_ratio={ref: memory / m if memory is not None and m else None
                                     for ref, m in others.items()})


def format_or_none(value: float | None, form: str, factor: float = 1.0) -> str:
    """A number in a format, a dash for `None`."""
    return NONE if value is None else format(value * factor, form)


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    return [f'| {" | ".join(header)} |', '|' + '---|' * len(header), *(f'| {" | ".join(line)} |' for line in lines), '']


def to_markdown(results: Mapping) -> str:
    """The report as Markdown."""
    settings, machine = results['settings'], results['machine']
    what = 'training step' if settings['train'] else 'forward'
    precision = settings['dtype'] + (' autocast' if settings['train'] and settings['dtype'] != 'fp32' else '')
    lines = [f'# Benchmark: {what}, {settings["device"]}, {precision}, batch {settings["batch_size"]}', '']
    if not results['complete']:
        lines += ['**Not finished: the figures are those of the rounds that were.**', '']
    lines += [', '.join(f'{key} {value}' for key, value in machine.items()) + '.', '']
    lines += [PROTOCOL.format(**settings), '']
    lines += _size_tables(results) + _speedup_table(results) + _linearity_table(results)
    lines += table(('model', 'what it is'), ((m, results['models'][m]['description']) for m in results['models']))
    if results['failures']:
        lines += ['## Not measured', '']
        lines += [f'- {f["model"]} at {f["size"]} ({f["step"]}): {f["reason"]}' for f in results['failures']] + ['']
    return '\n'.join(lines + _profile_tables(results))


def _size_tables(results: Mapping) -> list[str]:
    references = results['settings']['references']
    first = references[0] if references else None
    header = ['model', 'params (M)', 'GFLOPs', 'latency (ms)', 'IQR (ms)', 'CPU time (ms)', 'images/s', 'MPix/s']
    header += [f'x {first}', 'x in CPU time'] if first else []
    header += ['share of peak arithmetic', 'peak (MiB)', *([f'peak / {first}'] if first else [])]
    lines = []
    for size in results['settings']['sizes']:
        body = []
        for row in (r for r in results['rows'] if r['size'] == size):
            cells = [row['model'], f'{row["parameters"] / 1e6:.3f}', format_or_none(row['flops'], '.2f', 1e-9),
                     f'{row["latency"] * 1e3:.1f}', f'{row["latency_q1"] * 1e3:.1f} to {row["latency_q3"] * 1e3:.1f}',
                     f'{row["cpu_time"] * 1e3:.1f}', f'{row["images_per_second"]:.3g}',
                     f'{row["megapixels_per_second"]:.3g}']
            if first:
                cells += [format_or_none(row[key][first], '.2f') for key in ('speedup', 'cpu_speedup')]
            cells += [format_or_none(row['share_of_peak'], '.1%'), format_or_none(row['memory'], '.1f', 1 / MIB)]
            body.append(cells + ([format_or_none(row['memory_ratio'][first], '.2f')] if first else []))
        lines += [f'## {size}', '', *table(header, body)] if body else []
    return lines


def _speedup_table(results: Mapping) -> list[str]:
    references = results['settings']['references']
    if len(references) < 2:
        return []
    body = [(row['size'], row['model'], *(format_or_none(row['speedup'][ref], '.2f') for ref in references))
            for row in results['rows']]
    return ['## Times as fast as', '', *table(('size', 'model', *references), body)]


def _linearity_table(results: Mapping) -> list[str]:
    sizes = results['settings']['sizes']
    if len(sizes) < 2:
        return []
    body = [(line['model'], *(format_or_none(line['ratios'].get(size), '.3f') for size in sizes))
            for line in results['linearity']]
    return ['## Linearity', '', f'Time per pixel relative to that at {sizes[0]}; 1 is proportional.', '',
            *table(('model', *sizes), body)]


def _profile_tables(results: Mapping) -> list[str]:
    lines = []
    for profiled in results['profiles']:
        body = ((f'`{o["name"]}`', str(o['calls']), f'{o["seconds"] * 1e3:.2f}', f'{o["share"] * 100:.1f} %')
                for o in profiled['operators'])
        lines += [f'## Where the time goes: {profiled["model"]} at {profiled["size"]}', '',
                  *table(('operator or kernel', 'calls', 'self time (ms)', 'share'), body)]
    return lines


def write_plot(results: Mapping, path: Path) -> None:
    """Latency and peak memory over the image's size, one line per model (bars where there is one size)."""
    import matplotlib
    matplotlib.use('Agg')
    from matplotlib import pyplot as plt
    figure, panels = plt.subplots(1, 2, figsize=FIGURE_SIZE, layout='constrained')
    draw = _draw_lines if len(results['settings']['sizes']) > 1 else _draw_bars
    draw(panels[0], results, lambda row: row['latency'], 'seconds')
    draw(panels[1], results, lambda row: row['memory'] and row['memory'] / MIB, 'peak additional memory, MiB')
    machine, settings = results['machine'], results['settings']
    figure.suptitle(f'{"training step" if settings["train"] else "forward"}, batch {settings["batch_size"]}, '
                    f'{settings["dtype"]}, {machine.get("gpu", machine["cpu"])}, {machine["threads"]} threads')
    with whole_file(path, overwrite=True) as file:
        figure.savefig(file, format='png', dpi=110)
    plt.close(figure)


def _draw_lines(axes: Axes, results: Mapping, value: Callable[[Mapping], float | None], label: str) -> None:
    for model in results['settings']['models']:
        points = [(pixels(row['size']) / 1e6, value(row)) for row in results['rows'] if row['model'] == model]
        points = [point for point in points if point[1]]
        if points:
            axes.plot(*zip(*points), marker='o', label=model)
    axes.set(xscale='log', yscale='log', xlabel='megapixels', ylabel=label)
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)


def _draw_bars(axes: Axes, results: Mapping, value: Callable[[Mapping], float | None], label: str) -> None:
    bars = [(row['model'], size) for row in results['rows'] if (size := value(row))]
    axes.barh([model for model, _ in bars], [size for _, size in bars])
    axes.invert_yaxis()
    axes.set_xlabel(label)


def files_of(folder: Path) -> list[Path]:
    """The files of a report."""
    return [folder / f'{STEM}{suffix}' for suffix in ('.json', '.md', '.png')]


def write_report(raw: Mapping, folder: Path, *, plot: bool) -> dict:
    """Writes benchmark.json, .md and, if asked for, .png, in the place of those of the round before; returns raw data
    and figures together."""
    results = dict(raw, **summarize(raw))
    write_json(folder / f'{STEM}.json', results, indent=1, overwrite=True)
    write_text(folder / f'{STEM}.md', to_markdown(results), overwrite=True)
    if plot:
        write_plot(results, folder / f'{STEM}.png')
    return results
