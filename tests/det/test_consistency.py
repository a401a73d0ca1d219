"""Learning without labels: the detector's features of the enhanced picture against those of the bright one."""
import copy

import numpy as np
import pytest
import torch

pytest.importorskip('mmdet')

from small_detectors import batch, build_chain

from isalux_mm.chain.losses import FeatureConsistencyLoss
from isalux_mm.registry import TRANSFORMS

LOSS = dict(type='FeatureConsistencyLoss', loss_weight=2.0)
CURVES = dict(type='ISALuxNeck', fade=None, network=dict(type='CurveNetwork', channels=4, iterations=2))


@pytest.fixture
def retina(detector_config):
    return detector_config('RetinaNet').model


def losses_of(chain, data):
    prepared = chain.data_preprocessor(copy.deepcopy(data), True)
    return chain(**prepared, mode='loss')


def test_the_loss_is_relative_and_a_mean_over_levels():
    """Level one: |3 - 2| / 2; level two: |0 - 4| / 4."""
    full = [torch.full((1, 2, 4, 4), value) for value in (3., 0.)]
    bright = [torch.full((1, 2, 4, 4), value) for value in (2., 4.)]
    assert FeatureConsistencyLoss(2.0)(full, bright).item() == pytest.approx(2 * (0.5 + 1) / 2)


def test_the_same_picture_has_the_same_features(retina):
    data = batch()
    for image, sample in zip(data['inputs'], data['data_samples']):
        sample.reference_img = image.flip(0)  # inputs are BGR, references RGB
    chain = build_chain(retina, consistency_loss=LOSS)
    assert losses_of(chain, data)['loss_consistency'].item() == pytest.approx(0, abs=1e-5)


def test_it_is_the_distance_of_the_detectors_features(retina):
    data = batch(sizes=((64, 96), ), reference=True)
    chain = build_chain(retina, consistency_loss=LOSS).eval()
    bright = copy.deepcopy(data)
    bright['inputs'] = [data['data_samples'][0].reference_img]
    levels = []
    for picture in (data, bright):
        raw = chain.detector.data_preprocessor(copy.deepcopy(picture), False)['inputs']
        levels.append(chain.detector.extract_feat(raw))
    expected = 2 * np.mean([float((a - b).abs().mean() / b.abs().mean()) for a, b in zip(*levels)])
    assert losses_of(chain, data)['loss_consistency'].item() == pytest.approx(expected, rel=1e-4)


def test_an_unlabeled_picture_teaches_by_its_features_alone(retina):
    data = batch(reference=True)
    chain = build_chain(retina, enhancer=CURVES, consistency_loss=LOSS, freeze_detector=True)
    for sample in data['data_samples']:
        sample.set_metainfo(dict(labeled=False))
    losses = losses_of(chain, data)
    assert losses.keys() == {'loss_consistency'}
    losses['loss_consistency'].backward()
    assert chain.enhancer.network.down[0].weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in chain.detector.parameters())


def test_the_detectors_losses_are_those_of_the_labeled_pictures(retina):
    data = batch(sizes=((64, 96), (64, 96)), reference=True)
    chain = build_chain(retina, consistency_loss=LOSS)
    alone = dict(inputs=data['inputs'][1:], data_samples=data['data_samples'][1:])
    expected = losses_of(chain, alone)
    data['data_samples'][0].set_metainfo(dict(labeled=False))
    found = losses_of(chain, data)
    for name in ('loss_cls', 'loss_bbox'):
        torch.testing.assert_close(found[name], expected[name])


def test_without_any_reference_the_loss_is_zero(retina):
    assert losses_of(build_chain(retina, consistency_loss=LOSS), batch())['loss_consistency'] == 0


def test_a_frozen_enhancer_cannot_learn_from_it(retina):
    with pytest.raises(ValueError, match='frozen enhancer cannot learn.*loss_consistency'):
        build_chain(retina, enhancer=dict(CURVES, frozen=True), consistency_loss=LOSS)


class TestUnlabeledPictures:
    """Pictures and pairs of ours as mmdet's pipelines have them."""

    @pytest.fixture
    def pair(self):
        rng = np.random.default_rng(0)
        return dict(gt=rng.random((7, 9, 3), np.float32), low=rng.random((7, 9, 3), np.float32) / 9,
                    low_path='low.png', gt_path='gt.png')

    def test_a_pair(self, pair):
        transform = TRANSFORMS.build(dict(type='UnlabeledDetInputs'))
        found = transform(dict(pair))
        assert np.array_equal(found['img'], np.round(pair['low'][..., ::-1] * 255).astype(np.uint8))
        assert np.array_equal(found['reference_img'], np.round(pair['gt'][..., ::-1] * 255).astype(np.uint8))
        assert found['labeled'] is False and found['img_path'] == 'low.png'

    def test_a_photograph_is_made_dark_and_packed(self, pair):
        del pair['low'], pair['low_path']
        steps = [dict(type='UnlabeledDetInputs'), dict(type='DarkenImage', gain=0.1, seed=0),
                 dict(type='PackDarkDetInputs')]
        found = pair
        for step in steps:
            found = TRANSFORMS.build(step)(found)
        sample = found['data_samples']
        assert sample.labeled is False and found['inputs'].shape == sample.reference_img.shape == (3, 7, 9)
        assert found['inputs'].float().mean() < sample.reference_img.float().mean() / 2

    def test_without_a_picture_it_says_what_it_got(self):
        with pytest.raises(KeyError, match='needs gt'):
            TRANSFORMS.build(dict(type='UnlabeledDetInputs'))(dict(img=None))
