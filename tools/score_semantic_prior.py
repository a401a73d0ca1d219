"""What darkness costs a semantic prior, and how much of it an adapted one wins back: a table.

    python tools/score_semantic_prior.py checkpoints/deeplabv3_mnv2_pascal.safetensors \\
        --pairs data/LOL/eval15 --photos data/coco/val2017 --gains 0.12 0.02 0.004

The stock network labels the bright pictures; three label the dark ones: the stock network, the same behind the
packaged prior's longer exposure of dark pictures, and the adapted network behind it. Measured are the share of pixels
with the same label, and the intersection over union averaged over the classes that the stock network sees in the
bright, both over all pixels of a set; and the share that the adapted one wins back of what darkness costs, with its 95%
interval over the pictures (percentile bootstrap).

`--pairs` takes folders with `low` and `high`; `--photos` are made dark by the physical synthesis, at fixed gains in
linear light, with noise, as `DarkenImage` does it, and `1` as a gain leaves them as they are.
"""
import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import isalux_mm.models  # noqa: F401
from isalux_mm.cli.options import (
    count,
    count_or_none,
    demand_checkpoint,
    demand_pictures,
    gain,
    run_tool,
    show_failures,
)
from isalux_mm.datasets.darkening import darken, darkness_ranges
from isalux_mm.datasets.transforms import to_tensor
from isalux_mm.functional.average_precision import interval, resampled_weights
from isalux_mm.functional.degradation import seeded_generator
from isalux_mm.functional.label_agreement import confusion, mean_iou, pixel_agreement
from isalux_mm.io.attempts import Attempts
from isalux_mm.io.images import list_images, read_each
from isalux_mm.models.deeplab import LEAST_LUMA, PACKAGED, PackagedSemanticPrior
from isalux_mm.models.prior_adaptation import labels, size_of

HEAD = ('pictures', 'pixels: stock', 'exposed', 'adapted', 'won back',
        'mean IoU: stock', 'exposed', 'adapted', 'won back')

Pair = tuple[Tensor, Tensor]  # dark and bright, (1, 3, H, W), RGB in [0, 1]


def load_prior(weights: Path, short_side: int, *, least_luma: float = LEAST_LUMA) -> PackagedSemanticPrior:
    """A prior with the weights of a file; options as of `PackagedSemanticPrior`."""
    prior = PackagedSemanticPrior(checkpoint=str(weights), short_side=short_side, least_luma=least_luma)
    prior.init_weights()
    return prior


def real_pairs(folder: Path, attempts: Attempts) -> Iterator[Pair]:
    """Pairs of equal names of `low` and `high`, of which both can be read and have one size."""
    for low, dark in read_each(list_images(folder / 'low'), attempts):
        for high, bright in read_each([folder / 'high' / low.name], attempts):
            if dark.shape == bright.shape:
                yield to_tensor(dark)[None], to_tensor(bright)[None]
            else:
                attempts.fail(str(low), ValueError(f'expected the size of {high}, {bright.shape[1]} x '
                                                   f'{bright.shape[0]}, got {dark.shape[1]} x {dark.shape[0]}'))


def darkened(folder: Path, gain: float, seed: int, attempts: Attempts) -> Iterator[Pair]:
    """Photographs that can be read and what they become; an image's darkness hangs on its name, the gain and the seed
    alone."""
    for path, image in read_each(list_images(folder), attempts):
        dark = image
        if gain < 1:
            rng = seeded_generator(seed, path.name)
            dark, _ = darken(np.round(image * 255).astype(np.uint8), darkness_ranges(gain=gain), rng)
            dark = dark.astype(np.float32) / 255
        yield to_tensor(dark)[None], to_tensor(image)[None]


