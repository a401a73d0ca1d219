"""A chain with the identity is the plain detector; losses, freezing, attributes and wrong use of the chain."""
import copy
import random

import pytest
import torch

pytest.importorskip('mmdet')

from mmdet.engine.hooks import YOLOXModeSwitchHook
from mmdet.registry import MODELS as MMDET_MODELS
from mmengine.logging import MessageHub
from mmengine.model import BaseModule, MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from small_detectors import DETECTORS, batch, build_chain, build_plain
from stand_ins import Halving

from isalux_mm import ISALux, list_models
from isalux_mm.registry import MODELS

TOLERANCE = dict(atol=1e-5, rtol=1e-5)
CURVES = dict(type='ISALuxNeck', fade=None, network=dict(type='CurveNetwork', channels=4, iterations=2))


class MeanLevel(BaseModule):
    """A global statistic: brings the mean of every image to one half. Remembers what it has seen."""
    seen: list = []

    def forward(self, image):
        self.seen.append(image)
        return image - image.mean(dim=(1, 2, 3), keepdim=True) + 0.5


@pytest.fixture(scope='module', autouse=True)
def _networks():
    for network in (MeanLevel, Halving):
        MODELS.register_module(module=network)


@pytest.fixture
def retina(detector_config):
    return detector_config('RetinaNet').model


def losses_of(model, data: dict) -> dict:
    """Logged losses of a training step's forward, every draw repeatable."""
    torch.manual_seed(1)
    random.seed(1)
    return model.parse_losses(model._run_forward(model.data_preprocessor(data, True), mode='loss'))[1]


def assert_same_prediction(got, expected) -> None:
    if 'pred_panoptic_seg' in expected:
        assert torch.equal(got.pred_panoptic_seg.sem_seg, expected.pred_panoptic_seg.sem_seg)
        return
    got, expected = got.pred_instances, expected.pred_instances
    assert len(got) == len(expected) > 0
    assert torch.equal(got.labels, expected.labels)
    torch.testing.assert_close(got.bboxes, expected.bboxes, **TOLERANCE)
    torch.testing.assert_close(got.scores, expected.scores, **TOLERANCE)
    if 'masks' in expected:
        assert torch.equal(got.masks, expected.masks)


@pytest.mark.parametrize('name', DETECTORS)
def test_the_identity_gives_the_plain_detector(name, detector_config):
    """Losses of two steps (the second at another size where the batch is resized) and predictions, odd sizes."""
    model, multiple = detector_config(name).model, DETECTORS[name][2]
    plain = build_plain(model)
    chain = build_chain(model, plain.state_dict())
    options = dict(multiple=multiple, masks=model.data_preprocessor.get('pad_mask', False))
    for iteration in (9, 10):  # after the tenth iteration YOLOX and RTMDet change the size
        MessageHub.get_current_instance().update_info('iter', iteration)
        expected, got = (losses_of(m.train(), batch(**options)) for m in (plain, chain))
        assert list(got) == list(expected)
        for key, value in expected.items():
            torch.testing.assert_close(got[key], value, **TOLERANCE)
    with torch.no_grad():
        expected, got = (m.eval().test_step(batch(**options)) for m in (plain, chain))
    for pair in zip(got, expected):
        assert_same_prediction(*pair)


@pytest.mark.parametrize('options', [
    dict(mean=[1, 2, 3], std=[10, 20, 30], bgr_to_rgb=True, pad_value=7, pad_size_divisor=32),
    dict(mean=[1, 2, 3], std=[10, 20, 30], rgb_to_bgr=True, pad_value=114),
    dict(pad_size_divisor=16, pad_mask=True, mask_pad_value=1, pad_seg=True, seg_pad_value=9),
    dict(mean=[0], std=[255], batch_augments=[dict(type='BatchFixedSizePad', size=(128, 160), img_pad_value=3)]),
    dict(batch_augments=[dict(type='BatchSyncRandomResize', random_size_range=(64, 160), interval=1)]),
])
@pytest.mark.parametrize('training', [True, False])
def test_the_detectors_preprocessor_is_honored_to_the_letter(options, training, retina):
    retina.data_preprocessor = dict(type='DetDataPreprocessor', **options)
    plain, chain = build_plain(retina), build_chain(retina)
    for _ in range(2):
        random.seed(0)
        expected = plain.data_preprocessor(batch(masks=True), training)
        random.seed(0)
        data = chain.data_preprocessor(batch(masks=True), training)
        enhanced = chain.enhance(data['inputs'], data['data_samples'])
        got = chain.second_half(data['inputs'], enhanced, data['data_samples'], training=data['training'])
        torch.testing.assert_close(got['inputs'], expected['inputs'], atol=0, rtol=0)
        for sample, wanted in zip(got['data_samples'], expected['data_samples']):
            for key, value in wanted.metainfo.items():
                assert sample.metainfo[key] == value, key
            assert torch.equal(sample.gt_instances.bboxes, wanted.gt_instances.bboxes)
            assert (sample.gt_instances.masks.masks == wanted.gt_instances.masks.masks).all()
            assert torch.equal(sample.gt_sem_seg.sem_seg, wanted.gt_sem_seg.sem_seg)


