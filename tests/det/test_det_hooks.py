"""Boxes on the enhanced image, on the input, side by side: by the hook and by the inferencer."""
import json

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip('mmdet')

from mmdet.structures import DetDataSample
from mmdet.utils import register_all_modules
from mmdet.visualization import DetLocalVisualizer
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from small_detectors import batch, build_chain

from isalux_mm.chain.pictures import chain_of
from isalux_mm.det import EnhancedDetInferencer
from isalux_mm.det.hooks import EnhancedDetVisualizationHook, draw_detections
from isalux_mm.visualization.panels import CAPTION_HEIGHT, GAP

GAMMA = dict(type='ISALuxNeck', fade=None, network=dict(type='GammaCurve', gamma=0.5))
META = dict(classes=['thing'] * 80, palette=[(255, 0, 0)] * 80)


@pytest.fixture
def sample() -> DetDataSample:
    """Dark grey in, bright grey out, one box; half the original's size."""
    sample = DetDataSample(metainfo=dict(ori_shape=(60, 80), img_path='some/dark.jpg'))
    sample.pred_instances = InstanceData(
        bboxes=torch.tensor([[20., 20., 60., 50.]]), scores=torch.tensor([0.9]), labels=torch.tensor([0]))
    sample.input_img = torch.full((3, 30, 40), 10, dtype=torch.uint8)
    sample.enhanced_img = torch.full((3, 30, 40), 200, dtype=torch.uint8)
    return sample


@pytest.mark.parametrize(('draw_on', 'level'), [('input', 10), ('enhanced', 200)])
def test_boxes_are_drawn_in_the_original_frame(draw_on, level, sample):
    drawn = draw_detections(sample, draw_on, META)
    assert drawn.shape == (60, 80, 3)
    assert (drawn[2, 2] == level).all() and (drawn[55:, 65:] == level).all()
    assert drawn[35, 20, 0] > drawn[35, 20, 1] + 50  # the box's left side is red


def test_side_by_side_shows_both(sample):
    drawn = draw_detections(sample, 'both', META)
    assert drawn.shape == (60 + CAPTION_HEIGHT, 2 * 80 + GAP, 3)
    assert (drawn[CAPTION_HEIGHT + 2, 2] == 10).all() and (drawn[CAPTION_HEIGHT + 2, 80 + GAP + 2] == 200).all()


def test_weak_detections_are_left_out(sample):
    assert (draw_detections(sample, 'enhanced', META, score_thr=0.95) == 200).all()


def test_a_flipped_picture_is_flipped_back(sample):
    sample.set_metainfo(dict(flip=True, flip_direction='horizontal'))
    sample.enhanced_img[:, :, :5] = 0
    assert (draw_detections(sample, 'enhanced', META, draw_pred=False)[:, -8:] == 0).all()


def test_predictions_carry_what_went_in_and_came_out(detector_config):
    chain = build_chain(detector_config('RetinaNet').model, enhancer=GAMMA, keep_pictures=True).eval()
    data = batch(96)
    loaded = data['inputs'][0].clone()
    with torch.no_grad():
        result = chain.test_step(data)[0]
    low = loaded[[2, 1, 0], :70, :93]  # RGB, without the pipeline's padding
    assert torch.equal(result.input_img, low)
    expected = (low / 255).clamp_min(1e-4).sqrt() * 255
    assert (result.enhanced_img - expected).abs().max() <= 0.51


class Recorder:
    """What the hook needs of a runner."""

    def __init__(self, model, work_dir):
        self.model, self.work_dir, self.iter = model, work_dir, 7
        self.visualizer = DetLocalVisualizer(name='recorder')
        self.visualizer.dataset_meta = META