@torch.no_grad()
def counts_of(pairs: Iterator[Pair], teacher: PackagedSemanticPrior,
              priors: Sequence[PackagedSemanticPrior]) -> list[Tensor]:
    """Confusion of every picture by prior, (pictures, classes, classes): of what each makes of the dark picture with
    what the teacher makes of the bright one."""
    classes = teacher.out_channels
    counts: list[list[Tensor]] = [[] for _ in priors]
    for dark, bright in pairs:
        expected = labels(teacher(bright), size_of(bright))
        for of_prior, prior in zip(counts, priors):
            of_prior.append(confusion(labels(prior(dark), size_of(dark)), expected, classes))
    return [torch.stack(of_prior) if of_prior else torch.zeros(0, classes, classes) for of_prior in counts]


def row(name: str, counts: Sequence[Tensor], *, resamples: int) -> str:
    """A line of the table, of the pictures' counts; what was won back is the share of the distance from the first
    prior to full agreement."""
    cells = [name]
    weights = torch.from_numpy(resampled_weights(len(counts[0]), resamples=resamples))
    drawn = [torch.tensordot(weights, of_prior, dims=1) for of_prior in (counts[0], counts[-1])]
    for measure in (pixel_agreement, mean_iou):
        values = [measure(of_prior.sum(0)) for of_prior in counts]
        sets = ([measure(one) for one in of_prior] for of_prior in drawn)
        won = np.array([won_back(*pair) for pair in zip(*sets)])
        cells += [*(f'{value:.3f}' for value in values), share(won_back(values[0], values[-1]), *interval(won))]
    return line(cells)


def won_back(before: float, after: float) -> float:
    """Share of the distance to 1; NaN where there is none."""
    return (after - before) / (1 - before) if before < 1 else float('nan')


def share(value: float, low: float, high: float) -> str:
    """A share and its interval; a dash where there is none."""
    return '-' if np.isnan(value) else f'{value:.0%} ({low:.0%} to {high:.0%})'


def line(cells: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return f'| {" | ".join(cells)} |'


def main(arguments: list[str] | None = None) -> int:
    """Prints the table; 0, or 1 where a picture could not be read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('stock', type=Path, help='weights that were started from; they label the bright pictures')
    parser.add_argument('--adapted', type=Path, default=PACKAGED, help="weights to judge; the package's if left out")
    parser.add_argument('--pairs', type=Path, nargs='+', default=[], help='folders with low and high')
    parser.add_argument('--photos', type=Path, nargs='+', default=[], help='folders of well-lit photographs')
    parser.add_argument('--gains', type=gain, nargs='+', default=[1, 0.12, 0.02, 0.004])
    parser.add_argument('--seed', type=count_or_none, default=0)
    parser.add_argument('--short-side', type=count, default=257)
    parser.add_argument('--resamples', type=count, default=1000, help='resampled sets of pictures')
    options = parser.parse_args(arguments)
    if not options.pairs and not options.photos:
        parser.error('expected --pairs or --photos, got neither')
    demand_pictures(parser, *(pairs / kind for pairs in options.pairs for kind in ('low', 'high')), *options.photos)
    demand_checkpoint(parser, 'stock', options.stock)
    demand_checkpoint(parser, '--adapted', options.adapted)
    side = options.short_side
    stock = load_prior(options.stock, side, least_luma=0)
    priors = (stock, load_prior(options.stock, side), load_prior(options.adapted, side))
    attempts = Attempts()
    again = Attempts()  # of pairs that are read a second time
    sets = {f'{folder}, low': real_pairs(folder, attempts) for folder in options.pairs}
    sets |= {f'{folder}, high': ((bright, bright) for _, bright in real_pairs(folder, again))
             for folder in options.pairs}
    sets |= {f'{folder}, gain {gain:g}': darkened(folder, gain, options.seed, attempts)
             for folder in options.photos for gain in options.gains}
    print(line(HEAD) + '\n|' + '---|' * len(HEAD))
    for name, pairs in sets.items():
        counts = counts_of(pairs, stock, priors)
        if not len(counts[0]):
            show_failures(attempts)
            parser.error(f'{name}: expected pictures that can be read, found none')
        print(row(name, counts, resamples=options.resamples), flush=True)
    return show_failures(attempts)


if __name__ == '__main__':
    sys.exit(run_tool(main))
