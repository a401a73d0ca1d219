"""ExDarkMetric: totals and groups against pycocotools, VOC figures against a formula of their own."""
import json
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger

pytest.importorskip('mmdet')

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from isalux_mm.det.exdark import EXDARK_CLASSES, EXDARK_IN_OUT, EXDARK_LIGHTING
from isalux_mm.det.exdark_metric import ExDarkMetric, drawn_table
from isalux_mm.functional.average_precision import resampled_weights
from isalux_mm.registry import METRICS

IMAGES, LIGHTING_USED = 24, 5  # image i has lighting i modulo 5: five types stay without images
CROWDED = 3  # this image has more than 100 detections


def random_truth(rng: np.random.Generator) -> dict:
    images, annotations = [], []
    for i in range(IMAGES):
        images.append(dict(id=i + 1, file_name=f'{i}.jpg', width=200, height=160,
                           lighting=EXDARK_LIGHTING[i % LIGHTING_USED], in_out=EXDARK_IN_OUT[i % 2]))
        for _ in range(rng.integers(1, 6)):
            x, y, w, h = rng.uniform((0, 0, 8, 8), (120, 90, 80, 70))
            annotations.append(dict(
                id=len(annotations) + 1, image_id=i + 1, bbox=[x, y, w, h], area=w * h, segmentation=[],
                iscrowd=int(rng.uniform() < 0.1), category_id=int(rng.integers(1, 13))))
    categories = [dict(id=n, name=name) for n, name in enumerate(EXDARK_CLASSES, 1)]
    return dict(info=dict(split='official', subset='test'), images=images, annotations=annotations,
                categories=categories)


def random_detections(truth: dict, rng: np.random.Generator) -> list[dict]:
    """True boxes shaken and scored, with false ones; image `CROWDED` has 150 more."""
    samples = []
    for image in truth['images']:
        mine = [a for a in truth['annotations'] if a['image_id'] == image['id']]
        boxes = [np.array(a['bbox']) + rng.normal(0, 4, 4) for a in mine if rng.uniform() < 0.85]
        labels = [a['category_id'] - 1 if rng.uniform() < 0.9 else rng.integers(12) for a in mine][:len(boxes)]
        false = 150 if image['id'] == CROWDED else 3
        boxes += list(rng.uniform((0, 0, 8, 8), (120, 90, 80, 70), (false, 4)))
        labels += list(rng.integers(0, 12, false))
        boxes = np.array(boxes).clip(0.5)
        boxes[:, 2:] += boxes[:, :2]
        samples.append(dict(
            img_id=image['id'], ori_shape=(160, 200),
            pred_instances=dict(
                bboxes=torch.tensor(boxes, dtype=torch.float32), labels=torch.tensor(np.array(labels)),
                scores=torch.tensor(rng.uniform(0.01, 1, len(boxes)), dtype=torch.float32))))
    return samples


def evaluate(path, samples: list[dict], **options) -> dict[str, float]:
    metric = METRICS.build(dict(type='ExDarkMetric', ann_file=str(path), **options))
    metric.dataset_meta = dict(classes=EXDARK_CLASSES, split='official', subset='test')
    metric.process({}, samples)
    return metric.evaluate(len(samples))


def coco_reference(path, samples: list[dict], image_ids: list[int]) -> tuple[float, float]:
    """pycocotools as it comes: `stats[0]` and `stats[1]` of some of the images."""
    rows = []
    for sample in samples:
        found = sample['pred_instances']
        for box, score, label in zip(found['bboxes'].tolist(), found['scores'].tolist(), found['labels'].tolist()):
            rows.append([sample['img_id'], box[0], box[1], box[2] - box[0], box[3] - box[1], score, label + 1])
    with redirect_stdout(StringIO()):
        truth = COCO(str(path))
        evaluation = COCOeval(truth, truth.loadRes(np.array(rows)), 'bbox')
        evaluation.params.imgIds = image_ids
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return tuple(evaluation.stats[:2])