def test_a_batch_can_be_run_twice_though_augments_move_boxes(retina):
    augment = dict(type='BatchSyncRandomResize', random_size_range=(128, 160), interval=1)
    retina.data_preprocessor = dict(type='DetDataPreprocessor', batch_augments=[augment])
    chain = build_chain(retina)
    data = chain.data_preprocessor(batch(), True)
    before = copy.deepcopy(data['data_samples'][0].gt_instances.bboxes)
    for _ in range(2):
        chain(**data, mode='loss')
    assert torch.equal(data['data_samples'][0].gt_instances.bboxes, before)


@pytest.mark.parametrize(('order', 'options', 'red'), [
    (None, dict(bgr_to_rgb=True), 2), (None, dict(), 2), (None, dict(rgb_to_bgr=True), 0), ('rgb', dict(), 0)])
def test_the_enhancer_sees_rgb_between_0_and_1_without_padding(order, options, red, retina):
    retina.data_preprocessor = dict(type='DetDataPreprocessor', pad_size_divisor=32, **options)
    chain = build_chain(
        retina, enhancer=dict(type='ISALuxNeck', fade=None, network=dict(type='MeanLevel')), channel_order=order)
    MeanLevel.seen.clear()
    data = batch()
    loaded = [image.clone() for image in data['inputs']]
    with torch.no_grad():
        chain.eval().test_step(data)
    assert [tuple(x.shape) for x in MeanLevel.seen] == [(1, 3, 70, 93), (1, 3, 61, 80)]
    for seen, image in zip(MeanLevel.seen, loaded):
        torch.testing.assert_close(seen[0, 0], image[red] / 255)


def test_the_pipelines_own_padding_is_neither_seen_nor_changed(retina):
    """YOLO's pipelines pad to a square with 114: a global statistic must not see it, the detector must."""
    chain = build_chain(retina, enhancer=dict(type='ISALuxNeck', fade=None, network=dict(type='MeanLevel')))
    MeanLevel.seen.clear()
    data = chain.data_preprocessor(batch(96), False)
    enhanced = chain.enhance(data['inputs'], data['data_samples'])
    assert [tuple(x.shape[-2:]) for x in MeanLevel.seen] == [(70, 93), (61, 80)]
    retina.data_preprocessor = dict(type='DetDataPreprocessor')
    raw = build_chain(retina).second_half(data['inputs'], enhanced, data['data_samples'])['inputs']
    assert (raw[0, :, 70:] == 114).all() and (raw[1, :, :, 80:] == 114).all()
    assert raw[0, :, :70, :93].mean().item() == pytest.approx(255 / 2, abs=1e-3)


def test_features_and_raw_outputs_are_the_detectors(retina):
    plain = build_plain(retina).eval()
    chain = build_chain(retina, plain.state_dict()).eval()
    image = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
    ready = plain.data_preprocessor(dict(inputs=image))['inputs']
    given = chain.data_preprocessor(dict(inputs=image))['inputs']
    for got, expected in zip(chain.extract_feat(given), plain.extract_feat(ready)):
        torch.testing.assert_close(got, expected, **TOLERANCE)
    for got, expected in zip(chain(given)[0], plain(ready)[0]):
        torch.testing.assert_close(got, expected, **TOLERANCE)


def test_detection_trains_the_first_layer_of_the_enhancer(retina):
    chain = build_chain(retina, enhancer=CURVES)
    chain.enhancer.init_weights()
    first = chain.enhancer.network.down[0].weight
    before = first.detach().clone()
    chain.train_step(batch(), OptimWrapper(torch.optim.SGD(chain.parameters(), lr=1e-4)))
    assert not torch.equal(first, before)


def test_half_precision_gives_the_plain_detectors_losses(retina):
    plain = build_plain(retina)
    chain = build_chain(retina, plain.state_dict())
    with torch.autocast('cpu', torch.bfloat16):
        expected, got = (losses_of(m, batch(sizes=((64, 64), ))) for m in (plain, chain))
    for key, value in expected.items():
        torch.testing.assert_close(got[key], value, **TOLERANCE)


