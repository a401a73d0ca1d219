"""Any detector's config, tested in the dark: behind an enhancer or not, on its set or on another."""
import argparse
from pathlib import Path

import pytest

pytest.importorskip('mmdet')

from mmengine.config import Config

from tools.test_dark import behind, main, prepared, with_darkness

STEPS = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(64, 64)), dict(type='PackDetInputs')]


def config():
    return Config(dict(
        model=dict(type='RetinaNet'), test_evaluator=dict(type='CocoMetric', ann_file='old.json'),
        test_dataloader=dict(dataset=dict(type='CocoDataset', data_root='data', ann_file='old.json',
                                          data_prefix=dict(img='val/'), pipeline=STEPS))))


def options(**given):
    defaults = dict(annotations=None, images=None, enhancer=None, work_short_side=64, mode='full', noise_seed=3)
    return argparse.Namespace(**defaults | given)


def test_the_darkness_stands_behind_the_loading_once():
    once = with_darkness(STEPS, 3)
    assert [step['type'] for step in once] == ['LoadImageFromFile', 'isalux_mm.DarkenImage', 'Resize', 'PackDetInputs']
    assert with_darkness(once, 3) == once and once[1]['seed'] == 3


def test_a_pipeline_without_loading_is_an_error():
    with pytest.raises(ValueError, match='must have LoadImageFromFile'):
        with_darkness(STEPS[1:], 0)


def test_without_an_enhancer_the_model_is_the_configs():
    found = prepared(config(), options())
    assert found.model == dict(type='RetinaNet') and 'isalux_mm.det' in found.custom_imports.imports
    assert found.test_dataloader.dataset.ann_file == 'old.json'


@pytest.mark.parametrize('model', [dict(type='RetinaNet'),
                                   dict(type='isalux_mm.EnhancedDetector', detector=dict(type='RetinaNet'),
                                        enhancer=dict(type='ISALuxNeck', network='isalux_lol'))])
def test_with_one_it_stands_behind_it_frozen(model):
    found = behind(model, 'isalux_zero_shot', 96)
    assert found.detector == dict(type='RetinaNet')
    assert found.enhancer == dict(type='isalux_mm.ISALuxNeck', network='isalux_zero_shot', work_short_side=96,
                                  frozen=True, mode='fast')
    assert behind(model, 'isalux_zero_shot', None, 'full').enhancer.mode == 'full'


def test_a_set_of_ones_own(tmp_path):
    found = prepared(config(), options(annotations=tmp_path / 'own.json', images=tmp_path / 'own'))
    dataset = found.test_dataloader.dataset
    assert dataset.ann_file == found.test_evaluator.ann_file == str(tmp_path / 'own.json')
    assert dataset.data_prefix.img == f'{tmp_path}/own/' and dataset.data_root == ''


def test_half_a_set_is_an_error(tmp_path):
    with pytest.raises(ValueError, match='go together'):
        prepared(config(), options(images=tmp_path))


def test_it_hands_the_config_to_the_command(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr('isalux_mm.cli.main', lambda arguments: calls.append(arguments) or 0)
    config().dump(tmp_path / 'own.py')
    work, checkpoint = tmp_path / 'work', str(tmp_path / 'own.pth')
    Path(checkpoint).touch()
    assert main([str(tmp_path / 'own.py'), checkpoint, '--work-dir', str(work), '--enhancer', 'isalux_general',
                 '--gains', '1', '0.02', '--against', 'none.npz']) == 0
    target = work / 'own_isalux_general.py'
    assert calls == [['test', str(target), checkpoint, '--work-dir', str(work), '--gains', '1', '0.02', '--against',
                      'none.npz']]
    assert Config.fromfile(target, import_custom_modules=False).model.enhancer.network == 'isalux_general'
