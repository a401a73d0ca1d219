"""Masks on the enhanced image, on the input, side by side."""
import cv2
import numpy as np
import pytest
import torch

pytest.importorskip('mmseg')

from mmengine.structures import PixelData
from mmseg.models import SegTTAModel
from mmseg.structures import SegDataSample
from mmseg.visualization import SegLocalVisualizer
from small_segmentors import batch, build_chain, whole_config

from isalux_mm.chain.pictures import chain_of
from isalux_mm.seg.hooks import EnhancedSegVisualizationHook, draw_masks
from isalux_mm.visualization.panels import CAPTION_HEIGHT, GAP

GAMMA = dict(type='ISALuxNeck', fade=None, network=dict(type='GammaCurve', gamma=0.5))
META = dict(classes=['ground', 'thing'], palette=[[0, 0, 0], [255, 0, 0]])


@pytest.fixture
def sample() -> SegDataSample:
    """Dark grey in, bright grey out, the right half is a thing; half the original's size."""
    sample = SegDataSample(metainfo=dict(ori_shape=(60, 80), img_path='some/dark.png'))
    labels = torch.zeros(1, 60, 80, dtype=torch.long)
    labels[..., 40:] = 1
    sample.pred_sem_seg = PixelData(data=labels)
    sample.input_img = torch.full((3, 30, 40), 10, dtype=torch.uint8)
    sample.enhanced_img = torch.full((3, 30, 40), 200, dtype=torch.uint8)
    return sample


@pytest.mark.parametrize(('draw_on', 'level'), [('input', 10), ('enhanced', 200)])
def test_masks_are_drawn_in_the_original_frame(draw_on, level, sample):
    drawn = draw_masks(sample, draw_on, META, opacity=0.5, with_labels=False)
    assert drawn.shape == (60, 80, 3)
    assert (drawn[:, :40] == level // 2).all()
    assert (drawn[:, 40:] == [(level + 255) // 2, level // 2, level // 2]).all()


def test_side_by_side_shows_both(sample):
    drawn = draw_masks(sample, 'both', META, opacity=0.0, with_labels=False)
    assert drawn.shape == (60 + CAPTION_HEIGHT, 2 * 80 + GAP, 3)
    assert (drawn[CAPTION_HEIGHT:, :80] == 10).all() and (drawn[CAPTION_HEIGHT:, 80 + GAP:] == 200).all()


def test_a_flipped_picture_is_flipped_back(sample):
    sample.set_metainfo(dict(flip=True, flip_direction='horizontal'))
    sample.enhanced_img[:, :, :5] = 0
    assert (draw_masks(sample, 'enhanced', META, opacity=0.0, with_labels=False)[:, -8:] == 0).all()


def test_predictions_carry_what_went_in_and_came_out():
    chain = build_chain(whole_config('FCN').model, enhancer=GAMMA, keep_pictures=True).eval()
    data = batch(((37, 53), ))
    low = data['inputs'][0].flip(0)  # RGB
    with torch.no_grad():
        result = chain.test_step(data)[0]
    assert torch.equal(result.input_img, low)
    expected = (low / 255).clamp_min(1e-4).sqrt() * 255
    assert (result.enhanced_img - expected).abs().max() <= 0.51
    assert draw_masks(result, 'enhanced', dict(classes=['a'] * 19, palette=[[0] * 3] * 19)).shape == (74, 106, 3)


class Recorder:
    """What the hook needs of a runner."""

    def __init__(self, model, work_dir):
        self.model, self.work_dir, self.iter = model, work_dir, 7
        self.visualizer = SegLocalVisualizer(name='recorder')
        self.visualizer.dataset_meta = META


@pytest.mark.parametrize(('stage', 'folder'), [('val', 'iter_7'), ('test', 'test')])
def test_the_hook_writes_the_pictures_that_are_due(stage, folder, sample, tmp_path):
    chain = build_chain(whole_config('FCN').model)
    runner, hook = Recorder(SegTTAModel(module=chain), tmp_path), EnhancedSegVisualizationHook('both', interval=2)
    getattr(hook, f'before_{stage}_epoch')(runner)
    assert chain.keep_pictures
    for index in range(3):
        sample.set_metainfo(dict(img_path=f'some/dark_{index}.png'))
        getattr(hook, f'after_{stage}_iter')(runner, index, None, [sample])
    getattr(hook, f'after_{stage}_epoch')(runner)
    assert not chain.keep_pictures
    written = sorted((tmp_path / 'vis_seg' / folder).iterdir())
    assert [path.name for path in written] == ['dark_0.jpg', 'dark_2.jpg']
    assert cv2.imread(str(written[0])).shape == (60 + CAPTION_HEIGHT, 2 * 80 + GAP, 3)


def test_labels_are_written_where_they_are_wanted(sample):
    plain, named = (draw_masks(sample, 'enhanced', META, with_labels=labels) for labels in (False, True))
    assert not np.array_equal(plain, named)


def test_wrong_use(sample):
    with pytest.raises(ValueError, match='draw_on'):
        EnhancedSegVisualizationHook('reference')
    with pytest.raises(ValueError, match='interval must be at least 1, got 0'):
        EnhancedSegVisualizationHook(interval=0)
    with pytest.raises(ValueError, match=r'opacity must be in \[0, 1\], got 2'):
        EnhancedSegVisualizationHook(opacity=2)
    with pytest.raises(ValueError, match='needs an EnhancedDetector or EnhancedSegmentor, got Linear'):
        chain_of(torch.nn.Linear(1, 1))
