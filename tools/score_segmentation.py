"""Shows what an enhancer ahead of a segmentor is worth in the dark, without labels:
`python tools/score_segmentation.py --photos DIR --enhancers NAME [NAME ...]`. Example:

    python tools/score_segmentation.py --photos data/coco/val2017 --enhancers isalux_general --csv segmentation.csv

The segmentor is the packaged DeepLabv3 without its adaptation to darkness: 21 classes of VOC. What it sees in a bright
photograph is the reference. The photograph is made dark at fixed gains in linear light, with noise, as `DarkenImage`
does it, and segmented as it is, and behind each enhancer (a frozen `ISALuxNeck` at `--work-short-side` in `--mode`).
Measured are the share of pixels with the same label and the intersection over union averaged over the classes of the
reference, over all pixels of a set; and the difference of the former from no enhancer with its 95% interval, over
photographs. The last row is the segmentor adapted to darkness, without an enhancer.

An enhancer is the name of a packaged model, or a gamma such as 0.45.
"""
import argparse
import csv
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from score_semantic_prior import darkened, line
from torch import Tensor

from isalux_mm.chain import ISALuxNeck
from isalux_mm.cli.options import (
    add_overwrite_option,
    count_or_none,
    demand_enhancers,
    demand_free,
    demand_pictures,
    is_gamma,
    run_tool,
    show_failures,
)
from isalux_mm.cli.options import count as a_count
from isalux_mm.cli.options import gain as a_gain
from isalux_mm.functional.average_precision import interval, resampled_weights
from isalux_mm.functional.label_agreement import confusion, mean_iou, pixel_agreement
from isalux_mm.inference.fast import MODES
from isalux_mm.io.attempts import Attempts
from isalux_mm.io.images import list_images
from isalux_mm.io.whole_file import write_text
from isalux_mm.models.deeplab import PackagedSemanticPrior
from isalux_mm.models.prior_adaptation import labels, size_of

HEAD = ('enhancer', 'gain', 'pictures', 'pixels', 'mean IoU', 'difference of pixels', '95% interval')
NONE, ADAPTED = 'none', 'none, segmentor adapted to darkness'

Enhance = Callable[[Tensor], Tensor]
Pair = tuple[Tensor, Tensor]  # dark and bright, (1, 3, H, W), RGB in [0, 1]


def segmentor(*, adapted: bool = False) -> PackagedSemanticPrior:
    """The packaged network; without its adaptation it takes every picture as a bright one."""
    prior = PackagedSemanticPrior() if adapted else PackagedSemanticPrior(least_luma=0)
    prior.init_weights()
    return prior


def neck_of(name: str, short_side: int | None, mode: str) -> ISALuxNeck:
    """The neck that a name stands for, frozen; a power law knows no fast mode."""
    if is_gamma(name):
        curve = dict(type='GammaCurve', gamma=float(name))
        return ISALuxNeck(curve, frozen=True, work_short_side=short_side, clamp_output=True)
    return ISALuxNeck(name, frozen=True, work_short_side=short_side, clamp_output=True, mode=mode)


@torch.no_grad()
def counts_of(pairs: Iterator[Pair], variants: dict[str, tuple[Enhance, PackagedSemanticPrior]],
              reference: PackagedSemanticPrior) -> dict[str, list[Tensor]]:
    """Confusion of every picture by variant: what it makes of the dark one, against the reference of the bright.

    A picture that an enhancer leaves as it is is not segmented again.
    """
    counts: dict[str, list[Tensor]] = {name: [] for name in variants}
    for dark, bright in pairs:
        expected = labels(reference(bright), size_of(bright))
        known = [(reference, bright, expected)]
        for name, (enhance, network) in variants.items():
            seen = enhance(dark)
            found = next((its for by, image, its in known if by is network and torch.equal(image, seen)), None)
            if found is None:
                found = labels(network(seen), size_of(dark))
                known.append((network, seen, found))
            counts[name].append(confusion(found, expected, reference.out_channels))
    return counts


