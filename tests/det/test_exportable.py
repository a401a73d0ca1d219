"""Enhancer and YOLOX in one ONNX file, against mmdet's own prediction."""
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from small_detectors import build_chain, whole_config

from isalux_mm.cli import main
from isalux_mm.det import exportable
from isalux_mm.det.exportable import ExportableDetection

SIZE = (64, 96)


@pytest.fixture(scope='module')
def chain():
    torch.manual_seed(0)
    chain = build_chain(whole_config('YOLOX').model).eval()
    head = chain.bbox_head
    for convolution in (*head.multi_level_conv_cls, *head.multi_level_conv_obj, *head.multi_level_conv_reg):
        convolution.weight.data *= 1e-3  # untrained features are large, and sizes their exponential
        torch.nn.init.normal_(convolution.bias)
    return chain


@torch.no_grad()
def test_it_detects_what_mmdet_detects(chain):
    """mmdet's prediction, with every box above a score, is what suppression leaves of ours: each is among ours."""
    low = (torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(1)) * 80).round()  # as loaded, BGR
    sample = DetDataSample(metainfo=dict(img_shape=SIZE, ori_shape=SIZE, scale_factor=(1.0, 1.0), pad_shape=SIZE))
    found = chain.test_step(dict(inputs=[low.byte()], data_samples=[sample]))[0].pred_instances
    boxes, scores = ExportableDetection(chain)(low.flip(0)[None] / 255)
    assert len(found) > 3
    best, classes = scores[0].max(dim=1)
    for box, score, label in zip(found.bboxes, found.scores, found.labels):
        near = ((boxes[0] - box).abs().amax(dim=1) < 0.01) & (classes == label)
        assert (best[near] - score).abs().min() < 1e-4


def test_the_command_writes_one_file(chain, tmp_path, monkeypatch, capsys):
    onnxruntime = pytest.importorskip('onnxruntime')
    pytest.importorskip('onnxscript')
    monkeypatch.setattr(exportable, 'load_chain', lambda config, checkpoint: chain)
    out = tmp_path / 'chain.onnx'
    arguments = ['export', 'chain.py', str(out), '--detector', 'chain.pth']
    assert main([*arguments, '--fixed-size', *map(str, SIZE)]) == 0
    assert 'outputs boxes, scores' in capsys.readouterr().out
    session = onnxruntime.InferenceSession(out, providers=['CPUExecutionProvider'])
    low = 0.3 * np.random.default_rng(2).random((1, 3, *SIZE), np.float32)
    boxes, scores = session.run(['boxes', 'scores'], {'low': low})
    with torch.no_grad():
        expected = ExportableDetection(chain)(torch.from_numpy(low))
    assert np.abs(boxes - expected[0].numpy()).max() < 0.01 and np.abs(scores - expected[1].numpy()).max() < 1e-3
    assert main([*arguments, '--overwrite', '--fixed-size', '64', '90']) == 2
    assert 'fixed_size must be multiples of 32, got (64, 90)' in capsys.readouterr().err
    assert main([*arguments, '--half']) == 2 and '--detector goes with' in capsys.readouterr().err


def test_other_detectors_are_refused():
    chain = build_chain(whole_config('RetinaNet').model)
    with pytest.raises(ValueError, match='with a YOLOX, .* got EnhancedDetector with the head RetinaHead'):
        ExportableDetection(chain)
