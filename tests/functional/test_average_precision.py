"""Average precision of resampled images against pycocotools on sets in which images really are repeated."""
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pytest

pytest.importorskip('mmdet')

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from isalux_mm.det.detections import category_matches
from isalux_mm.functional.average_precision import (
    CategoryMatches,
    average_precision,
    interval,
    resampled_weights,
)

IMAGES, CLASSES, SIZE = 12, 4, 100


def random_set(rng: np.random.Generator) -> tuple[list[dict], list[dict]]:
    """Boxes and detections of some images: crowds, false ones, scores that are equal in several images (in one they
    differ), an image and a class without boxes."""
    truth, found = [], []
    for image in range(IMAGES - 1):
        scores = iter(rng.permutation(20) / 20)
        for _ in range(rng.integers(1, 6)):
            box = rng.uniform((0, 0, 10, 10), (60, 60, 40, 40))
            category = int(rng.integers(1, CLASSES))
            truth.append(dict(image_id=image, category_id=category, bbox=box.tolist(), area=float(box[2] * box[3]),
                              iscrowd=int(rng.uniform() < 0.15)))
            for _ in range(rng.integers(0, 3)):
                found.append(dict(image_id=image, category_id=category if rng.uniform() < 0.8 else CLASSES,
                                  bbox=(box + rng.normal(0, 3, 4)).clip(1).tolist(),
                                  score=float(next(scores))))
    return truth, found


def evaluation_of(truth: list[dict], found: list[dict], places: list[int]) -> COCOeval:
    """pycocotools on a set of images, of which one may be there several times, as so many images."""
    images, boxes, detections = [], [], []
    for new, old in enumerate(places, 1):
        images.append(dict(id=new, width=SIZE, height=SIZE))
        boxes += [one | dict(image_id=new, id=len(boxes) + k) for k, one in enumerate(
            (one for one in truth if one['image_id'] == old), 1)]
        detections += [one | dict(image_id=new) for one in found if one['image_id'] == old]
    with redirect_stdout(StringIO()):
        coco = COCO()
        coco.dataset = dict(info={}, images=images, annotations=boxes,
                            categories=[dict(id=k, name=str(k)) for k in range(1, CLASSES + 2)])
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(detections), 'bbox')
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ['all']
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def by_overlap(evaluation: COCOeval) -> np.ndarray:
    """pycocotools' figures (T,): the mean over recall levels and classes that have boxes."""
    precision = evaluation.eval['precision'][:, :, :, 0, -1]
    return np.array([one[one > -1].mean() for one in precision])


@pytest.fixture(scope='module')
def case():
    truth, found = random_set(np.random.default_rng(3))
    evaluation = evaluation_of(truth, found, list(range(IMAGES)))
    return truth, found, evaluation, category_matches(evaluation, 100)


def test_every_image_once_is_pycocotools_figure(case):
    _, _, evaluation, matches = case
    own = average_precision(matches, np.ones((1, IMAGES), int))[0]
    np.testing.assert_allclose(own, by_overlap(evaluation), rtol=0, atol=1e-13)
    assert 0.05 < own[3] < own[0] < 0.9


@pytest.mark.parametrize('seed', range(6))
def test_resampled_images_are_pycocotools_figure_on_such_a_set(case, seed):
    """Images drawn twice and more, or not at all, some classes away with them."""
    truth, found, _, matches = case
    weights = resampled_weights(IMAGES, resamples=1, seed=seed)
    if seed == 0:
        weights[:] = 0
        weights[0, [2, 5]] = 5, 1  # few classes are left
    places = np.repeat(np.arange(IMAGES), weights[0]).tolist()
    np.testing.assert_allclose(average_precision(matches, weights)[0], by_overlap(evaluation_of(truth, found, places)),
                               rtol=0, atol=1e-13)


def test_many_sets_at_once_are_what_each_is_alone(case, monkeypatch):
    matches, weights = case[3], resampled_weights(IMAGES, resamples=40)
    whole = average_precision(matches, weights)
    monkeypatch.setattr('isalux_mm.functional.average_precision.ELEMENTS_AT_ONCE', 100)
    assert np.array_equal(average_precision(matches, weights), whole)


def test_by_hand():
    """Two images with a box each; the better one's detection is right, the other's wrong."""
    matches = [CategoryMatches(np.array([0, 1]), np.array([[True, False]]), np.zeros((1, 2), bool), np.array([1, 1])),
               CategoryMatches(np.zeros(0, int), np.zeros((1, 0), bool), np.zeros((1, 0), bool), np.zeros(2, int))]
    found = average_precision(matches, np.array([[1, 1], [2, 0], [0, 2], [3, 1], [0, 0]]))[:, 0]
    # levels of recall reached, of 101, at a precision of 1: half, all, none, three quarters
    np.testing.assert_allclose(found, [51 / 101, 1, 0, 76 / 101, np.nan])


def test_draws_are_paired_and_as_many_as_there_are_images():
    weights = resampled_weights(7, resamples=50, seed=1)
    assert weights.shape == (50, 7) and (weights.sum(axis=1) == 7).all() and len(np.unique(weights, axis=0)) > 40
    assert np.array_equal(weights, resampled_weights(7, resamples=50, seed=1))
    with pytest.raises(ValueError, match='images must be at least 1 and resamples 0, got 0 and 5'):
        resampled_weights(0, resamples=5)


def test_interval():
    values = np.arange(1001) / 1000
    assert interval(values) == pytest.approx((0.025, 0.975))
    assert interval(np.append(values, np.nan)) == pytest.approx((0.025, 0.975))
    assert np.isnan(interval(np.array([0.5, np.nan]))).all()
