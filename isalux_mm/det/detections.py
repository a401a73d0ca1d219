"""Detections of a test as arrays: kept while it runs, kept on disk, and what of them is right by COCO's rules."""
import json
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from mmdet.datasets.api_wrappers import COCO, COCOeval
from mmdet.evaluation import CocoMetric
from mmengine.evaluator import BaseMetric

from isalux_mm.functional.average_precision import CategoryMatches
from isalux_mm.io.whole_file import whole_file

ALL_AREAS = [[0, 1e10]]  # pycocotools' range of areas 'all'
MOST_FOR_AP = 100  # detections of an image and category, pycocotools'
FIELDS = ('image', 'category', 'score', 'box')
Key = tuple[float | None, int, int]  # of a test: gain, place of the checkpoint, draw of the darkness


@dataclass(frozen=True)
class Detections:
    """Detections of one test on a set, N in all.

    Attributes:
        image, category: (N,), ids in the annotation file.
        score: (N,).
        box: (N, 4), left, top, right, bottom, pixels of the original image.
    """
    image: np.ndarray
    category: np.ndarray
    score: np.ndarray
    box: np.ndarray

    def as_coco(self) -> list[dict[str, Any]]:
        """In the form of COCO's result files."""
        corner = self.box.astype(np.float64)
        boxes = np.hstack([corner[:, :2], corner[:, 2:] - corner[:, :2]])
        return [dict(image_id=i, category_id=c, score=s, bbox=b) for i, c, s, b in zip(
            self.image.tolist(), self.category.tolist(), self.score.tolist(), boxes.tolist())]


class KeptDetections(BaseMetric):
    """A metric without figures: keeps what the test gives.

    Attributes:
        images: ids of the images that were tested, sorted; of the main process.
        results_by_image: their (boxes (n, 4), scores (n,), labels (n,)).
    """
    default_prefix = 'kept'

    def __init__(self) -> None:
        super().__init__(collect_device='cpu')
        self.images: list[int] = []
        self.results_by_image: dict[int, Sequence[np.ndarray]] = {}

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keeps a batch."""
        for sample in data_samples:
            found = sample['pred_instances']
            parts = [found[name].cpu().numpy() for name in ('bboxes', 'scores', 'labels')]
            self.results.append((sample['img_id'], parts))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Puts the batches together."""
        self.results_by_image = dict(results)
        self.images = sorted(self.results_by_image)
        return {}

    def detections(self, category_ids: Sequence[int]) -> Detections:
        """All detections, with the set's ids of categories in the place of labels."""
        found = [self.results_by_image[image] for image in self.images]
        boxes, scores, labels = (np.concatenate(part) for part in zip(*found))
        images = np.repeat(np.array(self.images, np.int64), [len(part[1]) for part in found])
        return Detections(images, np.array(category_ids, np.int64)[labels.astype(int)], scores, boxes.reshape(-1, 4))


@dataclass(frozen=True)
class KeptTests:
    """Detections of several tests of a detector on one set.

    Attributes:
        name: of the detector, for tables.
        images: ids of the images that were tested, sorted.
        checkpoints: names.
        tests: detections by gain, place of the checkpoint and draw.
    """
    name: str
    images: tuple[int, ...]
    checkpoints: tuple[str, ...]
    tests: dict[Key, Detections]

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Writes a file (.npz) that `load` reads; whole, by `whole_file`."""
        notes = json.dumps(dict(name=self.name, checkpoints=self.checkpoints, keys=list(self.tests)))
        arrays = {f'{name}_{place}': getattr(test, name)
                  for place, test in enumerate(self.tests.values()) for name in FIELDS}
        with whole_file(path, overwrite=overwrite) as file:
            np.savez_compressed(file, notes=np.array(notes), images=np.array(self.images, np.int64), **arrays)

    @classmethod
    def load(cls, path: str | Path) -> 'KeptTests':
        """Reads a file of `save`; nothing in it is run.

        Raises:
            ValueError: if it is another file.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                notes = json.loads(str(file['notes']))
                tests = {(gain, checkpoint, draw): Detections(*(file[f'{name}_{place}'] for name in FIELDS))
                         for place, (gain, checkpoint, draw) in enumerate(notes['keys'])}
                return cls(notes['name'], tuple(file['images'].tolist()), tuple(notes['checkpoints']), tests)
        except (BadZipFile, KeyError, TypeError, ValueError, EOFError) as error:
            raise ValueError(f'{path} must be a file of kept detections (isalux test ... --keep FILE.npz), got '
                             f'another one ({error})') from error


