"""COCO's average precision of resampled images (ours: pycocotools' figures, without matching anew).

Which detection finds which box is decided within an image, so a set in which images occur several times or not at all
needs no matching: only the sums over images change. An image that is drawn twice counts as two equal images.
"""
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isalux_mm.functional.confidence import LEVEL, SEED

RECALLS = np.linspace(0, 1, 101)  # COCO's
RESAMPLES = 1000  # ours
ELEMENTS_AT_ONCE = 4_000_000  # resamples x detections: bounds the memory


@dataclass(frozen=True)
class CategoryMatches:
    """Detections of a category at T overlaps, by falling score.

    Attributes:
        image: (D,), indices of their images.
        true: (T, D), whether a detection finds a box.
        ignored: (T, D), whether it counts neither way (it found a box that is to be ignored, or is out of the range
            of areas).
        positives: (images,), boxes to be found.
    """
    image: np.ndarray
    true: np.ndarray
    ignored: np.ndarray
    positives: np.ndarray


def average_precision(matches: Sequence[CategoryMatches], weights: np.ndarray) -> np.ndarray:
    """Average precision by overlap, averaged over the categories that have a box to be found.

    Equal to pycocotools' `COCOeval.accumulate` on a set that holds every image as often as its weight says. (Of equal
    scores within an image and category, which it would deal out in turn, the copies stand together here.)

    Args:
        matches: of every category.
        weights: (S, images), integers: how often each image occurs in each of S sets.

    Returns:
        (S, T); NaN for a set without a box.
    """
    overlaps = len(matches[0].true) if matches else 0
    sums, counts = np.zeros((len(weights), overlaps)), np.zeros((len(weights), 1), int)
    for category in matches:
        present = weights @ category.positives > 0
        rows = max(ELEMENTS_AT_ONCE // max(len(category.image), 1), 1)
        chosen = np.flatnonzero(present)
        for start in range(0, len(chosen), rows):
            part = chosen[start:start + rows]
            sums[part] += _of_category(category, weights[part])
        counts[present] += 1
    with np.errstate(invalid='ignore', divide='ignore'):
        return sums / np.where(counts, counts, np.nan)


def _of_category(category: CategoryMatches, weights: np.ndarray) -> np.ndarray:
    """(S, T), where every set has a box of the category."""
    wanted = weights @ category.positives  # (S,)
    counted = weights[:, category.image]  # (S, D)
    whole = counted.cumsum(axis=1)
    found = np.zeros((len(weights), len(category.true)))
    for overlap, (true, ignored) in enumerate(zip(category.true, category.ignored)):
        hits = np.flatnonzero(true & ~ignored)
        if not len(hits):
            continue
        # detections down to each hit, and hits; nothing in between matters
        seen = (counted * ~ignored).cumsum(axis=1)[:, hits] if ignored.any() else whole[:, hits]
        right = counted[:, hits].cumsum(axis=1)
        precision = right / (seen + np.spacing(1))  # as pycocotools, to the last digit
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        reached = np.searchsorted(RECALLS, right / wanted[:, None], side='right')  # recall levels down to each hit
        new = np.diff(reached, axis=1, prepend=0)
        found[:, overlap] = (new * envelope).sum(axis=1) / len(RECALLS)
    return found


def resampled_weights(images: int, *, resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """How often each image is drawn when as many as there are are drawn with replacement, (S, images), integers.

    The draws depend on the arguments alone: runs on the same images are resampled alike, which makes them paired.

    Args:
        images: how many there are.
        resamples: how often is drawn, S.
        seed: of the draws.

    Raises:
        ValueError: if there is nothing to be drawn.
    """
    if images < 1 or resamples < 0:
        raise ValueError(f'images must be at least 1 and resamples 0, got {images} and {resamples}')
    return np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), size=resamples)


def interval(values: np.ndarray, *, level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval of resampled figures (S,); those that are NaN, of sets without a box, are left out.

    Both ends are NaN where fewer than two are left.
    """
    known = values[~np.isnan(values)]
    if len(known) < 2:
        return float('nan'), float('nan')
    low, high = np.quantile(known, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)
