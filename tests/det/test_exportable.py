"""Enhancer and detector in one ONNX file, against mmdet's own prediction."""
import numpy as np
import pytest
import torch
from mmcv.ops import batched_nms
from mmdet.structures import DetDataSample
from small_detectors import build_chain, whole_config
from torch import nn

from isalux_mm.apis.export.graph import serialized
from isalux_mm.apis.export.running import dark_images, runner
from isalux_mm.cli import main
from isalux_mm.det import exportable
from isalux_mm.det.decoding import decoder_of
from isalux_mm.det.exportable import ExportableDetection

SIZE = (64, 96)
ODD = (75, 130)
# what mmdet's test pipeline would make of a picture of the odd size: padded for those whose neck wants whole strides
LOADED = {'RetinaNet': ODD, 'FCOS': ODD, 'RTMDet': (96, 160), 'YOLOX': (96, 160)}
PREDICTORS = ('retina_cls', 'retina_reg', 'conv_cls', 'conv_reg', 'conv_centerness', 'rtm_cls', 'rtm_reg',
              'multi_level_conv_cls', 'multi_level_conv_obj', 'multi_level_conv_reg')


def spread_chain(name: str):
    """A chain whose untrained detector gives scores and boxes that differ: features are large, and so tamed."""
    torch.manual_seed(0)
    chain = build_chain(whole_config(name).model, enhancer=dict(
        type='ISALuxNeck', network=dict(type='GammaCurve', gamma=0.5), work_short_side=48)).eval()
    head = chain.bbox_head
    for layer in (part for place in PREDICTORS for part in getattr(head, place, nn.Identity()).modules()):
        if isinstance(layer, nn.Conv2d):
            layer.weight.data *= dict(YOLOX=1e-3, RTMDet=20).get(name, 1)
            nn.init.normal_(layer.bias)
    head.test_cfg.update(nms_pre=10**6, score_thr=0.1, min_bbox_size=-1)
    return chain


@pytest.fixture(scope='module')
def yolox():
    return spread_chain('YOLOX')


def loaded(low: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """A picture as a pipeline loads and pads it: (3, H, W), uint8, BGR, 114 below and to the right."""
    image = torch.full((3, *size), 114, dtype=torch.uint8)
    image[:, :low.shape[2], :low.shape[3]] = (low[0].flip(0) * 255).round().byte()
    return image


@torch.no_grad()
def mmdet_predicts(chain, low: torch.Tensor, size: tuple[int, int]):
    sample = DetDataSample(metainfo=dict(img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0), pad_shape=size))
    return chain.test_step(dict(inputs=[loaded(low, size)], data_samples=[sample]))[0].pred_instances


@pytest.mark.parametrize('name', LOADED)
def test_the_file_detects_what_mmdet_detects(name):
    """At an odd size, by onnxruntime: suppression, as the detector's config has it, leaves mmdet's own prediction."""
    pytest.importorskip('onnxruntime')
    pytest.importorskip('onnxscript')
    chain = spread_chain(name)
    network = ExportableDetection(chain).eval()
    low = (dark_images(1, *ODD) * 255).round() / 255
    content = serialized(network, 'onnx', outputs=('boxes', 'scores'), fixed_size=ODD, notes={})
    boxes, scores = runner(content, 'onnx')(low)
    with torch.no_grad():
        expected = network(low)
    torch.testing.assert_close(boxes, expected[0], atol=1e-3, rtol=1e-4)  # YOLOX's are not cut to the picture
    torch.testing.assert_close(scores, expected[1], atol=1e-5, rtol=0)
    test_cfg = chain.bbox_head.test_cfg
    places, labels = (scores[0] > test_cfg.score_thr).nonzero(as_tuple=True)
    if name == 'YOLOX':  # which gives every box its best class alone
        labels = scores[0].argmax(dim=1)
        places = (scores[0].amax(dim=1) > test_cfg.score_thr).nonzero()[:, 0]
        labels = labels[places]
    found, kept = batched_nms(boxes[0, places], scores[0, places, labels], labels, test_cfg.nms)
    reference = mmdet_predicts(chain, low, LOADED[name])
    count = min(len(kept), test_cfg.get('max_per_img', len(kept)))
    assert count == len(reference) > 3 and len(set(labels[kept].tolist())) > 1
    mine = torch.cat([found[:count], labels[kept][:count, None]], dim=1)
    theirs = torch.cat([reference.bboxes, reference.scores[:, None], reference.labels[:, None]], dim=1)
    # of scores that differ by rounding alone the order may be another
    allowed = torch.cat([1e-2 + 1e-4 * theirs[:, :4].abs(), torch.tensor([[1e-4, 0.5]]).repeat(count, 1)], dim=1)
    distances = ((mine[:, None] - theirs) / allowed).abs().amax(dim=2)
    assert distances.amin(dim=0).max() < 1 and distances.amin(dim=1).max() < 1


