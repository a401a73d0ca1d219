"""mmdet's own ways in: init_detector, inference_detector, DetInferencer, TTA, get_flops, Runner; and checkpoints."""
import copy
from functools import partial

import numpy as np
import pytest
import torch

pytest.importorskip('mmdet')

from mmdet.apis import DetInferencer, inference_detector, init_detector
from mmdet.registry import MODELS as MMDET_MODELS
from mmdet.utils import register_all_modules
from mmengine.analysis import get_model_complexity_info
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from mmengine.runner import load_checkpoint, save_checkpoint
from small_detectors import DETECTORS, STAGES, batch, build_chain, build_plain

from isalux_mm.models.enhancer import LowLightEnhancer

IDENTITY = dict(type='ISALuxNeck', network=dict(type='Identity'))
CURVES = dict(type='CurveNetwork', channels=4, iterations=2)
NECK = dict(type='ISALuxNeck', fade=None, network=CURVES)
CHAIN = 'isalux_mm.EnhancedDetector'


@pytest.fixture(autouse=True)
def _scope():
    register_all_modules(init_default_scope=False)
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


@pytest.fixture
def plain_config(detector_config) -> Config:
    """RetinaNet with a pipeline for small images."""
    config = detector_config('RetinaNet')
    for transform in config.test_dataloader.dataset.pipeline:
        if transform.type == 'Resize':
            transform.scale = (160, 96)
    config.model.test_cfg.max_per_img = 20
    return config


def chained(config: Config, enhancer: dict = IDENTITY) -> Config:
    config = copy.deepcopy(config)
    config.model = ConfigDict(type=CHAIN, enhancer=enhancer, detector=config.model, backbone=dict())
    return config


@pytest.fixture
def stock(plain_config, tmp_path) -> str:
    """A checkpoint of the plain detector as mmengine writes it."""
    path = str(tmp_path / 'stock.pth')
    model = build_plain(plain_config.model, seed=3)
    save_checkpoint(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=['a'] * 80))), path)
    return path


@pytest.fixture
def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 90, size, np.uint8) for size in ((71, 93, 3), (58, 101, 3), (95, 43, 3))]