def voc_reference(truth: dict, samples: list[dict], mode: str) -> float:
    """Everingham et al. (2010): greedy matches by score at an overlap of 0.5; crowd boxes count neither way."""
    aps = []
    for label in range(12):
        mine = [a for a in truth['annotations'] if a['category_id'] == label + 1]
        rows = sorted(((float(s), sample['img_id'], b) for sample in samples for b, s, c in zip(
            sample['pred_instances']['bboxes'].numpy(), sample['pred_instances']['scores'],
            sample['pred_instances']['labels']) if c == label), key=lambda r: -r[0])
        taken, hits = set(), []
        for _, image, box in rows:
            candidates = [a for a in mine if a['image_id'] == image]
            overlaps = [overlap(box, a['bbox']) for a in candidates]
            best = int(np.argmax(overlaps)) if overlaps else None
            if best is None or overlaps[best] < 0.5:
                hits.append(0)
            elif not candidates[best]['iscrowd']:
                hits.append(int(candidates[best]['id'] not in taken))
                taken.add(candidates[best]['id'])
        count = sum(not a['iscrowd'] for a in mine)
        if count:
            recall, precision = np.cumsum(hits) / count, np.cumsum(hits) / np.arange(1, len(hits) + 1)
            aps.append(average_precision(recall, precision, mode))
    return float(np.mean(aps))


def overlap(box: np.ndarray, truth: list[float]) -> float:
    x, y, w, h = truth
    wide = min(box[2], x + w) - max(box[0], x)
    high = min(box[3], y + h) - max(box[1], y)
    shared = max(wide, 0) * max(high, 0)
    return shared / ((box[2] - box[0]) * (box[3] - box[1]) + w * h - shared)


def average_precision(recall: np.ndarray, precision: np.ndarray, mode: str) -> float:
    if mode == '11points':
        return float(np.mean([max(precision[recall >= t], default=0) for t in np.arange(0, 1.01, 0.1)]))
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0) * envelope).sum())


@pytest.fixture(scope='module')
def case(tmp_path_factory):
    rng = np.random.default_rng(7)
    truth = random_truth(rng)
    path = tmp_path_factory.mktemp('exdark') / 'official_test.json'
    path.write_text(json.dumps(truth))
    samples = random_detections(truth, rng)
    return path, truth, samples, evaluate(path, samples, classwise=True)


def test_totals_equal_pycocotools(case):
    path, truth, samples, found = case
    expected = coco_reference(path, samples, [i['id'] for i in truth['images']])
    assert 0.05 < expected[0] < expected[1] < 0.95
    # float32 boxes go through JSON here and through float64 there
    assert found['exdark/official/bbox_mAP'] == pytest.approx(expected[0], abs=1e-9)
    assert found['exdark/official/bbox_mAP_50'] == pytest.approx(expected[1], abs=1e-9)


@pytest.mark.parametrize('group, names', [('lighting', EXDARK_LIGHTING), ('in_out', EXDARK_IN_OUT)])
def test_groups_equal_pycocotools_on_their_images(case, group, names):
    path, truth, samples, found = case
    for name in names:
        members = [i['id'] for i in truth['images'] if i[group] == name]
        figures = found[f'exdark/official/{group}/{name}_mAP'], found[f'exdark/official/{group}/{name}_mAP_50']
        if members:
            assert figures == pytest.approx(coco_reference(path, samples, members), abs=1e-9), name
        else:
            assert np.isnan(figures).all(), name


def test_intervals_by_group_are_of_resampled_images_of_the_group(case):
    path, truth, samples, plain = case
    found = evaluate(path, samples, resamples=60)
    for key, value in plain.items():  # nothing else changes
        assert 'voc_AP50/' in key or 'precision' in key or found[key] == pytest.approx(value, abs=0, nan_ok=True)
    members = [i['id'] for i in truth['images'] if i['lighting'] == 'Ambient']
    repeats = resampled_weights(len(members), resamples=60)
    values = []
    for weights in repeats:  # pycocotools on sets in which images really are repeated
        again = np.repeat(members, weights).tolist()
        copy, of_copy = dict(truth, images=[], annotations=[]), []
        for new, old in enumerate(again, 1):
            copy['images'].append(dict(id=new))
            copy['annotations'] += [a | dict(image_id=new, id=1000 * new + a['id'])
                                    for a in truth['annotations'] if a['image_id'] == old]
            of_copy += [dict(sample, img_id=new) for sample in samples if sample['img_id'] == old]
        repeated = path.with_name('repeated.json')
        repeated.write_text(json.dumps(copy))
        values.append(coco_reference(repeated, of_copy, list(range(1, len(again) + 1)))[0])
    ends = [found[f'exdark/official/lighting/Ambient_mAP_{end}'] for end in ('low', 'high')]
    assert ends == pytest.approx(np.quantile(values, (0.025, 0.975)), abs=1e-9)
    assert np.isnan(found['exdark/official/lighting/Twilight_mAP_low'])
    with pytest.raises(ValueError, match='resamples must be at least 0, got -1'):
        ExDarkMetric(str(path), resamples=-1)


