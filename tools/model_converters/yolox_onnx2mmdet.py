"""A YOLOX ONNX file with folded batch norm as an mmdet checkpoint.

    python tools/model_converters/yolox_onnx2mmdet.py yolox_nano.onnx yolox_nano.pth \\
        --config mmdet::yolox/yolox_nano_8xb8-300e_coco.py

YOLOX's own export runs its convolutions in a fixed order; they are taken in that order and laid into mmdet's modules,
every shape checked. Where a convolution has a batch norm in mmdet, its bias becomes the norm's beta, the mean 0, and
gamma with the variance make the scale 1 exactly. The result is compared with the ONNX file on a random picture
(onnxruntime, else onnx's own reference) and is not written if it differs.

A norm with mean 0 and variance 1 is right in evaluation, but training, which normalizes by the batch, would start from
another function. `--calibrate FOLDER` measures the mean and variance of every norm's input on pictures and moves them
into the norm, gamma and beta adjusted: the function stays, and training mode starts close to it.

Input of such models: BGR, 0 to 255, padded with 114 (YOLOX 0.1.1 and later; mmdet's YOLOX configs do the same).
"""
import argparse
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import onnx
import torch
from mmcv.cnn import ConvModule
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import DefaultScope
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn

import isalux_mm.det  # noqa: F401

# isort: split
# Above first: it puts stand-ins where mmcv's compiled operators are absent, which mmdet's models need.
from mmdet.datasets import CocoDataset
from mmdet.models.layers import CSPLayer
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules

from isalux_mm.cli.options import add_overwrite_option, demand_files, demand_free, demand_pictures, run_tool
from isalux_mm.io.images import list_images
from isalux_mm.io.whole_file import whole_file

DEFAULT_CONFIG = 'mmdet::yolox/yolox_nano_8xb8-300e_coco.py'
PADDING = 114  # YOLOX
VERIFY_LIMIT = 1e-3  # of outputs up to some hundred pixels, float32
MIN_VARIANCE = 1e-6  # of a calibrated norm: a dead channel keeps a finite gamma