def assert_same(got, expected) -> None:
    got, expected = got.pred_instances, expected.pred_instances
    assert len(got) == len(expected) > 0
    for field in ('bboxes', 'scores', 'labels'):
        torch.testing.assert_close(got[field], expected[field], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('options', [None, {}])
def test_init_and_inference_detector(options, plain_config, stock, pictures):
    plain = init_detector(plain_config, stock, device='cpu', cfg_options={})
    chain = init_detector(chained(plain_config), stock, device='cpu', cfg_options=options)
    for pair in zip(inference_detector(chain, pictures), inference_detector(plain, pictures)):
        assert_same(*pair)


@pytest.mark.parametrize('batch_size', [1, 3])
def test_the_inferencer(batch_size, plain_config, stock, pictures):
    predictions = []
    for config in (plain_config, chained(plain_config)):
        inferencer = DetInferencer(config, stock, device='cpu', show_progress=False)
        predictions.append(inferencer(pictures, batch_size=batch_size, return_datasamples=True)['predictions'])
    assert len(predictions[0]) == 3
    for pair in zip(*predictions):
        assert_same(*pair)


def test_time_augmentation(plain_config, stock, pictures):
    """Two scales, flipped and not."""
    pipeline = [
        dict(type='LoadImageFromNDArray'),
        dict(type='TestTimeAug', transforms=[
            [dict(type='Resize', scale=s, keep_ratio=True) for s in ((120, 80), (160, 100))],
            [dict(type='RandomFlip', prob=1.), dict(type='RandomFlip', prob=0.)],
            [dict(type='PackDetInputs', meta_keys=('ori_shape', 'img_shape', 'scale_factor', 'flip',
                                                   'flip_direction'))]])]
    from mmcv.transforms import Compose
    data = Compose(pipeline)(dict(img=pictures[0], img_id=0))
    results = []
    for config in (plain_config, chained(plain_config)):
        tta = MMDET_MODELS.build(ConfigDict(
            type='DetTTAModel', module=copy.deepcopy(config.model),
            tta_cfg=dict(nms=dict(type='nms', iou_threshold=0.5), max_per_img=20)))
        load_checkpoint(tta, stock)
        with torch.no_grad():
            results.append(tta.eval().test_step(
                dict(inputs=[[x] for x in data['inputs']], data_samples=[[x] for x in data['data_samples']]))[0])
    assert_same(results[1], results[0])


def test_get_flops_counts_both_parts(plain_config):
    """As mmdet's tools/analysis_tools/get_flops.py counts."""
    counts = []
    for model in (build_plain(plain_config.model), build_chain(plain_config.model, enhancer=NECK)):
        model.eval()
        data = model.data_preprocessor(batch(sizes=((64, 96), )))
        assert data['data_samples'][0].pad_shape == data['data_samples'][0].batch_input_shape == (64, 96)
        model.forward = partial(model.forward, data_samples=data['data_samples'])
        counts.append(get_model_complexity_info(model, None, inputs=data['inputs'], show_table=False, show_arch=False))
    network = sum(k * n for k, n in ((3, 4), (4, 4), (4, 4), (4, 4), (8, 4), (8, 4), (8, 6))) * 9 * 64 * 96
    assert counts[1]['flops'] - counts[0]['flops'] == pytest.approx(network, rel=0.05)
    assert counts[1]['params'] > counts[0]['params']


def test_the_config_of_a_chain_on_top_of_mmdets(tmp_path):
    """`_base_.model` is the detector, unchanged."""
    (tmp_path / 'chain.py').write_text(
        "_base_ = 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py'\n"
        "custom_imports = dict(imports=['isalux_mm.det'], allow_failed_imports=False)\n"
        "model = dict(_delete_=True, type='isalux_mm.EnhancedDetector', backbone=dict(),\n"
        f"             enhancer={IDENTITY!r}, detector={{{{_base_.model}}}})\n")
    config = Config.fromfile(tmp_path / 'chain.py')
    config.model.detector.backbone.init_cfg = None
    chain = init_detector(config, device='cpu')
    assert type(chain).__name__ == 'EnhancedDetector' and type(chain.detector).__name__ == 'RetinaNet'
    assert chain.detector.data_preprocessor.pad_size_divisor == 32


class TestCheckpoints:

    @pytest.fixture
    def lines(self, monkeypatch) -> list[str]:
        lines = []
        monkeypatch.setattr('isalux_mm.chain.checkpoints.print_log', lambda line, logger=None: lines.append(line))
        return lines

    @staticmethod
    def saved(state: dict, tmp_path) -> str:
        save_checkpoint(dict(state_dict=state), str(tmp_path / 'saved.pth'))
        return str(tmp_path / 'saved.pth')

    def test_of_the_detector(self, plain_config, stock, lines):
        chain = build_chain(plain_config.model, enhancer=NECK)
        untouched = copy.deepcopy(chain.enhancer.state_dict())
        load_checkpoint(chain, stock)
        expected = build_plain(plain_config.model, seed=3).state_dict()
        assert all(torch.equal(value, expected[key]) for key, value in chain.detector.state_dict().items())
        assert all(torch.equal(value, untouched[key]) for key, value in chain.enhancer.state_dict().items())
        assert lines == [f'checkpoint holds {len(expected)} of {len(expected)} tensors of the detector and 0 of 14 '
                         f'tensors of the enhancer; 0 of its {len(expected)} tensors fit nowhere']

    def test_of_the_detector_through_init_cfg(self, plain_config, stock):
        chain = build_chain(plain_config.model, enhancer=NECK, init_cfg=dict(type='Pretrained', checkpoint=stock))
        chain.init_weights()
        expected = build_plain(plain_config.model, seed=3).state_dict()
        assert all(torch.equal(value, expected[key]) for key, value in chain.detector.state_dict().items())

    @pytest.mark.parametrize('prefix', ['network.', ''])
    def test_of_an_enhancer(self, prefix, plain_config, tmp_path):
        with DefaultScope.overwrite_default_scope('isalux_mm'):
            enhancer = LowLightEnhancer(CURVES, balance_loss=None)
        state = {key.replace('network.', prefix, 1): value for key, value in enhancer.state_dict().items()}
        chain = build_chain(plain_config.model, enhancer=NECK)
        load_checkpoint(chain, self.saved(state, tmp_path))
        assert torch.equal(chain.enhancer.network.middle.weight, enhancer.network.middle.weight)

    def test_of_the_whole(self, plain_config, tmp_path):
        whole = build_chain(plain_config.model, enhancer=NECK)
        chain = build_chain(plain_config.model, enhancer=NECK)
        load_checkpoint(chain, self.saved(whole.state_dict(), tmp_path), strict=True)
        expected = whole.state_dict()
        assert all(torch.equal(value, expected[key]) for key, value in chain.state_dict().items())

    def test_a_head_with_other_classes_is_a_partial_match(self, plain_config, stock, lines):
        model = copy.deepcopy(plain_config.model)
        model.bbox_head.num_classes = 12
        chain = build_chain(model)
        load_checkpoint(chain, stock)
        total = len(chain.detector.state_dict())
        assert f'{total - 2} of {total} tensors of the detector' in lines[0]
        assert f'2 of its {total} tensors fit nowhere' in lines[0]

    def test_versions_of_modules_travel_along(self, plain_config):
        """Modules read them to convert old keys; a prefix must not hide them."""
        chain = build_chain(plain_config.model)
        state = build_plain(plain_config.model).state_dict()
        seen = []
        original = type(chain.detector.backbone.bn1)._load_from_state_dict
        chain.detector.backbone.bn1._load_from_state_dict = lambda *args: (
            seen.append(args[2].get('version')), original(chain.detector.backbone.bn1, *args))
        chain.load_state_dict(state, strict=False)
        assert seen == [2]

    def test_of_another_detector(self, plain_config, detector_config, tmp_path):
        other = build_plain(detector_config('YOLOX').model)
        with pytest.raises(ValueError, match='no tensor of the checkpoint matches'):
            load_checkpoint(build_chain(plain_config.model), self.saved(other.state_dict(), tmp_path))

    @pytest.mark.parametrize('part', ['detector', 'enhancer'])
    def test_of_a_chain_with_another_part(self, part, plain_config, tmp_path):
        chain = build_chain(plain_config.model, enhancer=NECK)
        state = {key if not key.startswith(part) else f'{part}.other.{i}': value
                 for i, (key, value) in enumerate(chain.state_dict().items())}
        with pytest.raises(ValueError, match=f'no tensor of the checkpoint matches the {part}'):
            load_checkpoint(chain, self.saved(state, tmp_path))

    def test_an_enhancer_of_another_width(self, plain_config, tmp_path):
        wide = build_chain(plain_config.model, enhancer=dict(NECK, network=dict(CURVES, channels=8)))
        with pytest.raises(ValueError, match='another architecture or width'):
            load_checkpoint(build_chain(plain_config.model, enhancer=NECK), self.saved(wide.state_dict(), tmp_path))


def test_the_small_detectors_are_those_of_the_promise():
    """The chain is promised for these at least; the stages are those of the reduced ResNet."""
    promised = {'RetinaNet', 'Faster R-CNN', 'Mask R-CNN', 'YOLOv3', 'YOLOX', 'RTMDet', 'FCOS', 'TOOD', 'DETR',
                'Deformable DETR'}
    assert promised <= set(DETECTORS) and STAGES[-1] == 8 * STAGES[0]
