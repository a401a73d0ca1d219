"""The sheet of detections in dark pictures: labels, matches, drawing; the whole with a detector of mmdet's."""
import numpy as np
import pytest
import torch
from loading import load_tool
from mmengine.config import Config
from PIL import Image

pytest.importorskip('mmdet')

import isalux_mm.det  # noqa: F401  isort: skip  puts the operators in place before mmdet's models

from mmdet.registry import MODELS

from isalux_mm.io.images import write_image

CONFIG = """
_base_ = 'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py'
model = dict(backbone=dict(init_cfg=None, norm_cfg=dict(type='BN')), neck=dict(norm_cfg=dict(type='BN')),
             bbox_head=dict(norm_cfg=dict(type='BN')))
"""

tool = load_tool('draw_detections')
Box = tool.Box


def test_labels(tmp_path):
    (tmp_path / 'a.txt').write_text('3 0.5 0.4 0.2 0.4\n\n10 0.25 0.25 0.5 0.5')
    first, second = tool.read_labels(tmp_path / 'a.txt')
    assert (first.name, second.name) == ('bus', 'person')
    assert first.corners == pytest.approx((0.4, 0.2, 0.6, 0.6)) and second.corners == (0, 0, 0.5, 0.5)


@pytest.mark.parametrize('text', ['12 0.5 0.5 0.1 0.1', '1 0.5 0.5 0.1', 'bus 0.5 0.5 0.1 0.1'])
def test_wrong_labels_are_named(tmp_path, text):
    (tmp_path / 'a.txt').write_text(text)
    with pytest.raises(ValueError, match=r'a\.txt: a line must be a class from 0 to 11 and four numbers, got'):
        tool.read_labels(tmp_path / 'a.txt')


def test_each_box_is_found_once_by_the_surest():
    wanted = [Box((0, 0, 0.5, 0.5), 'car'), Box((0.5, 0.5, 1, 1), 'dog')]
    detections = [Box((0, 0, 0.5, 0.45), 'car', 0.6), Box((0, 0, 0.45, 0.5), 'car', 0.9),
                  Box((0.5, 0.5, 1, 1), 'cat', 0.8), Box((0.5, 0.5, 1, 0.7), 'dog', 0.7)]
    assert tool.found(wanted, detections) == [False, True, False, False]
    assert tool.overlap(wanted[0], Box((0.25, 0, 0.75, 0.5), 'car')) == pytest.approx(1 / 3)


def test_boxes_are_where_they_are_said_to_be():
    sheet = tool.drawn(np.zeros((60, 100, 3), np.uint8), [Box((0.5, 0.5, 0.9, 0.9), 'car', 0.5)], ['red'], 200)
    assert sheet.shape == (120, 200, 3)
    assert (sheet[60:108, 100] == (255, 0, 0)).all() and (sheet[108, 102:180] == (255, 0, 0)).all()
    assert not sheet[:58].any() and not sheet[:, :98].any()


def test_the_command(tmp_path, monkeypatch, capsys):
    """RTMDet-tiny, untrained, by itself and behind a curve, which is what brightens the second row."""
    config, checkpoint = tmp_path / 'small.py', tmp_path / 'small.pth'
    config.write_text(CONFIG)
    model = MODELS.build(Config.fromfile(config).model)
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=('person', ) * 80))),
               checkpoint)
    write_image(tmp_path / 'images/a.png', np.full((64, 96, 3), 0.04, np.float32))
    (tmp_path / 'labels').mkdir()
    (tmp_path / 'labels/a.txt').write_text('10 0.5 0.5 0.5 0.5')
    out = tmp_path / 'sheet.png'
    options = [str(config), str(checkpoint), '--enhancers', '0.45', '--images', str(tmp_path / 'images'), '--labels',
               str(tmp_path / 'labels'), '--out', str(out), '--width', '96', '--score', '0.99']
    assert tool.main(options) == 0
    printed = capsys.readouterr().out
    assert '| none | 0 |' in printed and '| 0.45 | 0 |' in printed and 'found of 1 boxes' in printed
    sheet = np.asarray(Image.open(out))
    assert sheet.shape == (3 * 68 + 18, 84 + 100, 3)
    bright = [sheet[top + 60, 84 + 3, 0] for top in (0, 68, 136)]
    assert bright[0] == bright[1] == 10 and bright[2] == pytest.approx(255 * 0.04**0.45, abs=2)
    with pytest.raises(SystemExit):
        tool.main(options)


@pytest.mark.parametrize('enhancer, mode, expected', [
    ('isalux_detect_small', 'fast', 'fast'), ('isalux_detect_small', 'full', 'full'), ('0.45', 'fast', 'full')])
def test_a_mode_is_of_packaged_models(enhancer, mode, expected, monkeypatch, tmp_path):
    """A power law has none."""
    asked = []

    def init_detector(config, *args, **kwargs):
        asked.append(config.model.enhancer.mode)
        raise InterruptedError

    monkeypatch.setattr('mmdet.apis.init_detector', init_detector)
    (tmp_path / 'plain.py').write_text("model = dict(type='mmdet.RTMDet')")
    with pytest.raises(InterruptedError):
        tool.Variant(tmp_path / 'plain.py', tmp_path / 'none.pth', enhancer, short_side=64, mode=mode, fade=True,
                     least_score=0.3)
    assert asked == [expected]