def read_convolutions(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weight and bias of every convolution of an ONNX file, in the order of execution.

    Raises:
        ValueError: if the file keeps batch norms, or a convolution lacks its bias or constant weight.
    """
    graph = onnx.load(str(path)).graph
    if any(node.op_type == 'BatchNormalization' for node in graph.node):
        raise ValueError(f'{path}: expected folded batch norms, got BatchNormalization nodes; '
                         'export in evaluation mode with constant folding')
    constants = {tensor.name: tensor for tensor in graph.initializer}
    convolutions = []
    for node in graph.node:
        if node.op_type != 'Conv':
            continue
        if len(node.input) != 3 or not set(node.input[1:]) <= set(constants):
            raise ValueError(f'{path}: expected constant weight and bias of {node.name}, got {list(node.input[1:])}')
        weight, bias = (numpy_helper.to_array(constants[name]) for name in node.input[1:])
        convolutions.append((weight, bias))
    if not convolutions:
        raise ValueError(f'{path}: expected a YOLOX network, got no convolution')
    return convolutions


def build_detector(config: str, num_classes: int) -> nn.Module:
    """mmdet's YOLOX in evaluation mode.

    Args:
        config: a file, or `mmdet::` and a name.
        num_classes: of the head.

    Raises:
        ValueError: if the config's model is no YOLOX.
    """
    register_all_modules(init_default_scope=False)
    model = (get_config(config) if '::' in config else Config.fromfile(config)).model
    if model.type.removeprefix('mmdet.') != 'YOLOX':
        raise ValueError(f'config must hold a YOLOX, got {model.type}')
    model.bbox_head.num_classes = num_classes
    model.pop('init_cfg', None)
    with DefaultScope.overwrite_default_scope('mmdet'):
        return MODELS.build(model).eval()


def convolutions_in_order(detector: nn.Module) -> Iterator[ConvModule | nn.Conv2d]:
    """mmdet's convolutions in the order in which YOLOX's own network runs them.

    It runs a stage's main branch before its short cut, and a level's stem (mmdet's `out_convs`) right before its head.
    """
    backbone: Any = detector.backbone
    neck: Any = detector.neck
    head: Any = detector.bbox_head
    for layer in backbone.layers:
        yield from _parts(getattr(backbone, layer))
    for reduce, block in zip(neck.reduce_layers, neck.top_down_blocks):
        yield from _parts(nn.Sequential(reduce, block))
    for down, block in zip(neck.downsamples, neck.bottom_up_blocks):
        yield from _parts(nn.Sequential(down, block))
    for level, stem in enumerate(neck.out_convs):
        yield stem
        yield from _parts(head.multi_level_cls_convs[level])
        yield head.multi_level_conv_cls[level]
        yield from _parts(head.multi_level_reg_convs[level])
        yield head.multi_level_conv_reg[level]
        yield head.multi_level_conv_obj[level]


def _parts(module: nn.Module) -> Iterator[ConvModule]:
    if isinstance(module, ConvModule):
        yield module
    elif isinstance(module, CSPLayer):
        for part in (module.main_conv, module.short_conv, module.blocks, module.final_conv):
            yield from _parts(part)
    else:
        for child in module.children():
            yield from _parts(child)


@torch.no_grad()
def fill(detector: nn.Module, convolutions: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Lays folded weights and biases into the detector.

    Raises:
        ValueError: if the number of convolutions or a shape differs: the config is of another YOLOX.
    """
    targets = list(convolutions_in_order(detector))
    if len(targets) != len(convolutions):
        raise ValueError(f'the config has {len(targets)} convolutions, the ONNX file {len(convolutions)}: '
                         'not the same YOLOX')
    for number, (target, (weight, bias)) in enumerate(zip(targets, convolutions)):
        convolution: Any = target.conv if isinstance(target, ConvModule) else target
        if tuple(convolution.weight.shape) != weight.shape:
            raise ValueError(f'convolution {number}: the config has shape {tuple(convolution.weight.shape)}, '
                             f'the ONNX file {weight.shape}: not the same YOLOX')
        convolution.weight.copy_(torch.from_numpy(weight.copy()))
        shift = torch.from_numpy(bias.copy())
        if isinstance(target, ConvModule):
            _set_norm(target.norm, mean=torch.zeros_like(shift), variance=torch.ones_like(shift), bias=shift)
        else:
            convolution.bias.copy_(shift)


def _set_norm(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, bias: Tensor) -> None:
    """Makes a norm add `bias` and nothing else, whatever mean and variance it keeps."""
    own = norm.state_dict()
    own['running_mean'].copy_(mean)
    own['running_var'].copy_(variance)
    own['weight'].copy_(torch.sqrt(variance.double() + norm.eps))
    own['bias'].copy_(bias + mean)


@torch.no_grad()
def calibrate(detector: nn.Module, images: Iterable[Tensor]) -> None:
    """Moves the measured mean and variance of every norm's input into the norm; the function stays.

    Args:
        detector: filled by `fill`.
        images: (1, 3, H, W) each, BGR, 0 to 255, padded with 114.
    """
    norms = [module for module in detector.modules() if isinstance(module, nn.BatchNorm2d)]
    sums = {norm: torch.zeros(3, norm.num_features, dtype=torch.float64) for norm in norms}

    def measure(norm: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
        values = inputs[0].double()
        sums[norm] += torch.stack([torch.ones(norm.num_features) * values[:, 0].numel(), values.sum((0, 2, 3)),
                                   values.square().sum((0, 2, 3))])

    handles = [norm.register_forward_pre_hook(measure) for norm in norms]
    for image in images:
        detector(image, mode='tensor')
    for handle in handles:
        handle.remove()
    for norm, (count, total, squares) in sums.items():
        own = norm.state_dict()
        bias = own['bias'] - own['running_mean']
        mean = total / count
        variance = (squares / count - mean.square()).clamp(min=MIN_VARIANCE)
        _set_norm(norm, mean.float(), variance.float(), bias)


def load_images(folder: Path, height: int, width: int) -> Iterator[Tensor]:
    """The folder's pictures as the detector gets them.

    Raises:
        ValueError: if there are none.
    """
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in ('.jpg', '.jpeg', '.png'))
    if not paths:
        raise ValueError(f'{folder}: expected pictures, got none')
    for path in paths:
        image = mmcv.impad(mmcv.imrescale(mmcv.imread(path), (height, width)), shape=(height, width), pad_val=PADDING)
        yield torch.from_numpy(image).permute(2, 0, 1)[None].float()


@torch.no_grad()
def yolox_output(detector: nn.Module, image: Tensor, *, decoded: bool) -> Tensor:
    """mmdet's prediction in the layout of YOLOX's export.

    Args:
        detector: mmdet's YOLOX.
        image: (1, 3, H, W), BGR, 0 to 255.
        decoded: centres and sizes in pixels instead of offsets and logarithms.

    Returns:
        (1, anchors, 5 + classes): x, y, w, h, objectness, class probabilities.
    """
    head: Any = detector.bbox_head
    levels = []
    for scores, boxes, objectness, (stride, _) in zip(*detector(image, mode='tensor'), head.prior_generator.strides):
        h, w = boxes.shape[-2:]
        if decoded:
            y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing='ij')
            boxes = torch.cat([boxes[:, :2] + torch.stack([x, y]), boxes[:, 2:].exp()], dim=1) * stride
        level = torch.cat([boxes, objectness.sigmoid(), scores.sigmoid()], dim=1)
        levels.append(level.flatten(2))  # (1, 5 + classes, anchors of the level)
    return torch.cat(levels, dim=2).transpose(1, 2)


def run_onnx(path: Path, image: np.ndarray) -> np.ndarray:
    """First output of an ONNX file; onnxruntime where it is installed, else onnx's own (slow) reference."""
    if importlib.util.find_spec('onnxruntime') is None:
        session: Any = ReferenceEvaluator(str(path))
        return session.run(None, {session.input_names[0]: image})[0]
    import onnxruntime  # optional
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    return session.run(None, {session.get_inputs()[0].name: image})[0]


def onnx_layout(path: Path) -> tuple[int, int, int, bool]:
    """Input height and width, number of classes, and whether the boxes are decoded.

    Raises:
        ValueError: if input or output are not YOLOX's, of fixed size.
    """
    graph = onnx.load(str(path), load_external_data=False).graph
    shapes = [[d.dim_value for d in value.type.tensor_type.shape.dim] for value in (graph.input[0], graph.output[0])]
    image, output = shapes
    if len(image) != 4 or image[1] != 3 or not all(image[2:]) or len(output) != 3 or output[2] < 6:
        raise ValueError(f'{path}: expected input (B, 3, H, W) and output (B, anchors, 5 + classes), got {shapes}')
    return image[2], image[3], output[2] - 5, any(node.op_type == 'Exp' for node in graph.node)


def difference(detector: nn.Module, path: Path, height: int, width: int, decoded: bool) -> float:
    """Largest difference between mmdet and the ONNX file on a random picture, relative where above 1."""
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, height, width)).astype(np.float32)
    expected = torch.from_numpy(run_onnx(path, image))
    found = yolox_output(detector, torch.from_numpy(image), decoded=decoded)
    return float(((found - expected).abs() / expected.abs().clamp(min=1)).max())


