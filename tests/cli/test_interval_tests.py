"""`isalux test` of a detector with intervals: from a config to the table, by a detector that costs nothing."""
import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip('mmdet')

from isalux_mm import cli

DETECTOR = """
import torch
from mmdet.registry import MODELS
from mmdet.models.detectors import BaseDetector
from mmengine.structures import InstanceData


@MODELS.register_module(force=True)
class BrightSquare(BaseDetector):
    '''Finds one box: of the pixels brighter than half of the brightest, by an offset that it has learnt.'''

    def __init__(self, **others):
        super().__init__(data_preprocessor=dict(type='DetDataPreprocessor'))
        self.offset = torch.nn.Parameter(torch.zeros(1))

    def predict(self, inputs, data_samples, rescale=True):
        for image, sample in zip(inputs, data_samples):
            rows, columns = (image.mean(0) > image.mean(0).max() / 2).nonzero().T
            box = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float() + self.offset
            sample.pred_instances = InstanceData(bboxes=box[None], scores=image.max()[None] / 300,
                                                 labels=torch.zeros(1, dtype=torch.long))
        return data_samples

    def loss(self, *args): ...
    def _forward(self, *args): ...
    def extract_feat(self, *args): ...
"""
CONFIG = """
custom_imports = dict(imports=['isalux_mm.det', '{name}'])
default_scope = 'mmdet'
meta = dict(classes=('square', ))
model = dict(type='BrightSquare')
test_cfg = dict(type='TestLoop')
test_evaluator = dict(type='{metric}', ann_file='boxes.json', metric='bbox')
test_dataloader = dict(batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False), dataset=dict(
    type='CocoDataset', ann_file='boxes.json', data_prefix=dict(img='.'), metainfo=meta, test_mode=True, pipeline=[
        dict(type='LoadImageFromFile'), dict(type='isalux_mm.DarkenImage', gain=0.1, seed=3, keep_reference=False),
        dict(type='PackDetInputs', meta_keys=('img_id', 'ori_shape'))]))
work_dir = 'work'
"""


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Runs the command in a folder with a set of six pictures, configs and checkpoints; exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    rng, boxes = np.random.default_rng(0), []
    for k in range(6):
        x, y, side = (int(value) for value in (*rng.integers(2, 30, 2), rng.integers(12, 20)))
        picture = np.full((60, 60, 3), 30, np.uint8)
        picture[y:y + side, x:x + side] = 220
        Image.fromarray(picture).save(f'{k}.png')
        boxes.append(dict(id=k + 1, image_id=k, category_id=1, bbox=[x, y, side, side], area=side**2, iscrowd=0))
    (tmp_path / 'boxes.json').write_text(json.dumps(dict(
        info={}, images=[dict(id=k, file_name=f'{k}.png', width=60, height=60) for k in range(6)], annotations=boxes,
        categories=[dict(id=1, name='square')])))
    (tmp_path / 'bright_square.py').write_text(DETECTOR)
    (tmp_path / 'square.py').write_text(CONFIG.format(name='bright_square', metric='CocoMetric'))
    for name, offset in (('exact', 0.), ('near', 1.), ('off', 4.)):
        torch.save(dict(state_dict={'offset': torch.tensor([offset])}), f'{name}.pth')

    def run(*arguments):
        code = cli.main(['test', 'square.py', *arguments])
        return code, *capsys.readouterr()

    return run


def figures(path) -> dict[tuple[float, str], dict]:
    with open(path, newline='') as file:
        return {(float(row['gain']), row['figure']): row for row in csv.DictReader(file)}


def test_two_detectors_several_draws_and_runs(call, tmp_path):
    code, out, err = call('exact.pth', 'near.pth', '--gains', '1', '0.02', '--draws', '3', '--against', 'square.py',
                          'off.pth', '--resamples', '200', '--table', 'f.csv', '--json', 'f.json', '--keep', 'f.npz')
    assert code == 0, err
    assert 'square exact+near against square off:' in out and '200 resampled sets, seed 0' in out
    table = figures('f.csv')
    bright = table[1, 'AP']
    assert float(bright['draw_deviation']) == 0 and float(bright['checkpoint_deviation']) > 0
    assert (bright['draws'], bright['checkpoints'], bright['images']) == ('3', '2', '6')
    assert float(bright['value']) > 0.7 and float(bright['difference']) > 0.3
    assert 0 < float(bright['difference_low']) <= float(bright['difference']) <= float(bright['difference_high'])
    content = json.loads((tmp_path / 'f.json').read_text())
    assert len(content['tests']) == 2 * (1 + 3)  # bright, the noise is none, and one draw does
    exact = [test['metrics']['coco/bbox_mAP'] for test in content['tests'] if test['gain'] == 1]
    assert float(bright['value']) == pytest.approx(np.mean(exact), abs=1e-3)  # mmdet rounds
    assert content['figures'][0]['value'] == float(bright['value']) and content['against'] == 'square off'
    # the detections that were kept stand for the second detector; what is equal does not differ
    code, out, err = call('exact.pth', 'near.pth', '--gains', '0.02', '--draws', '3', '--against', 'f.npz', '--table',
                          'g.csv')
    assert code == 0, err
    again = figures('g.csv')[0.02, 'AP']
    assert {float(again[key]) for key in ('difference', 'difference_low', 'difference_high')} == {0.0}
    code, _, err = call('exact.pth', '--gains', '0.5', '--against', 'f.npz')
    assert code == 2 and 'both runs must have the same gains and draws' in err


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--draws', '0'], '--draws must be at least 1, got 0'),
    (['--resamples', '10'], '--resamples must be at least 100, got 10'),
    (['--keep', 'a.json'], '--keep must be a file *.npz, got a.json'),
    (['--against', 'square.py'], '--against must be CONFIG CHECKPOINT [CHECKPOINT ...], or the file *.npz'),
    (['--against', 'f.npz', 'exact.pth'], '--against must be CONFIG CHECKPOINT'),
    (['--against', 'square.py', 'none.pth'], 'got none.pth'),
    (['--against', 'f.npz'], 'f.npz'),
    (['--draws', '2', '--csv', 'a.csv'], '--out and --csv are of one test'),
    (['--table', 'square.py'], 'out must lead to other files than the inputs'),
    (['--csv', 'a.csv'], '--csv is for metrics of single images, got CocoMetric'),
])
def test_wrong_use(call, arguments, message):
    code, _, err = call('exact.pth', *arguments)
    assert code == 2 and message in err


def test_draws_need_a_pipeline_that_draws(call, tmp_path):
    config = (tmp_path / 'square.py').read_text()
    (tmp_path / 'square.py').write_text(config.replace(
        "dict(type='isalux_mm.DarkenImage', gain=0.1, seed=3, keep_reference=False),", ''))
    code, _, err = call('exact.pth', '--draws', '2')
    assert code == 2 and '--draws needs DarkenImage in test_dataloader' in err


def test_other_metrics_are_refused_before_the_test(call, tmp_path):
    config = (tmp_path / 'square.py').read_text()
    (tmp_path / 'square.py').write_text(config.replace("'CocoMetric', ann_file='boxes.json', metric='bbox'",
                                                       "'VOCMetric'"))
    code, _, err = call('exact.pth', '--table', 'f.csv')
    assert code == 2 and "need a metric of boxes in COCO's format" in err and 'got VOCMetric' in err