@pytest.mark.parametrize(('stage', 'folder'), [('val', 'iter_7'), ('test', 'test')])
def test_the_hook_writes_the_pictures_that_are_due(stage, folder, sample, tmp_path, detector_config):
    chain = build_chain(detector_config('RetinaNet').model)
    runner, hook = Recorder(chain, tmp_path), EnhancedDetVisualizationHook('both', interval=2)
    getattr(hook, f'before_{stage}_epoch')(runner)
    assert chain.keep_pictures
    for index in range(3):
        sample.set_metainfo(dict(img_path=f'some/dark_{index}.jpg'))
        getattr(hook, f'after_{stage}_iter')(runner, index, None, [sample])
    getattr(hook, f'after_{stage}_epoch')(runner)
    assert not chain.keep_pictures
    written = sorted((tmp_path / 'vis_det' / folder).iterdir())
    assert [path.name for path in written] == ['dark_0.jpg', 'dark_2.jpg']
    assert cv2.imread(str(written[0])).shape == (60 + CAPTION_HEIGHT, 2 * 80 + GAP, 3)


def test_pictures_of_one_name_are_kept_apart(sample, tmp_path, detector_config):
    runner = Recorder(build_chain(detector_config('RetinaNet').model), tmp_path)
    hook = EnhancedDetVisualizationHook('both', interval=1)
    for _ in range(2):  # the second epoch at the same iteration, after a resume, replaces the first's
        hook.before_val_epoch(runner)
        for index, path in enumerate(('one/dark.jpg', 'two/dark.png', 'two/Dark.jpg')):
            sample.set_metainfo(dict(img_path=path))
            hook.after_val_iter(runner, index, None, [sample])
    assert sorted(path.name for path in (tmp_path / 'vis_det/iter_7').iterdir()) == [
        'Dark_3.jpg', 'dark.jpg', 'dark_2.jpg']


def test_wrong_use():
    with pytest.raises(ValueError, match='draw_on'):
        EnhancedDetVisualizationHook('reference')
    with pytest.raises(ValueError, match='interval must be at least 1, got 0'):
        EnhancedDetVisualizationHook(interval=0)
    with pytest.raises(ValueError, match='needs an EnhancedDetector or EnhancedSegmentor, got Linear'):
        chain_of(torch.nn.Linear(1, 1))


@pytest.mark.parametrize('draw_on', ['input', 'enhanced', 'both'])
def test_the_inferencer_draws_where_it_is_told(draw_on, tmp_path, detector_config):
    register_all_modules(init_default_scope=False)
    config = detector_config('RetinaNet')
    config.test_dataloader.dataset.pipeline[1].scale = (93, 71)
    config.model = ConfigDict(type='isalux_mm.EnhancedDetector', enhancer=GAMMA, detector=config.model)
    image = np.full((71, 93, 3), 16, np.uint8)
    cv2.imwrite(str(tmp_path / 'night.png'), image)
    with DefaultScope.overwrite_default_scope('mmdet'):
        inferencer = EnhancedDetInferencer(config, device='cpu', show_progress=False, draw_on=draw_on)
        result = inferencer(str(tmp_path / 'night.png'), return_vis=True, out_dir=str(tmp_path), draw_pred=False)
        array = inferencer([image], return_vis=True, draw_pred=False)
    drawn = result['visualization'][0]
    assert np.array_equal(drawn, array['visualization'][0])
    assert (tmp_path / 'vis' / 'night.png').is_file()
    with DefaultScope.overwrite_default_scope('mmdet'):
        inferencer(str(tmp_path / 'night.png'), out_dir=str(tmp_path), draw_pred=False, no_save_pred=False)
    assert sorted(path.name for path in (tmp_path / 'vis').iterdir()) == ['night.png', 'night_2.png']
    assert set(json.loads((tmp_path / 'preds/night.json').read_text())) >= {'labels', 'scores', 'bboxes'}
    levels = dict(input=[16], enhanced=[64], both=[16, 64])[draw_on]  # 255 * sqrt(16 / 255) = 63.9
    top = CAPTION_HEIGHT if draw_on == 'both' else 0
    assert [int(drawn[top + 5, 5 + place * (93 + GAP), 0]) for place in range(len(levels))] == levels
