"""Kept detections, and figures with intervals: against pycocotools and against resampling by hand."""
import json

import numpy as np
import pytest
import torch

pytest.importorskip('mmdet')

from mmdet.evaluation import CocoMetric
from mmdet.evaluation.metrics import VOCMetric

from isalux_mm.det.detections import Detections, KeptDetections, KeptTests, box_metric_of, matched
from isalux_mm.det.intervals import figures_of
from isalux_mm.functional.average_precision import average_precision, interval, resampled_weights

IMAGES, CLASSES = 10, ('a', 'b', 'c')
GAINS, DRAWS = (1.0, 0.02), (0, 1)


def samples(truth: dict, seed: int, shake: float) -> list[dict]:
    """Predictions of a test: boxes shaken and scored, with false ones; the last image has none."""
    rng, found = np.random.default_rng(seed), []
    for image in truth['images']:
        mine = [a for a in truth['annotations'] if a['image_id'] == image['id']]
        boxes = [np.array(a['bbox']) + rng.normal(0, shake, 4) for a in mine] + list(rng.uniform(5, 60, (2, 4)))
        labels = [a['category_id'] // 10 - 1 for a in mine] + [0, 1]
        count = len(boxes) if image['id'] < 100 + IMAGES - 1 else 0
        boxes = np.array(boxes).clip(0.5)
        boxes[:, 2:] += boxes[:, :2]
        found.append(dict(img_id=image['id'], ori_shape=(160, 200), pred_instances=dict(
            bboxes=torch.tensor(boxes[:count], dtype=torch.float32), labels=torch.tensor(labels[:count]),
            scores=torch.tensor(rng.uniform(size=count), dtype=torch.float32))))
    return found


@pytest.fixture(scope='module')
def case(tmp_path_factory):
    """A set, its metric as it is after a test, and the metric's figures of one test."""
    rng = np.random.default_rng(0)
    annotations = []
    for image in range(IMAGES):
        for _ in range(3):
            x, y, w, h = rng.uniform((0, 0, 20, 20), (100, 80, 80, 70))
            annotations.append(dict(id=len(annotations) + 1, image_id=100 + image, bbox=[x, y, w, h], area=w * h,
                                    iscrowd=0, category_id=int(rng.integers(1, 4)) * 10))
    truth = dict(info={}, images=[dict(id=100 + i, file_name=f'{i}.jpg', width=200, height=160)
                                  for i in range(IMAGES)], annotations=annotations,
                 categories=[dict(id=10 * k, name=name) for k, name in enumerate(CLASSES, 1)])
    path = tmp_path_factory.mktemp('set') / 'boxes.json'
    path.write_text(json.dumps(truth))
    metric = CocoMetric(str(path))
    metric.dataset_meta = dict(classes=CLASSES)
    metric.process({}, samples(truth, 1, 3))
    return truth, metric, metric.evaluate(IMAGES)


def kept(case, name: str, shake: float, checkpoints: int = 1, draws=DRAWS) -> KeptTests:
    """Tests of a detector whose boxes are shaken the more the darker it is; bright all draws are one."""
    truth, metric, _ = case
    tests = {}
    for gain in GAINS:
        for checkpoint in range(checkpoints):
            for draw in draws:
                keeper = KeptDetections()
                seed = 1 + 10 * checkpoint + (draw if gain < 1 else 0)
                keeper.process({}, samples(truth, seed, shake + (1 - gain)))
                keeper.evaluate(IMAGES)
                tests[gain, checkpoint, draw] = keeper.detections(metric.cat_ids)
    return KeptTests(name, tuple(keeper.images), ('one', 'two')[:checkpoints], tests)


def test_figures_are_the_metrics_own(case):
    _, metric, figures = case
    rows = figures_of(metric, kept(case, 'a', 3), resamples=100)
    bright = {row.figure: row for row in rows if row.gain == 1}
    for name, key in (('AP', 'coco/bbox_mAP'), ('AP50', 'coco/bbox_mAP_50')):
        assert bright[name].value == pytest.approx(figures[key], abs=5.1e-4)  # mmdet rounds to three digits
    assert [(row.gain, row.figure) for row in rows] == [(g, f) for g in GAINS for f in ('AP', 'AP50')]
    assert (bright['AP'].images, bright['AP'].draws, bright['AP'].draw_deviation) == (IMAGES, 2, 0)
    assert bright['AP'].low < bright['AP'].value < bright['AP'].high and np.isnan(bright['AP'].difference)
    dark = next(row for row in rows if row.gain == 0.02)
    assert dark.draw_deviation > 0 and np.isnan(dark.checkpoint_deviation)


def test_a_difference_is_resampled_in_pairs(case):
    """Every draw of images gives both detectors' figures; the interval is of their differences."""
    _, metric, _ = case
    own, other = kept(case, 'own', 2, checkpoints=2), kept(case, 'other', 5)
    row = next(row for row in figures_of(metric, own, other, resamples=200) if (row.gain, row.figure) == (0.02, 'AP'))
    weights = np.concatenate([np.ones((1, IMAGES), int), resampled_weights(IMAGES, resamples=200)])

    def mean(tests: KeptTests) -> np.ndarray:
        return np.mean([average_precision(matched(metric, test, tests.images)['AP'], weights).mean(axis=1)
                        for key, test in tests.tests.items() if key[0] == 0.02], axis=0)

    expected = mean(own) - mean(other)
    assert row.difference == pytest.approx(expected[0], abs=1e-12) and row.difference > 0.05
    assert (row.difference_low, row.difference_high) == pytest.approx(interval(expected[1:]), abs=1e-12)
    assert row.against == pytest.approx(mean(other)[0], abs=1e-12)
    assert row.checkpoints == 2 and row.checkpoint_deviation > 0


def test_a_detector_does_not_differ_from_itself(case):
    rows = figures_of(case[1], kept(case, 'a', 3), kept(case, 'b', 3), resamples=100)
    assert all((row.difference, row.difference_low, row.difference_high) == (0, 0, 0) for row in rows)


def test_groups_have_rows_of_their_own(case):
    groups = dict(few=[100, 101, 102], none=[7])
    rows = figures_of(case[1], kept(case, 'a', 3), groups=groups, resamples=100)
    assert {(row.group, row.images) for row in rows} == {('all', IMAGES), ('few', 3)}


def test_detections_survive_the_disk(case, tmp_path):
    tests = kept(case, 'a', 3)
    tests.save(tmp_path / 'kept.npz')
    again = KeptTests.load(tmp_path / 'kept.npz')
    assert (again.name, again.images, again.checkpoints) == (tests.name, tests.images, tests.checkpoints)
    assert list(again.tests) == list(tests.tests)
    assert figures_of(case[1], again, resamples=100)[2] == figures_of(case[1], tests, resamples=100)[2]
    with pytest.raises(FileExistsError):
        tests.save(tmp_path / 'kept.npz')


@pytest.mark.parametrize('content', [b'', b'no archive', 'of arrays'])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / 'other.npz'
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.savez(path, boxes=np.zeros(3))
    with pytest.raises(ValueError, match=r'other\.npz must be a file of kept detections'):
        KeptTests.load(path)


def test_runs_that_are_no_pair_are_refused(case):
    own = kept(case, 'own', 3)
    with pytest.raises(ValueError, match=r'same gains and draws .*: own has .*\(1\.0, 1\)\], other \['):
        figures_of(case[1], own, kept(case, 'other', 3, draws=(0, )))
    fewer = KeptTests('other', own.images[:-1], own.checkpoints, own.tests)
    with pytest.raises(ValueError, match=r'same images: own has 10, other 9, 9 are of both'):
        figures_of(case[1], own, fewer)


def test_nothing_detected_is_zero(case):
    nothing = Detections(np.zeros(0, int), np.zeros(0, int), np.zeros(0), np.zeros((0, 4)))
    images = tuple(range(100, 100 + IMAGES))
    rows = figures_of(case[1], KeptTests('a', images, ('one', ), {(None, 0, 0): nothing}), resamples=100)
    assert [(row.value, row.low, row.high) for row in rows] == [(0, 0, 0)] * 2
    assert rows[0].as_json()['gain'] is None and rows[0].as_json()['difference'] is None


def test_other_metrics_are_refused(case):
    assert box_metric_of([VOCMetric(), case[1]]) is case[1]
    with pytest.raises(ValueError, match="metric of boxes in COCO's format .*, got VOCMetric"):
        box_metric_of([VOCMetric()])