@pytest.mark.parametrize('mode', ['area', '11points'])
def test_voc_figures(case, mode):
    _, truth, samples, found = case
    assert found[f'exdark/official/voc_mAP50_{mode}'] == pytest.approx(voc_reference(truth, samples, mode), abs=1e-5)


def test_voc_classes_average_to_the_total(case):
    found = case[3]
    by_class = [found[f'exdark/official/voc_AP50/{name}'] for name in EXDARK_CLASSES]
    assert np.mean(by_class) == pytest.approx(found['exdark/official/voc_mAP50_area'], abs=1e-6)


def test_one_table_names_the_split(case, tmp_path):
    path, _, samples, _ = case
    MMLogger.get_instance('exdark_table', log_file=str(tmp_path / 'log'))
    found = evaluate(path, samples)
    table = (tmp_path / 'log').read_text()
    assert 'ExDark, split official, test' in table
    row = next(line for line in table.splitlines() if 'lighting' in line and 'Low' in line)
    assert f"{found['exdark/official/lighting/Low_mAP_50']:.3f}" in row and '| 5 ' in row
    assert next(line for line in table.splitlines() if 'Twilight' in line).count('nan') == 2
    assert 'VOC 11points' in table


def test_a_table_in_plain_characters():
    assert drawn_table('of a set', ('group', 'AP'), [('all', '0.500'), ('[bold]', 'nan')]).splitlines() == [
        'of a set', '+--------+-------+', '| group  | AP    |', '+--------+-------+', '| all    | 0.500 |',
        '| [bold] | nan   |', '+--------+-------+']


def test_split_in_the_keys_and_a_prefix_of_choice(case, tmp_path):
    _, truth, samples, _ = case
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(truth | dict(info=dict(split='80/20', subset='test'))))
    metric = ExDarkMetric(str(path))
    assert metric.prefix == 'exdark/80-20'
    metric.dataset_meta = dict(classes=EXDARK_CLASSES, split='official', subset='test')
    metric.process({}, samples)
    with pytest.raises(ValueError, match="split must be that of the dataset, 'official', got an annotation file of"):
        metric.evaluate(len(samples))
    assert 'mine/bbox_mAP' in evaluate(case[0], samples, prefix='mine')


def test_no_detection_at_all_is_zero(case):
    path, _, samples, _ = case
    nothing = dict(bboxes=torch.zeros(0, 4), scores=torch.zeros(0), labels=torch.zeros(0, dtype=torch.long))
    found = evaluate(path, [sample | dict(pred_instances=nothing) for sample in samples])
    assert (found['exdark/official/bbox_mAP'], found['exdark/official/voc_mAP50_area']) == (0, 0)


def test_perfect_detections_are_one(case):
    path, truth, samples, _ = case
    perfect = []
    for sample in samples:
        mine = [a for a in truth['annotations'] if a['image_id'] == sample['img_id'] and not a['iscrowd']]
        boxes = torch.tensor([a['bbox'] for a in mine]).reshape(-1, 4)
        boxes = torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1)
        perfect.append(sample | dict(pred_instances=dict(
            bboxes=boxes, scores=torch.ones(len(mine)), labels=torch.tensor([a['category_id'] - 1 for a in mine]))))
    found = evaluate(path, perfect)
    for key in ('bbox_mAP_50', 'voc_mAP50_area', 'voc_mAP50_11points', 'lighting/Low_mAP', 'in_out/Outdoor_mAP_50'):
        assert found[f'exdark/official/{key}'] == pytest.approx(1, abs=1e-6), key
