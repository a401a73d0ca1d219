"""What an enhancer costs a detector: names of the chains, CPU time by round, and a run on a small detector."""
import argparse
import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('mmdet')

import torch
from loading import load_tool
from mmengine.config import Config

import isalux_mm.det  # noqa: F401  mmdet without mmcv's own operators
from isalux_mm.io.images import write_image
from isalux_mm.io.whole_file import write_json

tool = load_tool('benchmark_chain')


def busy(seconds):
    """A step that takes so much CPU time."""
    def step(batch):
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass
        batch['inputs'].append(None)  # a step may change its batch
    return step


def test_a_variant_is_a_network_a_side_and_a_mode():
    assert tool.variant('isalux_detect_small:32:fast') == ('isalux_detect_small', 32, 'fast')
    for wrong in ('isalux_detect', 'isalux_detect:64', 'isalux_detect:small:fast', 'a:1:fast:b'):
        with pytest.raises(argparse.ArgumentTypeError, match='NETWORK:SHORT_SIDE:MODE'):
            tool.variant(wrong)


def test_rounds_give_cpu_seconds_a_picture_and_leave_the_batches_alone():
    batches = [dict(inputs=[1, 2]), dict(inputs=[3, 4])]  # four pictures
    own = [dict(inputs=[1, 2])]
    found = tool.rounds({'alone': (busy(0.02), batches), 'chain': (busy(0.06), own)}, 3)
    assert len(found) == 3 and batches == [dict(inputs=[1, 2]), dict(inputs=[3, 4])]
    for one in found:  # 2 * 0.02 seconds of 6 after the step has added two; 0.06 of 3
        assert one['alone'] == pytest.approx(0.04 / 6, rel=0.3)
        assert one['chain'] == pytest.approx(0.06 / 3, rel=0.3)


def test_the_enhancer_of_a_chain_gets_what_its_preprocessor_gave():
    chain = SimpleNamespace(enhance=lambda inputs, samples: (inputs, samples))
    assert tool.enhanced(chain, dict(inputs=1, data_samples=2, training=False)) == (1, 2)


def test_a_small_detector(tmp_path, capsys):
    """One class on two pictures, a head without anything ahead of it; the whole tool."""
    random = np.random.default_rng(0)
    images = [dict(id=k, file_name=f'{k}.png', height=40, width=48) for k in range(2)]
    for image in images:
        write_image(tmp_path / image['file_name'], random.random((40, 48, 3), np.float32))
    write_json(tmp_path / 'own.json', dict(images=images, categories=[dict(id=1, name='person')], annotations=[
        dict(id=k, image_id=k, category_id=1, bbox=[2, 2, 20, 20], area=400, iscrowd=0) for k in range(2)]))
    config = Config(dict(
        model=dict(
            type='FCOS', data_preprocessor=dict(type='DetDataPreprocessor', pad_size_divisor=32),
            backbone=dict(type='ResNet', depth=18, base_channels=8, num_stages=1, strides=(1, ), dilations=(1, ),
                          out_indices=(0, )),
            neck=dict(type='FPN', in_channels=[8], out_channels=8, num_outs=5),
            bbox_head=dict(type='FCOSHead', num_classes=1, in_channels=8, feat_channels=8, stacked_convs=1,
                           norm_cfg=dict(type='GN', num_groups=2)),
            test_cfg=dict(nms_pre=10, score_thr=0.1, nms=dict(type='nms', iou_threshold=0.5), max_per_img=5)),
        test_dataloader=dict(dataset=dict(
            type='CocoDataset', data_root=f'{tmp_path}/', ann_file='own.json', data_prefix=dict(img=''),
            test_mode=True, metainfo=dict(classes=('person', )),
            pipeline=[dict(type='LoadImageFromFile'), dict(type='Resize', scale=(64, 64), keep_ratio=True),
                      dict(type='LoadAnnotations', with_bbox=True),
                      dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape',
                                                            'scale_factor'))]))))
    config.dump(tmp_path / 'own.py')
    tool.init_default_scope('mmdet')
    torch.save(tool.MODELS.build({'_scope_': 'mmdet', **config.model}).state_dict(), tmp_path / 'own.pth')
    assert tool.main([str(tmp_path / 'own.py'), str(tmp_path / 'own.pth'), '--variants', 'isalux_detect_small:32:fast',
                      '--pictures', '2', '--batch-size', '2', '--rounds', '1', '--gain', '0.05']) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert any(line.startswith('detector alone: ') for line in lines)
    cells = [cell.strip() for cell in lines[-1].split('|')[1:-1]]
    assert cells[0] == 'isalux_detect_small, 32, fast' and len(cells) == 5
    assert float(cells[1]) > 0 and cells[2].endswith('%') and cells[4].endswith('%')
