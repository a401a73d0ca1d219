"""`EnhancedSegmentor`: with the identity it is the plain segmentor; losses, checkpoints, frozen parts, mmseg's APIs."""
import copy

import numpy as np
import pytest
import torch
from mmengine.optim import OptimWrapper

pytest.importorskip('mmseg')

from mmseg.apis import inference_model, init_model
from mmseg.models import SegTTAModel
from small_segmentors import SEGMENTORS, batch, build_chain, build_plain, whole_config
from stand_ins import Halving

from isalux_mm.registry import MODELS

TOLERANCE = dict(rtol=1e-5, atol=1e-5)
CURVES = dict(type='ISALuxNeck', fade=None, network=dict(type='CurveNetwork', channels=4, iterations=2))
ODD = ((37, 53), )


@pytest.fixture
def fcn():
    return whole_config('FCN').model


def losses_of(model, data: dict) -> dict:
    torch.manual_seed(0)  # dropout
    return model(**model.data_preprocessor(copy.deepcopy(data), True), mode='loss')


def predictions_of(model, data: dict) -> list:
    model.eval()
    with torch.no_grad():
        return model.test_step(copy.deepcopy(data))


@pytest.mark.parametrize('name', SEGMENTORS)
def test_the_identity_gives_the_plain_segmentor(name):
    model = whole_config(name).model
    plain = build_plain(model)
    chain = build_chain(model, plain.state_dict())
    h, w = model.data_preprocessor.size
    data = batch(((h - 14, w), (h, w - 16)))  # padded to the preprocessor's size, maps with 255
    expected, got = (losses_of(m, data) for m in (plain, chain))
    assert expected.keys() == got.keys()
    for key, value in expected.items():
        torch.testing.assert_close(got[key], value, **TOLERANCE)
    for sizes in (((h - 27, w + 1), ), ((h, w), (h, w))):
        for a, b in zip(*(predictions_of(m, batch(sizes)) for m in (plain, chain))):
            torch.testing.assert_close(b.seg_logits.data, a.seg_logits.data, **TOLERANCE)
            assert torch.equal(b.pred_sem_seg.data, a.pred_sem_seg.data)
    data = batch(((h, w), ))
    with torch.no_grad():
        expected, got = (m(m.data_preprocessor(copy.deepcopy(data))['inputs']) for m in (plain, chain))
    torch.testing.assert_close(got, expected, **TOLERANCE)


@pytest.mark.parametrize('options', [
    dict(bgr_to_rgb=False), dict(bgr_to_rgb=False, rgb_to_bgr=True), dict(mean=None, std=None),
    dict(size=None, size_divisor=32, pad_val=7, seg_pad_val=19), dict(test_cfg=dict(size_divisor=32))
], ids=str)
@pytest.mark.parametrize('training', [False, True])
def test_the_segmentors_preprocessor_is_honored_to_the_letter(options, training, fcn):
    fcn.data_preprocessor.update(options)
    plain, chain = build_plain(fcn), build_chain(fcn)
    data = batch(((50, 96), (64, 80)) if training else ODD)
    expected = plain.data_preprocessor(copy.deepcopy(data), training)
    first = chain.data_preprocessor(copy.deepcopy(data), training)
    got = chain.second_half(first['inputs'], chain.enhance(first['inputs'], first['data_samples']),
                            first['data_samples'], training=training)
    torch.testing.assert_close(got['inputs'], expected['inputs'], rtol=0, atol=1e-5)
    for a, b in zip(expected['data_samples'], got['data_samples']):
        assert torch.equal(a.gt_sem_seg.data, b.gt_sem_seg.data)
        assert {k: v for k, v in b.metainfo.items() if k not in ('raw_shape', 'picture_shape')} == a.metainfo


def test_a_batch_of_two_sizes_gives_each_image_what_it_gets_alone(fcn):
    chain = build_chain(fcn, enhancer=dict(type='ISALuxNeck', fade=None, network=dict(
        type='ISALux', embed_dims=(8, 16), depths=(1, 1), num_heads=(1, 2), semantic_prior=dict(type='NoPrior'))))
    data = chain.data_preprocessor(batch(((50, 96), (64, 80))), True)
    together = chain.eval().enhance(data['inputs'], data['data_samples'])
    for image, sample, got in zip(data['inputs'], data['data_samples'], together):
        h, w = sample.metainfo['picture_shape']
        torch.testing.assert_close(got[:, :h, :w], chain.enhance(image[None, :, :h, :w])[0], **TOLERANCE)
        assert not got[:, h:].any() and not got[:, :, w:].any()