def save(path: Path, detector: nn.Module, classes: Sequence[str], source: str, *, overwrite: bool = False) -> None:
    """Writes the checkpoint whole or not at all; tensors and plain types alone, so `weights_only` loads it."""
    with whole_file(path, overwrite=overwrite) as file:
        torch.save(dict(meta=dict(dataset_meta=dict(classes=tuple(classes)), source=source),
                        state_dict=detector.state_dict()), file)


def convert(path: Path, config: str, calibration: Path | None = None) -> tuple[nn.Module, float]:
    """mmdet's detector with the weights of an ONNX file, and its largest difference to it.

    Raises:
        ValueError: if the ONNX file is of another network than the config, or the results differ.
    """
    height, width, num_classes, decoded = onnx_layout(path)
    detector = build_detector(config, num_classes)
    fill(detector, read_convolutions(path))
    if calibration is not None:
        calibrate(detector, load_images(calibration, height, width))
    largest = difference(detector, path, height, width, decoded)
    if not largest <= VERIFY_LIMIT:
        raise ValueError(f'{path}: mmdet must agree with the ONNX file within {VERIFY_LIMIT}, got {largest}; '
                         'not the layout of YOLOX as it exports itself')
    return detector, largest


def class_names(file: Path | None, num_classes: int) -> Sequence[str]:
    """Names from a file, one a line, or COCO's for 80 classes.

    Raises:
        ValueError: if the number of names is another.
    """
    names = file.read_text().split('\n') if file else CocoDataset.METAINFO['classes']
    names = [name.strip() for name in names if name.strip()]
    if len(names) != num_classes:
        raise ValueError(f'expected {num_classes} class names, got {len(names)}; give them with --classes')
    return names


def main(arguments: list[str] | None = None) -> int:
    """Converts; 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('onnx', type=Path)
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument('--config', default=DEFAULT_CONFIG, help='mmdet config of the same YOLOX')
    parser.add_argument('--classes', type=Path, help="names, one a line; COCO's if left out")
    parser.add_argument('--calibrate', type=Path, metavar='FOLDER', help='pictures to measure norms on, for training')
    add_overwrite_option(parser)
    options = parser.parse_args(arguments)
    names = [options.classes] if options.classes else []
    if options.calibrate:
        demand_pictures(parser, options.calibrate)
    pictures = list_images(options.calibrate) if options.calibrate else []
    demand_free(parser, options.checkpoint, overwrite=options.overwrite, read=[options.onnx, *names, *pictures])
    demand_files(parser, 'onnx', options.onnx)
    demand_files(parser, '--classes', *names)
    classes = class_names(options.classes, onnx_layout(options.onnx)[2])
    detector, largest = convert(options.onnx, options.config, options.calibrate)
    save(options.checkpoint, detector, classes, options.onnx.name, overwrite=options.overwrite)
    print(f'{options.checkpoint}: {len(list(convolutions_in_order(detector)))} convolutions, '
          f'largest difference to the ONNX file {largest:.1e}')
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main))