def test_distributed_training_reaches_the_enhancer(retina, tmp_path):
    """The enhancer runs inside forward, where the distributed wrapper's hooks are; one process suffices to see."""
    torch.distributed.init_process_group('gloo', f'file://{tmp_path}/rendezvous', rank=0, world_size=1)
    try:
        chain = build_chain(retina, enhancer=CURVES)
        before = copy.deepcopy(chain.state_dict())
        wrapped = MMDistributedDataParallel(chain)
        wrapped.train_step(batch(), OptimWrapper(torch.optim.SGD(chain.parameters(), lr=1e-4)))
    finally:
        torch.distributed.destroy_process_group()
    moved = {key.split('.')[0] for key, value in chain.state_dict().items() if not torch.equal(value, before[key])}
    assert moved == {'enhancer', 'detector'}


class TestLosses:

    def test_every_loss_has_its_name_weight_and_value(self, retina):
        chain = build_chain(
            retina, enhancement_loss=dict(loss_mse=dict(type='MSELoss', loss_weight=2.0)),
            zero_reference_losses=dict(exposure=dict(type='ExposureLoss', loss_weight=0.5)))
        data = batch(reference=True)
        del data['data_samples'][1].reference_img
        dark = data['inputs'][0].float() / 255
        exposure = MODELS.build(dict(type='ExposureLoss', loss_weight=0.5))
        alone = [exposure(image[None].float() / 255, image[None].float() / 255) for image in data['inputs']]
        losses = losses_of(chain, data)
        assert losses['loss_enh_mse'].item() == pytest.approx(2 * (dark - 200 / 255).square().mean().item(), rel=1e-5)
        assert losses['loss_zero_exposure'].item() == pytest.approx(sum(alone).item() / 2, rel=1e-5)
        parts = ('loss_cls', 'loss_bbox', 'loss_enh_mse', 'loss_zero_exposure')
        assert losses['loss'].item() == pytest.approx(sum(losses[k].item() for k in parts), rel=1e-5)

    def test_without_any_reference_the_loss_is_zero(self, retina):
        chain = build_chain(retina, enhancement_loss=dict(mse=dict(type='MSELoss')))
        assert losses_of(chain, batch())['loss_enh_mse'] == 0

    def test_a_reference_of_another_size_names_both(self, retina):
        chain = build_chain(retina, enhancement_loss=dict(mse=dict(type='MSELoss')))
        data = batch(reference=True)
        data['data_samples'][0].reference_img = torch.zeros(3, 64, 64)
        with pytest.raises(ValueError, match=r'\(3, 70, 93\).*got \(3, 64, 64\)'):
            losses_of(chain, data)

    def test_the_balance_of_the_experts_is_a_loss(self, retina):
        network = dict(type='ISALux', embed_dims=(8, 16), depths=(1, 1), num_heads=(1, 2),
                       semantic_prior=dict(type='NoPrior'))
        chain = build_chain(retina, enhancer=dict(type='ISALuxNeck', fade=None, network=network),
                            balance_loss=dict(type='BalanceLoss', kind='switch', loss_weight=0.01)).train()
        losses = losses_of(chain, batch())
        routings = chain.last_routings
        assert [len(r.probabilities) for r in routings] == [2] * 3  # both images, in every layer
        expected = torch.stack([chain.losses.balance(r) for r in routings]).mean()
        torch.testing.assert_close(losses['loss_balance'], expected)

    def test_a_frozen_enhancer_takes_no_losses(self, retina):
        with pytest.raises(ValueError, match='loss_zero_exposure'):
            build_chain(retina, enhancer=dict(CURVES, frozen=True),
                        zero_reference_losses=dict(exposure=dict(type='ExposureLoss')))


class TestFreezing:

    def test_a_frozen_enhancer_stays_as_it_is(self, retina):
        chain = build_chain(retina, enhancer=dict(CURVES, frozen=True)).train()
        before = copy.deepcopy(chain.enhancer.state_dict())
        chain.train_step(batch(), OptimWrapper(torch.optim.SGD(chain.parameters(), lr=0.1)))
        assert not any(m.training for m in chain.enhancer.modules())
        assert all(p.grad is None and not p.requires_grad for p in chain.enhancer.parameters())
        assert all(torch.equal(value, before[key]) for key, value in chain.enhancer.state_dict().items())
        data = chain.data_preprocessor(batch(), True)
        assert not chain.enhance(data['inputs'], data['data_samples']).requires_grad

    def test_a_frozen_detector_passes_gradients_but_does_not_move(self, retina):
        retina.backbone.norm_eval = False
        chain = build_chain(retina, enhancer=CURVES, freeze_detector=True).train()
        chain.enhancer.init_weights()
        before = copy.deepcopy(chain.state_dict())
        chain.train_step(batch(), OptimWrapper(torch.optim.SGD(chain.parameters(), lr=1e-4)))
        moved = {key.split('.')[0] for key, value in chain.state_dict().items() if not torch.equal(value, before[key])}
        assert moved == {'enhancer'}

    def test_batch_norms_of_the_detector_can_stay_fixed_while_its_weights_learn(self, detector_config):
        chain = build_chain(detector_config('YOLOX').model, detector_norm_eval=True).train()
        before = copy.deepcopy(chain.state_dict())
        chain.train_step(batch(), OptimWrapper(torch.optim.SGD(chain.parameters(), lr=1e-4)))
        moved = {key for key, value in chain.state_dict().items() if not torch.equal(value, before[key])}
        assert 'detector.backbone.stem.conv.conv.weight' in moved
        assert not [key for key in moved if 'running_' in key or 'num_batches' in key]


