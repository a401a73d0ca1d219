"""Panels: size, order of the pictures, caption; the visualizer that draws them of data samples."""
import cv2
import numpy as np
import pytest
import torch

from isalux_mm.structures import EnhanceDataSample
from isalux_mm.visualization.panels import CAPTION_HEIGHT, GAP, side_by_side, to_array
from isalux_mm.visualization.visualizer import EnhanceVisualizer


def flat(value: int, height: int = 20, width: int = 60) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_to_array_rounds_and_clamps():
    image = torch.tensor([-0.5, 0.5, 1.7]).view(3, 1, 1).expand(3, 2, 4)
    assert to_array(image).shape == (2, 4, 3)
    assert to_array(image)[0, 0].tolist() == [0, 128, 255]


def test_pictures_stand_in_order_unchanged():
    panel = side_by_side(dict(input=flat(10), output=flat(120), reference=flat(200)))
    assert panel.shape == (20 + CAPTION_HEIGHT, 3 * 60 + 2 * GAP, 3) and panel.dtype == np.uint8
    for index, value in enumerate((10, 120, 200)):
        left = index * (60 + GAP)
        assert (panel[CAPTION_HEIGHT:, left:left + 60] == value).all()


def test_every_picture_has_its_caption():
    captions = side_by_side(dict(input=flat(0), output=flat(0)))[:CAPTION_HEIGHT]
    assert (captions[:, :60] < 128).any() and (captions[:, 60 + GAP:] < 128).any()
    assert not np.array_equal(captions[:, :60], captions[:, 60 + GAP:])


def test_max_side_shrinks_and_never_enlarges():
    assert side_by_side(dict(a=flat(0, 40, 80)), max_side=20).shape == (10 + CAPTION_HEIGHT, 20, 3)
    assert side_by_side(dict(a=flat(0, 40, 80)), max_side=200).shape == (40 + CAPTION_HEIGHT, 80, 3)


def test_pictures_of_unequal_height_are_scaled_to_the_first():
    assert side_by_side(dict(a=flat(0, 10, 10), b=flat(0, 20, 40))).shape == (10 + CAPTION_HEIGHT, 10 + GAP + 20, 3)


def test_no_picture():
    with pytest.raises(ValueError, match='pictures must hold at least one picture'):
        side_by_side({})


@pytest.mark.parametrize(('options', 'count'), [({}, 3), (dict(draw_gt=False), 2),
                                                (dict(draw_gt=False, draw_pred=False), 1)])
def test_visualizer_draws_what_the_sample_has(tmp_path, options, count):
    visualizer = EnhanceVisualizer(
        tmp_path.name, vis_backends=[dict(type='LocalVisBackend')], save_dir=str(tmp_path), max_side=None)
    sample = EnhanceDataSample()
    for field, value in (('low_img', 0.1), ('pred_img', 0.6), ('gt_img', 0.9)):
        sample.set_field(torch.full((3, 20, 60), value), field)
    visualizer.add_datasample('name', None, sample, step=7, **options)
    panel = cv2.imread(str(tmp_path / 'vis_data/vis_image/name_7.png'))
    assert panel.shape == (20 + CAPTION_HEIGHT, count * 60 + (count - 1) * GAP, 3)
    assert panel[-1, 0, 0] == 26  # round(0.1 * 255)