def resampled_agreement(counts: Sequence[Tensor], weights: np.ndarray) -> np.ndarray:
    """Share of pixels with the same label, of sets that hold every picture as often as its weight says, (S,)."""
    same, whole = (np.array([float(value) for value in values]) for values in (
        [count.diagonal().sum() for count in counts], [count.sum() for count in counts]))
    return weights @ same / (weights @ whole)


def rows_of(counts: dict[str, list[Tensor]], gain: float, *, resamples: int) -> list[tuple]:
    """A row for every variant; differences are from none, on the same resampled pictures."""
    pictures = len(counts[NONE])
    weights = resampled_weights(pictures, resamples=resamples)
    plain, rows = resampled_agreement(counts[NONE], weights), []
    base = pixel_agreement(torch.stack(counts[NONE]).sum(0))
    for name, own in counts.items():
        total = torch.stack(own).sum(0)
        ends = (0.0, 0.0) if name == NONE else interval(resampled_agreement(own, weights) - plain)
        rows.append((name, gain, pictures, pixel_agreement(total), mean_iou(total), pixel_agreement(total) - base,
                     *ends))
    return rows


def as_markdown(row: tuple) -> str:
    """A row of figures as a line of the table."""
    name, gain, pictures, pixels, iou, difference, low, high = row
    return line([name, f'{gain:g}', str(pictures), f'{pixels:.4f}', f'{iou:.3f}',
                 *(['', ''] if name == NONE else [f'{difference:+.4f}', f'{low:+.4f} to {high:+.4f}'])])


def main(arguments: list[str] | None = None) -> int:
    """Prints the table; 0, or 1 where a picture could not be read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--photos', type=Path, required=True, help='folder of well-lit photographs')
    parser.add_argument('--enhancers', nargs='+', default=['isalux_general'], metavar='NAME')
    parser.add_argument('--gains', type=a_gain, nargs='+', default=[1, 0.12, 0.02, 0.004])
    parser.add_argument('--seed', type=count_or_none, default=0, help='of the darkness')
    parser.add_argument('--work-short-side', type=count_or_none, default=64,
                        help='that the enhancers see (64); 0 for all pixels')
    parser.add_argument('--mode', choices=MODES, default='fast', help='of the packaged enhancers (fast)')
    parser.add_argument('--resamples', type=a_count, default=1000, help='resampled sets of photographs')
    parser.add_argument('--csv', type=Path, metavar='FILE', help='write the figures here')
    add_overwrite_option(parser)
    options = parser.parse_args(arguments)
    demand_pictures(parser, options.photos)
    demand_enhancers(parser, '--enhancers', options.enhancers)
    demand_free(parser, *([options.csv] if options.csv else []), overwrite=options.overwrite,
                read=list_images(options.photos))
    stock = segmentor()
    necks = {name: neck_of(name, options.work_short_side or None, options.mode) for name in options.enhancers}
    variants: dict[str, tuple[Enhance, PackagedSemanticPrior]] = {
        NONE: (torch.nn.Identity(), stock), **{name: (neck, stock) for name, neck in necks.items()},
        ADAPTED: (torch.nn.Identity(), segmentor(adapted=True))}
    attempts, rows = Attempts(), []
    print(line(HEAD) + '\n|' + '---|' * len(HEAD))
    for gain in options.gains:
        counts = counts_of(darkened(options.photos, gain, options.seed, attempts), variants, stock)
        if not counts[NONE]:
            parser.error(f'--photos must hold pictures that can be read, got {options.photos}')
        of_gain = rows_of(counts, gain, resamples=options.resamples)
        print('\n'.join(map(as_markdown, of_gain)), flush=True)
        rows += of_gain
    if options.csv:
        file = io.StringIO()
        writer = csv.writer(file, lineterminator='\n')
        writer.writerows([(*HEAD[:-1], 'low', 'high'), *rows])
        write_text(options.csv, file.getvalue(), overwrite=options.overwrite)
    return show_failures(attempts)


if __name__ == '__main__':
    sys.exit(run_tool(main))