class TestAttributes:

    def test_what_the_chain_has_not_is_the_detectors(self, retina):
        chain = build_chain(retina)
        assert chain.bbox_head is chain.detector.bbox_head
        assert chain.with_neck and chain.with_bbox and not chain.with_mask

    def test_hooks_of_detectors_find_the_head(self, detector_config):
        chain = build_chain(detector_config('YOLOX').model)
        runner = type('Runner', (), dict(
            model=chain, epoch=0, max_epochs=1, train_dataloader=type('Loader', (), dict(
                dataset=type('Dataset', (), dict(update_skip_type_keys=lambda self, keys: None))())),
            logger=type('Logger', (), dict(info=lambda self, message: None))()))
        YOLOXModeSwitchHook(num_last_epochs=1).before_train_epoch(runner)
        assert chain.detector.bbox_head.use_l1

    def test_an_unknown_attribute_is_an_error(self, retina):
        with pytest.raises(AttributeError, match='no_such_thing'):
            build_chain(retina).no_such_thing  # noqa: B018

    @pytest.mark.parametrize('name', ['_params_init_info', 'notes_of_a_framework'])
    def test_what_is_not_named_is_not_looked_for_in_the_detector(self, retina, name):
        chain = build_chain(retina)
        setattr(chain.detector, name, {})
        assert not hasattr(chain, name)

    def test_copies_are_whole(self, retina):
        chain = copy.deepcopy(build_chain(retina))
        assert chain.bbox_head is chain.detector.bbox_head


@pytest.mark.parametrize('network', [list_models()[0], dict(type='ISALux', semantic_prior=dict(type='NoPrior'))])
def test_a_neck_builds_by_itself_in_a_config_of_mmdet(network):
    with DefaultScope.overwrite_default_scope('mmdet'):
        neck = MMDET_MODELS.build(dict(type='isalux_mm.ISALuxNeck', network=network))
    assert isinstance(neck.network, ISALux) and not neck.lacks_weights


class TestWrongUse:

    @pytest.mark.parametrize('preprocessor', [None, dict(type='MultiBranchDataPreprocessor', data_preprocessor=dict(
        type='DetDataPreprocessor')), dict(type='TrackDataPreprocessor')])
    def test_a_detector_without_an_image_preprocessor(self, preprocessor, retina):
        retina.data_preprocessor = preprocessor
        with pytest.raises(ValueError, match='must have a data_preprocessor for images.*RetinaNet'):
            build_chain(retina)

    def test_an_enhancer_that_changes_the_size(self, retina):
        chain = build_chain(retina, enhancer=dict(type='ISALuxNeck', fade=None, network=dict(type='Halving')))
        with pytest.raises(ValueError, match=r'keep the size: \(1, 3, 70, 93\) went in, \(1, 3, 35, 47\) came out'):
            losses_of(chain, batch())

    def test_a_gray_image(self, retina):
        with pytest.raises(ValueError, match=r'images \(3, H, W\), got \[\(1, 8, 8\)\]'):
            build_chain(retina).data_preprocessor(dict(inputs=[torch.zeros(1, 8, 8)]))

    def test_branches_of_semi_supervised_training(self, retina):
        with pytest.raises(TypeError, match='branches'):
            build_chain(retina).data_preprocessor(dict(inputs=dict(sup=[torch.zeros(3, 8, 8)])))

    def test_an_unknown_channel_order(self, retina):
        with pytest.raises(ValueError, match='channel_order'):
            build_chain(retina, channel_order='hsv')

    def test_an_unknown_mode(self, retina):
        with pytest.raises(RuntimeError, match='Invalid mode'):
            build_chain(retina)(torch.zeros(1, 3, 32, 32), None, 'guess')
