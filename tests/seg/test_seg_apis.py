"""mmseg's own ways in: MMSegInferencer, get_flops; checkpoints, attributes and wrong use of the chain."""
import copy

import numpy as np
import pytest
import torch
from mmengine.analysis import get_model_complexity_info
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.runner import load_checkpoint, save_checkpoint

pytest.importorskip('mmseg')

from mmseg.apis import MMSegInferencer
from small_segmentors import SIZE, batch, build_chain, build_plain, whole_config

from isalux_mm.models.enhancer import LowLightEnhancer
from isalux_mm.seg.enhanced_segmentor import checked_preprocessor

CURVES = dict(type='CurveNetwork', channels=4, iterations=2)
NECK = dict(type='ISALuxNeck', fade=None, network=CURVES)
TOLERANCE = dict(rtol=1e-5, atol=1e-5)


@pytest.fixture
def config():
    """FCN with a pipeline for small images."""
    config = whole_config('FCN')
    config.test_dataloader.dataset.pipeline[1].scale = SIZE[::-1]
    return config


@pytest.fixture
def stock(config, tmp_path) -> str:
    """A checkpoint of the plain segmentor as mmengine writes it."""
    meta = dict(dataset_meta=dict(classes=['a'] * 19, palette=[[0] * 3] * 19))
    path = str(tmp_path / 'stock.pth')
    save_checkpoint(dict(state_dict=build_plain(config.model, seed=3).state_dict(), meta=meta), path)
    return path


def saved(state: dict, tmp_path) -> str:
    save_checkpoint(dict(state_dict=state), str(tmp_path / 'saved.pth'))
    return str(tmp_path / 'saved.pth')


@pytest.mark.parametrize('batch_size', [1, 2])
def test_the_inferencer(batch_size, config, stock):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 90, (61, 93, 3), np.uint8) for _ in range(2)]
    chained = copy.deepcopy(config)
    chained.model = ConfigDict(type='isalux_mm.EnhancedSegmentor', segmentor=config.model,
                               enhancer=dict(type='ISALuxNeck', network=dict(type='Identity')))
    results = []
    with DefaultScope.overwrite_default_scope('mmseg'):
        for given in (config, chained):
            inferencer = MMSegInferencer(given, stock, device='cpu')
            results.append(inferencer(pictures, batch_size=batch_size, return_vis=True))
    for expected, got in zip(*(r['predictions'] for r in results)):
        assert got.shape == (61, 93) and np.array_equal(got, expected)
    assert [v.shape for v in results[1]['visualization']] == [(61, 93, 3)] * 2


def test_get_flops_counts_both_parts(config):
    """As mmseg's tools/analysis_tools/get_flops.py counts."""
    counts = []
    for model in (build_plain(config.model), build_chain(config.model, enhancer=NECK)):
        data = model.eval().data_preprocessor(batch((SIZE, )))
        counts.append(get_model_complexity_info(model, None, inputs=data['inputs'], show_table=False, show_arch=False))
    layers = ((3, 4), (4, 4), (4, 4), (4, 4), (8, 4), (8, 4), (8, 6))  # channels in and out of CurveNetwork's
    network = sum(k * n for k, n in layers) * 9 * SIZE[0] * SIZE[1]
    assert counts[1]['flops'] - counts[0]['flops'] == pytest.approx(network, rel=0.05)
    assert counts[1]['params'] > counts[0]['params']


@pytest.mark.parametrize('test_cfg', [None, dict(size_divisor=32)])
def test_prediction_without_data_samples(test_cfg, config):
    config.model.data_preprocessor.test_cfg = test_cfg
    chain = build_chain(config.model).eval()
    data = chain.data_preprocessor(dict(inputs=batch(((37, 53), ))['inputs']))
    with torch.no_grad():
        result, = chain(data['inputs'], mode='predict')
    assert result.pred_sem_seg.shape == (37, 53)