def box_metric_of(metrics: Iterable[BaseMetric]) -> CocoMetric:
    """The metric of a test that says which boxes are to be found.

    Raises:
        ValueError: if none is COCO's metric of boxes.
    """
    metrics = list(metrics)
    for metric in metrics:
        if isinstance(metric, CocoMetric) and 'bbox' in metric.metrics and not metric.format_only:
            return metric
    raise ValueError("intervals of a detector need a metric of boxes in COCO's format (CocoMetric with metric='bbox', "
                     f'ExDarkMetric), got {", ".join(type(metric).__name__ for metric in metrics)}')


def matched(metric: CocoMetric, detections: Detections, images: Sequence[int]) -> dict[str, list[CategoryMatches]]:
    """What of the detections is right, by figure: 'AP', of 100 detections of an image and class, and 'AP50'.

    `AP50` takes as many detections as the metric, whose largest number of proposals counts there (pycocotools').

    Args:
        metric: which has computed its figures, or read its annotation file: it has the boxes, classes and overlaps.
        detections: of the images.
        images: ids; others of the set are left out.
    """
    coco, wanted = metric._coco_api, set(images)
    found = [one for one in detections.as_coco() if one['image_id'] in wanted]
    with redirect_stdout(StringIO()):  # pycocotools prints its progress
        evaluation = COCOeval(coco, coco.loadRes(found) if found else nothing_of(coco), 'bbox')
        evaluation.params.imgIds, evaluation.params.catIds = list(images), metric.cat_ids
        evaluation.params.maxDets = list(metric.proposal_nums)
        evaluation.params.iouThrs = metric.iou_thrs
        evaluation.params.areaRng, evaluation.params.areaRngLbl = ALL_AREAS, ['all']
        evaluation.evaluate()
    every = category_matches(evaluation, max(metric.proposal_nums))
    half = [CategoryMatches(m.image, m.true[:1], m.ignored[:1], m.positives) for m in every]
    figures = {'AP': category_matches(evaluation, MOST_FOR_AP)}
    return figures | ({'AP50': half} if abs(metric.iou_thrs[0] - 0.5) < 1e-9 else {})


def nothing_of(coco: COCO) -> COCO:
    """Results without a detection, which pycocotools does not load."""
    empty = COCO()
    empty.dataset = dict(images=coco.dataset['images'], categories=coco.dataset['categories'], annotations=[])
    empty.createIndex()
    return empty


def category_matches(evaluation: COCOeval, most: int) -> list[CategoryMatches]:
    """The matches of an evaluation of all areas, by category.

    Args:
        evaluation: after `evaluate()`.
        most: detections of an image and category that count.
    """
    images, overlaps = len(evaluation.params.imgIds), len(evaluation.params.iouThrs)
    categories = []
    for first in range(0, len(evaluation.evalImgs), images):
        of_images = [(place, one) for place, one in enumerate(evaluation.evalImgs[first:first + images]) if one]
        positives = np.zeros(images, int)
        nothing: np.ndarray = np.zeros((overlaps, 0), bool)
        image: list[np.ndarray] = [np.zeros(0, int)]
        score: list[np.ndarray] = [np.zeros(0)]
        true, ignored = [nothing], [nothing]
        for place, one in of_images:
            positives[place] = np.count_nonzero(one['gtIgnore'] == 0)
            scores = np.array(one['dtScores'][:most], float)
            image.append(np.full(len(scores), place))
            score.append(scores)
            ignored.append(one['dtIgnore'][:, :most].astype(bool))
            true.append(one['dtMatches'][:, :most].astype(bool) & ~ignored[-1])
        order = np.argsort(-np.concatenate(score), kind='mergesort')  # pycocotools' own: ties stay as they are
        categories.append(CategoryMatches(np.concatenate(image)[order], np.concatenate(true, axis=1)[:, order],
                                          np.concatenate(ignored, axis=1)[:, order], positives))
    return categories