def test_losses_of_the_enhancer_and_gradients(fcn):
    chain = build_chain(fcn, enhancer=CURVES,
                        enhancement_loss=dict(loss_mse=dict(type='MSELoss', loss_weight=2.0)),
                        zero_reference_losses=dict(exposure=dict(type='ExposureLoss', loss_weight=0.5)))
    data = chain.data_preprocessor(batch(reference=True), True)
    losses = chain.loss(**{k: data[k] for k in ('inputs',)}, data_samples=data['data_samples'])
    assert {'decode.loss_ce', 'aux.loss_ce', 'loss_enh_mse', 'loss_zero_exposure'} <= losses.keys()
    enhanced = chain.enhance(data['inputs'], data['data_samples'])
    hand = 2 * ((enhanced - 200 / 255)**2).mean()
    torch.testing.assert_close(losses['loss_enh_mse'], hand)
    first = chain.enhancer.network.down[0].weight
    before = first.detach().clone()
    log = chain.train_step(batch(reference=True), OptimWrapper(torch.optim.SGD(chain.parameters(), lr=1e-2)))
    assert 'loss_enh_mse' in log and not torch.equal(first, before)


def test_frozen_parts(fcn):
    frozen = build_chain(fcn, enhancer=dict(CURVES, frozen=True)).train()
    assert not any(m.training for m in frozen.enhancer.modules())
    data = frozen.data_preprocessor(batch(), True)
    assert not frozen.enhance(data['inputs'], data['data_samples']).requires_grad
    chain = build_chain(fcn, enhancer=CURVES, freeze_segmentor=True).train()
    chain.enhancer.init_weights()
    before = copy.deepcopy(chain.state_dict())
    chain.train_step(batch(), OptimWrapper(torch.optim.SGD(chain.parameters(), lr=1e-2)))
    moved = {key.split('.')[0] for key, value in chain.state_dict().items() if not torch.equal(value, before[key])}
    assert moved == {'enhancer'}


def test_checkpoints_of_either_part_and_of_another_model(fcn):
    plain, chain = build_plain(fcn, seed=1), build_chain(fcn, enhancer=CURVES)
    chain.load_state_dict(plain.state_dict(), strict=False)
    assert all(torch.equal(v, chain.segmentor.state_dict()[k]) for k, v in plain.state_dict().items())
    other = build_chain(fcn, enhancer=CURVES)
    other.load_state_dict(chain.state_dict())
    with pytest.raises(ValueError, match='no tensor of the checkpoint matches'):
        chain.load_state_dict({'backbone.of_another.weight': torch.zeros(3)}, strict=False)


def test_half_precision_gives_the_plain_segmentors_losses(fcn):
    plain = build_plain(fcn)
    chain = build_chain(fcn, plain.state_dict())
    with torch.autocast('cpu', torch.bfloat16):
        expected, got = (losses_of(m, batch()) for m in (plain, chain))
    for key, value in expected.items():
        torch.testing.assert_close(got[key], value, **TOLERANCE)


def test_init_model_inference_model_and_tta(tmp_path):
    config = whole_config('FCN')
    config.model.data_preprocessor.pop('size')
    plain = build_plain(config.model)
    meta = dict(dataset_meta=dict(classes=['a'] * 19, palette=[[0] * 3] * 19))
    torch.save(dict(state_dict=plain.state_dict(), meta=meta), tmp_path / 'stock.pth')
    chained = copy.deepcopy(config)
    chained.model = dict(type='isalux_mm.EnhancedSegmentor', segmentor=config.model,
                         enhancer=dict(type='isalux_mm.ISALuxNeck', network=dict(type='Identity')))
    picture = np.random.default_rng(0).integers(0, 255, (61, 83, 3), np.uint8)
    results = []
    for cfg in (config, chained):
        cfg.test_pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(96, 64), keep_ratio=True),
                             dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
        model = init_model(cfg, str(tmp_path / 'stock.pth'), device='cpu')
        results.append((inference_model(model, picture), model))
    torch.testing.assert_close(results[1][0].seg_logits.data, results[0][0].seg_logits.data, **TOLERANCE)
    assert results[1][0].pred_sem_seg.shape == (61, 83)
    views = dict(inputs=[batch(ODD)['inputs'], [batch(ODD)['inputs'][0].flip(-1)]],
                 data_samples=[batch(ODD)['data_samples'], batch(ODD)['data_samples']])
    merged = []
    for _, model in results:
        with torch.no_grad():
            merged.append(SegTTAModel(module=model).test_step(copy.deepcopy(views))[0].pred_sem_seg.data)
    assert torch.equal(*merged)


@pytest.mark.parametrize('change, message', [
    (lambda m: m.pop('data_preprocessor'), 'segmentor must have a data_preprocessor for images'),
    (lambda m: m.__setitem__('data_preprocessor', dict(type='mmengine.BaseDataPreprocessor')),
     'got BaseDataPreprocessor'),
])
def test_segmentor_without_a_preprocessor_for_images(change, message, fcn):
    change(fcn)
    with pytest.raises(ValueError, match=message):
        build_chain(fcn)


def test_enhancer_that_changes_the_size(fcn):
    MODELS.register_module(module=Halving)
    chain = build_chain(fcn, enhancer=dict(type='ISALuxNeck', fade=None, network=dict(type='Halving')))
    with pytest.raises(ValueError, match='must keep the size'):
        predictions_of(chain, batch())


def test_losses_for_a_frozen_enhancer_are_refused(fcn):
    with pytest.raises(ValueError, match='a frozen enhancer cannot learn'):
        build_chain(fcn, enhancer=dict(CURVES, frozen=True), balance_loss=dict(type='BalanceLoss'))