class TestCheckpoints:

    def test_of_the_segmentor(self, config, stock, monkeypatch):
        lines = []
        monkeypatch.setattr('isalux_mm.chain.checkpoints.print_log', lambda line, logger=None: lines.append(line))
        chain = build_chain(config.model, enhancer=NECK)
        untouched = copy.deepcopy(chain.enhancer.state_dict())
        load_checkpoint(chain, stock)
        expected = build_plain(config.model, seed=3).state_dict()
        assert all(torch.equal(value, expected[key]) for key, value in chain.segmentor.state_dict().items())
        assert all(torch.equal(value, untouched[key]) for key, value in chain.enhancer.state_dict().items())
        assert f'{len(expected)} of {len(expected)} tensors of the segmentor and 0 of 14 tensors of' in lines[0]

    def test_of_the_segmentor_through_init_cfg(self, config, stock):
        chain = build_chain(config.model, enhancer=NECK, init_cfg=dict(type='Pretrained', checkpoint=stock))
        chain.init_weights()
        expected = build_plain(config.model, seed=3).state_dict()
        assert all(torch.equal(value, expected[key]) for key, value in chain.segmentor.state_dict().items())

    @pytest.mark.parametrize('prefix', ['network.', ''])
    def test_of_an_enhancer(self, prefix, config, tmp_path):
        enhancer = LowLightEnhancer(CURVES, balance_loss=None)
        state = {key.replace('network.', prefix, 1): value for key, value in enhancer.state_dict().items()}
        chain = build_chain(config.model, enhancer=NECK)
        load_checkpoint(chain, saved(state, tmp_path))
        assert torch.equal(chain.enhancer.network.middle.weight, enhancer.network.middle.weight)

    def test_of_the_whole(self, config, tmp_path):
        whole, chain = (build_chain(config.model, enhancer=NECK) for _ in range(2))
        load_checkpoint(chain, saved(whole.state_dict(), tmp_path), strict=True)
        expected = whole.state_dict()
        assert all(torch.equal(value, expected[key]) for key, value in chain.state_dict().items())

    def test_of_another_segmentor(self, config, tmp_path):
        other = build_plain(whole_config('SegFormer').model)
        with pytest.raises(ValueError, match='no tensor of the checkpoint matches'):
            load_checkpoint(build_chain(config.model), saved(other.state_dict(), tmp_path))


class TestAttributes:

    def test_what_the_chain_has_not_is_the_segmentors(self, config):
        chain = build_chain(config.model)
        assert chain.decode_head is chain.segmentor.decode_head and chain.out_channels == 19
        assert chain.with_decode_head and chain.with_auxiliary_head and not chain.with_neck
        assert copy.deepcopy(chain).backbone is not chain.backbone
        with pytest.raises(AttributeError, match='no_such_thing'):
            chain.no_such_thing  # noqa: B018

    def test_features_and_logits_are_the_segmentors(self, config):
        plain = build_plain(config.model).eval()
        chain = build_chain(config.model, plain.state_dict()).eval()
        ready, given = (m.data_preprocessor(batch((SIZE, )))['inputs'] for m in (plain, chain))
        metas = [dict(img_shape=SIZE, ori_shape=SIZE)]
        with torch.no_grad():
            for got, expected in zip(chain.extract_feat(given), plain.extract_feat(ready)):
                torch.testing.assert_close(got, expected, **TOLERANCE)
            torch.testing.assert_close(chain.encode_decode(given, metas), plain.encode_decode(ready, metas),
                                       **TOLERANCE)


class TestWrongUse:

    def test_a_segmentor_that_takes_text(self, config):
        plain = build_plain(config.model)
        plain.text_encoder = torch.nn.Identity()
        with pytest.raises(ValueError, match='must take images alone, got EncoderDecoder, which takes text too'):
            checked_preprocessor(plain)

    def test_a_gray_image(self, config):
        with pytest.raises(ValueError, match=r'images \(3, H, W\), got \[\(1, 8, 8\)\]'):
            build_chain(config.model).data_preprocessor(dict(inputs=[torch.zeros(1, 8, 8)]))

    def test_images_of_two_sizes_in_prediction(self, config):
        """mmseg's own rule."""
        with pytest.raises(AssertionError, match='image size in a batch should be the same'):
            build_chain(config.model).eval().test_step(batch(((37, 53), SIZE)))

    def test_an_unknown_mode(self, config):
        with pytest.raises(RuntimeError, match='Invalid mode'):
            build_chain(config.model)(torch.zeros(1, 3, 32, 32), None, 'guess')
