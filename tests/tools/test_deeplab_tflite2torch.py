"""TFLite DeepLab to PyTorch: the labels of the LiteRT interpreter on photographs, refusals."""
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from loading import load_tool
from safetensors.torch import load_file

from isalux_mm.functional.resizing import resize
from isalux_mm.io.images import list_images, read_image
from isalux_mm.models.deeplab import DeepLabMobileNetV2, convolutions

converter = load_tool('model_converters/deeplab_tflite2torch')
FILES = {1.0: 'deeplabv3_mnv2_pascal_quant.tflite', 0.5: 'deeplabv3_mnv2_dm05_pascal_quant.tflite'}
PHOTOGRAPHS = 5
BORDER = 24  # pixels of 513: one and a half of the network's steps of 16


@pytest.fixture(params=sorted(FILES))
def tflite(request, shared_data) -> Path:
    pytest.importorskip('ai_edge_litert', reason='TFLite files are read with ai-edge-litert')
    path = shared_data / 'weights' / 'seg' / FILES[request.param]
    if not path.is_file():
        pytest.skip(f'no {path.name}')
    return path


def photographs(shared_data: Path) -> list[Path]:
    return list_images(shared_data / 'detection' / 'coco_small' / 'val2017')[:PHOTOGRAPHS]


def near_borders(labels: np.ndarray) -> np.ndarray:
    """Pixels with another label within BORDER pixels."""
    square = np.ones((2 * BORDER + 1, ) * 2, np.uint8)
    return cv2.dilate(labels.astype(np.uint8), square) != cv2.erode(labels.astype(np.uint8), square)


def test_labels_of_the_interpreter(tflite, shared_data):
    network, interpreted = converter.convert(tflite), converter.Interpreted(tflite)
    same, far, classes = [], [], set()
    for path in photographs(shared_data):
        image = np.round(resize(read_image(path), *interpreted.size) * 255).astype(np.uint8)
        expected, found = interpreted(image), converter.labels(network, image)
        same.append((found == expected).mean())
        far.append(((found != expected) & ~near_borders(expected)).mean())
        classes |= set(np.unique(expected))
    assert np.mean(same) >= 0.97
    assert np.mean(far) < 0.01  # the rest lies at the borders of classes
    assert len(classes) >= 5


def test_command_writes_what_the_package_loads(tflite, shared_data, tmp_path, capsys):
    target = tmp_path / 'weights.safetensors'
    pictures = tmp_path / 'pictures'
    pictures.mkdir()
    source = photographs(shared_data)[0]
    (pictures / source.name).write_bytes(source.read_bytes())
    assert converter.main([str(tflite), str(target), '--check', str(pictures)]) == 0
    assert '1 photographs: 9' in capsys.readouterr().out
    width = 0.5 if 'dm05' in tflite.name else 1.0
    network = DeepLabMobileNetV2(width)
    missing, unexpected = network.load_state_dict(load_file(target), strict=False)
    assert not unexpected and all(name.endswith(('scale', 'shift')) for name in missing)
    expected = converter.convert(tflite)
    for ours, theirs in zip(convolutions(network), convolutions(expected)):
        torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-3, atol=1e-4)  # half precision
    assert list(tmp_path.glob('.*')) == []


def test_swapped_layers_are_noticed(tflite, shared_data, tmp_path, monkeypatch, capsys):
    """Two layers of equal shape in the wrong order pass the shapes; the labels differ, and nothing is written."""
    read = converter.read_convolutions

    def swapped(path: Path) -> list:
        constants = read(path)
        shapes = [weight.shape for weight, _ in constants]
        first = next(i for i, shape in enumerate(shapes) if shapes.count(shape) > 1 and i > 3)
        second = len(shapes) - 1 - shapes[::-1].index(shapes[first])
        constants[first], constants[second] = constants[second], constants[first]
        return constants

    monkeypatch.setattr(converter, 'read_convolutions', swapped)
    monkeypatch.setattr(converter, 'list_images', lambda folder: photographs(shared_data)[:3])
    target = tmp_path / 'weights.safetensors'
    assert converter.main([str(tflite), str(target), '--check', str(photographs(shared_data)[0].parent)]) == 1
    assert 'nothing was written' in capsys.readouterr().out and not target.exists()


def constants_of(network: DeepLabMobileNetV2) -> list:
    return [(c.weight.detach().numpy(), c.bias.detach().numpy()) for c in convolutions(network)]


def test_constants_are_laid_in_order():
    torch.manual_seed(0)
    source, target = DeepLabMobileNetV2(0.5), DeepLabMobileNetV2(0.5)
    converter.fill(target, constants_of(source))
    for name, value in target.state_dict().items():
        assert torch.equal(value, source.state_dict()[name])


def test_another_network_is_refused():
    constants = constants_of(DeepLabMobileNetV2(0.5))
    with pytest.raises(ValueError, match=r'convolution 0: expected shape \(32, 3, 3, 3\), got \(16, 3, 3, 3\)'):
        converter.fill(DeepLabMobileNetV2(1.0), constants)
    with pytest.raises(ValueError, match='expected 55 convolutions .* got 54'):
        converter.fill(DeepLabMobileNetV2(0.5), constants[:-1])


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'ai_edge_litert', None)
    with pytest.raises(SystemExit, match='pip install ai-edge-litert'):
        converter.litert()


@pytest.mark.parametrize('content', [b'', b'TFL3', b'\x89PNG\r\n\x1a\n' + bytes(99), b'PK\3\4' + bytes(99)])
def test_a_file_of_another_kind_is_named(tmp_path, content):
    (tmp_path / 'other.tflite').write_bytes(content)
    with pytest.raises(ValueError, match='other.tflite: expected a TFLite file, got one of another kind'):
        converter.convert(tmp_path / 'other.tflite')


@pytest.mark.parametrize(
    'content', [b'\x1c\0\0\0TFL3', b'\x1c\0\0\0TFL3' + bytes(99), b'\xff' * 4 + b'TFL3' + bytes(99)])
def test_a_damaged_file_is_named(tmp_path, content):
    pytest.importorskip('ai_edge_litert', reason='TFLite files are read with ai-edge-litert')
    (tmp_path / 'cut.tflite').write_bytes(content)
    with pytest.raises(ValueError, match='cut.tflite: expected a whole TFLite file, got a damaged one'):
        converter.convert(tmp_path / 'cut.tflite')
