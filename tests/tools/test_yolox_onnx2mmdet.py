"""YOLOX ONNX to mmdet: agreement with onnxruntime, calibration, refusals."""
from pathlib import Path

import numpy as np
import pytest
import torch
from loading import load_tool

onnx = pytest.importorskip('onnx')
pytest.importorskip('mmdet')

converter = load_tool('model_converters/yolox_onnx2mmdet')

TINY = 'mmdet::yolox/yolox_tiny_8xb8-300e_coco.py'


@pytest.fixture(scope='module')
def nano(shared_data) -> Path:
    path = shared_data / 'weights' / 'det' / 'yolox_nano.onnx'
    if not path.is_file():
        pytest.skip(f'no {path.name}')
    return path


@pytest.fixture(scope='module')
def converted(nano):
    return converter.convert(nano, converter.DEFAULT_CONFIG)


def smooth_picture(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 13, 13, generator=generator) * 255
    return torch.nn.functional.interpolate(coarse, size=(416, 416), mode='bilinear')


def write_onnx(path: Path, nodes: list, tensors: dict[str, np.ndarray], classes: int = 80) -> Path:
    """An ONNX file with YOLOX's input and output and these nodes."""
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, 'g', [helper.make_tensor_value_info('images', number, (1, 3, 416, 416))],
        [helper.make_tensor_value_info('output', number, (1, 3549, 5 + classes))],
        [onnx.numpy_helper.from_array(value, name) for name, value in tensors.items()])
    onnx.save(helper.make_model(graph), str(path))
    return path


def test_agrees_with_onnxruntime(nano, converted):
    runtime = pytest.importorskip('onnxruntime')
    detector, largest = converted
    image = smooth_picture(1)
    session = runtime.InferenceSession(str(nano), providers=['CPUExecutionProvider'])
    expected = session.run(None, {'images': image.numpy()})[0]
    found = converter.yolox_output(detector, image, decoded=False).numpy()
    assert found.shape == (1, 3549, 85)  # 52^2 + 26^2 + 13^2 anchors, 80 classes
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert largest < 1e-4  # measured 1.6e-5


def test_predictions_of_a_photograph_agree_with_decoded_onnxruntime(nano, converted, shared_data):
    """mmdet's predict: the best box is the best of onnxruntime's raw output, decoded here by YOLOX's formulas."""
    runtime = pytest.importorskip('onnxruntime')
    from mmdet.structures import DetDataSample
    image = next(converter.load_images(shared_data / 'detection' / 'coco_small' / 'val2017', 416, 416))
    session = runtime.InferenceSession(str(nano), providers=['CPUExecutionProvider'])
    raw = session.run(None, {'images': image.numpy()})[0][0]
    strides = np.repeat([8, 16, 32], [52**2, 26**2, 13**2])
    grid = np.concatenate([np.stack(np.meshgrid(np.arange(n), np.arange(n)), -1).reshape(-1, 2) for n in (52, 26, 13)])
    center, size = (raw[:, :2] + grid) * strides[:, None], np.exp(raw[:, 2:4]) * strides[:, None]
    scores = raw[:, 4:5] * raw[:, 5:]
    best, label = np.unravel_index(scores.argmax(), scores.shape)
    expected = np.concatenate([center[best] - size[best] / 2, center[best] + size[best] / 2])

    sample = DetDataSample(metainfo=dict(img_shape=(416, 416), ori_shape=(416, 416), scale_factor=(1., 1.)))
    with torch.no_grad():
        found = converted[0].predict(image, [sample])[0].pred_instances
    assert found.scores[0].item() == pytest.approx(scores.max(), abs=1e-4)
    assert found.labels[0].item() == label
    np.testing.assert_allclose(found.bboxes[0].numpy(), expected, rtol=1e-3, atol=1e-2)


def test_calibration_keeps_the_function_and_fits_training_mode(nano, converted):
    image = smooth_picture(2)
    detector = converter.build_detector(converter.DEFAULT_CONFIG, 80)
    converter.fill(detector, converter.read_convolutions(nano))
    before = converter.yolox_output(detector, image, decoded=False)
    detector.train()
    folded = converter.yolox_output(detector, image, decoded=False)
    detector.eval()
    converter.fill(detector, converter.read_convolutions(nano))  # training mode has moved the statistics
    converter.calibrate(detector, [image])
    after = converter.yolox_output(detector, image, decoded=False)
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-3)
    detector.train()
    trained = converter.yolox_output(detector, image, decoded=False)
    torch.testing.assert_close(trained, before, rtol=1e-2, atol=1e-2)  # the batch is the calibration picture
    assert (folded - before).abs().max() > 1  # without calibration, training mode is another function