@pytest.mark.parametrize('name', ['RetinaNet', 'RTMDet', 'FCOS'])
@torch.no_grad()
def test_before_suppression_every_box_is_mmdets(name):
    """`predict_by_feat` without suppression, of every box and class, in the order of its scores."""
    chain = spread_chain(name)
    head, shape = chain.bbox_head, LOADED[name]
    low = (dark_images(1, *ODD) * 255).round() / 255
    batch = chain.data_preprocessor(dict(inputs=[loaded(low, shape)], data_samples=[DetDataSample()]))
    batch = chain.second_half(batch['inputs'], chain.enhance(batch['inputs'], batch['data_samples']),
                              batch['data_samples'])
    outputs = head(chain.detector.extract_feat(batch['inputs']))
    head.test_cfg.update(score_thr=0, min_bbox_size=-1)
    reference, = head.predict_by_feat(*outputs, batch_img_metas=[dict(img_shape=shape)], with_nms=False)
    boxes, scores = ExportableDetection(chain)(low)
    assert scores[0].numel() == len(reference)
    # both in one order: mmdet gives level by level, each by score
    order, own = reference.scores.argsort(), scores[0].flatten().argsort()
    torch.testing.assert_close(scores[0].flatten()[own], reference.scores[order], atol=1e-4, rtol=0)
    for label in reference.labels.unique()[:5]:
        mine = torch.cat([scores[0, :, label, None], boxes[0]], dim=1)
        theirs = torch.cat([reference.scores[:, None], reference.bboxes], dim=1)[reference.labels == label]
        distances = torch.cdist(theirs, mine, compute_mode='donot_use_mm_for_euclid_dist').amin(dim=1)
        assert distances.max() < 1e-3


@pytest.mark.parametrize('size', [SIZE, (64, 90)])
def test_the_command_writes_one_file(yolox, tmp_path, monkeypatch, capsys, size):
    onnxruntime = pytest.importorskip('onnxruntime')
    pytest.importorskip('onnxscript')
    monkeypatch.setattr(exportable, 'load_chain', lambda config, checkpoint: yolox)
    out = tmp_path / 'chain.onnx'
    arguments = ['export', 'chain.py', str(out), '--detector', 'chain.pth']
    assert main([*arguments, '--fixed-size', *map(str, size)]) == 0
    assert 'outputs boxes, scores' in capsys.readouterr().out
    session = onnxruntime.InferenceSession(out, providers=['CPUExecutionProvider'])
    low = 0.3 * np.random.default_rng(2).random((1, 3, *size), np.float32)
    boxes, scores = session.run(['boxes', 'scores'], {'low': low})
    with torch.no_grad():
        expected = ExportableDetection(yolox)(torch.from_numpy(low))
    assert np.abs(boxes - expected[0].numpy()).max() < 0.01 and np.abs(scores - expected[1].numpy()).max() < 1e-3
    assert main([*arguments, '--half']) == 2 and '--detector goes with' in capsys.readouterr().err


@pytest.mark.parametrize('name', ['Faster R-CNN', 'DETR', 'TOOD', 'YOLOv3'])
def test_other_detectors_are_refused_and_what_to_do_is_said(name):
    chain = build_chain(whole_config(name).model)
    head = getattr(chain.detector, 'bbox_head', None)
    with pytest.raises(ValueError, match=f'with the head {type(head).__name__}: export the enhancer alone'):
        ExportableDetection(chain)


def test_a_head_that_predicts_in_its_own_way_is_refused(yolox):
    class Other(type(yolox.bbox_head)):
        def predict_by_feat(self, *args):
            return args

    yolox.bbox_head.__class__, before = Other, yolox.bbox_head.__class__
    try:
        with pytest.raises(ValueError, match='got YOLOX with the head Other'):
            decoder_of(yolox.detector)
    finally:
        yolox.bbox_head.__class__ = before


def test_a_plain_detector_is_refused(yolox):
    with pytest.raises(ValueError, match='must be an EnhancedDetector, .* got YOLOX'):
        ExportableDetection(yolox.detector)


def test_an_enhancer_in_fast_mode_is_exported_in_full_mode_and_that_is_said(yolox, monkeypatch):
    said = []
    monkeypatch.setattr(exportable, 'print_log', lambda text, **_: said.append(text))
    full = ExportableDetection(yolox)
    monkeypatch.setattr(yolox.enhancer, 'mode', 'fast')
    fast = ExportableDetection(yolox)
    assert len(said) == 1 and "in mode 'full', not 'fast'" in said[0]
    assert yolox.enhancer.mode == 'fast', 'the chain itself is left as it is'
    image = 0.05 * torch.rand(1, 3, *SIZE)
    for a, b in zip(fast(image), full(image)):
        assert torch.equal(a, b)