def test_checkpoint_loads_without_pickle_and_names_its_classes(converted, tmp_path):
    path = tmp_path / 'nano.pth'
    converter.save(path, converted[0], converter.class_names(None, 80), 'yolox_nano.onnx')
    checkpoint = torch.load(path, weights_only=True)
    assert checkpoint['meta']['dataset_meta']['classes'][:3] == ('person', 'bicycle', 'car')
    fresh = converter.build_detector(converter.DEFAULT_CONFIG, 80)
    assert fresh.load_state_dict(checkpoint['state_dict']) == ([], [])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('config, convolutions', [(TINY, 83), ('mmdet::yolox/yolox_l_8xb8-300e_coco.py', 131)])
def test_order_covers_every_convolution_once(config, convolutions):
    """Plain convolutions, counted from YOLOX's definition: backbone 1 + 4 + 4 x 3 + 2 n + 2 with n = 8 or 24
    bottlenecks, neck 4 + 4 x (3 + 2 m) with m = 1 or 3, head 3 x 8."""
    with torch.device('meta'):
        detector = converter.build_detector(config, 3)
    ordered = [m.conv if hasattr(m, 'conv') else m for m in converter.convolutions_in_order(detector)]
    present = [m for m in detector.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(ordered) == len(set(ordered)) == len(present) == convolutions
    assert detector.bbox_head.num_classes == 3


def test_another_size_of_yolox_is_refused(nano):
    with pytest.raises(ValueError, match='the config has 83 convolutions, the ONNX file 113: not the same YOLOX'):
        converter.convert(nano, TINY)


def test_config_of_another_detector_is_refused():
    with pytest.raises(ValueError, match='config must hold a YOLOX, got RetinaNet'):
        converter.build_detector('mmdet::retinanet/retinanet_r50_fpn_1x_coco.py', 80)


def test_swapped_branches_are_noticed(nano):
    """Two convolutions of equal shape in the wrong order pass the shapes and are caught by the comparison."""
    detector = converter.build_detector(converter.DEFAULT_CONFIG, 80)
    convolutions = converter.read_convolutions(nano)
    assert convolutions[3][0].shape == convolutions[4][0].shape
    convolutions[3], convolutions[4] = convolutions[4], convolutions[3]
    converter.fill(detector, convolutions)
    assert converter.difference(detector, nano, 416, 416, decoded=False) > 10 * converter.VERIFY_LIMIT


def test_unfolded_batch_norm_is_refused(tmp_path):
    node = onnx.helper.make_node('BatchNormalization', ['images', 's', 'b', 'm', 'v'], ['output'])
    path = write_onnx(tmp_path / 'a.onnx', [node], {n: np.ones(3, np.float32) for n in 'sbmv'})
    with pytest.raises(ValueError, match='expected folded batch norms'):
        converter.read_convolutions(path)


@pytest.mark.parametrize('nodes, tensors, message', [
    ([('Identity', ['images'])], {}, 'expected a YOLOX network, got no convolution'),
    ([('Conv', ['images', 'w'])], {'w': np.ones((8, 3, 1, 1), np.float32)}, 'constant weight and bias'),
])
def test_no_yolox_is_refused(tmp_path, nodes, tensors, message):
    made = [onnx.helper.make_node(kind, inputs, ['output']) for kind, inputs in nodes]
    with pytest.raises(ValueError, match=message):
        converter.read_convolutions(write_onnx(tmp_path / 'a.onnx', made, tensors))


def test_layout_is_read(tmp_path):
    node = onnx.helper.make_node('Exp', ['images'], ['output'])
    assert converter.onnx_layout(write_onnx(tmp_path / 'a.onnx', [node], {}, classes=12)) == (416, 416, 12, True)


def test_wrong_number_of_class_names(tmp_path):
    names = tmp_path / 'names.txt'
    names.write_text('cat\ndog\n')
    assert converter.class_names(names, 2) == ['cat', 'dog']
    with pytest.raises(ValueError, match='expected 12 class names, got 80'):
        converter.class_names(None, 12)
