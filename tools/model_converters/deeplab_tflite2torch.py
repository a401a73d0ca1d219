"""A quantized TFLite DeepLabv3-MobileNetV2 as weights of `isalux_mm.models.deeplab.DeepLabMobileNetV2`.

    python tools/model_converters/deeplab_tflite2torch.py deeplabv3_mnv2_pascal_quant.tflite \\
        checkpoints/deeplabv3_mnv2_pascal.safetensors --check data/photos

The files are google-coral's (`deeplabv3_mnv2_pascal_quant.tflite` and, at half width,
`deeplabv3_mnv2_dm05_pascal_quant.tflite`, Apache-2.0). Their convolutions are taken in the order of execution, which
is the module's, every shape checked; weights and biases are scaled from integers to floating point. Activations are
not quantized in the module, so the labels agree at all but some pixels at the borders of classes: `--check FOLDER`
compares them on photographs with the LiteRT interpreter, and nothing is written where fewer than 97% agree.

Needs `ai-edge-litert` (pip install ai-edge-litert), which has the format's reader and the interpreter.
"""
import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from isalux_mm.cli.options import add_overwrite_option, count, demand_files, demand_free, demand_pictures, run_tool
from isalux_mm.functional.resizing import resize
from isalux_mm.io.images import list_images, read_image
from isalux_mm.io.whole_file import whole_file
from isalux_mm.models.deeplab import LAST_CHANNELS, MIDDLE, DeepLabMobileNetV2, convolutions
from isalux_mm.models.pretrained import half_precision

PACKAGE = 'ai-edge-litert'
REQUIRED_AGREEMENT = 0.97  # of all pixels
MAGIC = b'TFL3'  # bytes 4 to 8 of a TFLite file
DTYPES = {2: np.int32, 3: np.uint8}  # of TFLite's schema: INT32, UINT8
# axes of TFLite's weights in PyTorch's order, (output, input, height, width)
AXES = {'CONV_2D': (0, 3, 1, 2), 'DEPTHWISE_CONV_2D': (3, 0, 1, 2)}

Convolution = tuple[np.ndarray, np.ndarray]  # weight and bias


def litert() -> tuple[ModuleType, ModuleType]:
    """The modules `schema_py_generated` and `interpreter` of LiteRT.

    Raises:
        SystemExit: if it is not installed.
    """
    try:
        from ai_edge_litert import interpreter, schema_py_generated
    except ImportError as error:
        raise SystemExit(f'TFLite files are read with {PACKAGE}: pip install {PACKAGE} ({error})') from error
    return schema_py_generated, interpreter


def read_convolutions(path: Path) -> list[Convolution]:
    """Weight and bias of every convolution of a TFLite file, float64, PyTorch's layout, in the order of execution.

    Raises:
        ValueError: if it is no TFLite file or a damaged one, a weight is not quantized to uint8 with one scale, or
            there is no convolution.
    """
    content = path.read_bytes()
    if content[4:8] != MAGIC:
        raise ValueError(f'{path}: expected a TFLite file, got one of another kind')
    schema, _ = litert()
    try:
        found = _convolutions(schema, content, path)
    except Exception as error:  # a damaged file can fail in any way
        if isinstance(error, ValueError) and str(error).startswith(f'{path}: '):
            raise
        raise ValueError(f'{path}: expected a whole TFLite file, got a damaged one '
                         f'({type(error).__name__}: {error})') from error
    if not found:
        raise ValueError(f'{path}: expected a DeepLabv3, got no convolution')
    return found


def _convolutions(schema: ModuleType, content: bytes, path: Path) -> list[Convolution]:
    """As of `read_convolutions`, of a file's content."""
    model = schema.Model.GetRootAs(content)
    graph, axes = model.Subgraphs(0), {getattr(schema.BuiltinOperator, name): order for name, order in AXES.items()}
    found = []
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        code = model.OperatorCodes(operator.OpcodeIndex())
        code = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())  # the field of old files is one byte
        if code in axes:
            weight, bias = (_constant(model, graph.Tensors(operator.Inputs(place)), path) for place in (1, 2))
            found.append((weight.transpose(axes[code]), bias))
    return found


def _constant(model: Any, tensor: Any, path: Path) -> np.ndarray:
    """The values that the integers of a constant stand for, float64."""
    scheme, name = tensor.Quantization(), tensor.Name().decode()
    if tensor.Type() not in DTYPES or scheme is None or scheme.ScaleLength() != 1:
        raise ValueError(f'{path}: expected constants quantized with one scale each, got another form in {name}')
    data = model.Buffers(tensor.Buffer()).DataAsNumpy()
    integers = np.frombuffer(data.tobytes(), DTYPES[tensor.Type()]).reshape(tensor.ShapeAsNumpy())
    return (integers.astype(np.float64) - scheme.ZeroPoint(0)) * scheme.Scale(0)


@torch.no_grad()
def fill(network: DeepLabMobileNetV2, constants: Sequence[Convolution]) -> None:
    """Lays weights and biases into the network.

    Raises:
        ValueError: if the number of convolutions or a shape differs.
    """
    targets = convolutions(network)
    if len(targets) != len(constants):
        raise ValueError(f'expected {len(targets)} convolutions of a DeepLabv3-MobileNetV2, got {len(constants)}')
    for number, (target, (weight, bias)) in enumerate(zip(targets, constants)):
        if tuple(target.weight.shape) != weight.shape:
            raise ValueError(f'convolution {number}: expected shape {tuple(target.weight.shape)}, got {weight.shape}')
        target.weight.copy_(torch.from_numpy(weight.copy()))
        target.get_parameter('bias').copy_(torch.from_numpy(bias.copy()))


def convert(path: Path) -> DeepLabMobileNetV2:
    """The network of a TFLite file, in eval mode; its width is read off the layer ahead of the head.

    Raises:
        ValueError: if the file is of another network.
    """
    constants = read_convolutions(path)
    last = constants[-5][0].shape[0] if len(constants) > 4 else 0  # four convolutions are the head's
    width = {channels: width for width, channels in LAST_CHANNELS.items()}.get(last)
    if width is None:
        raise ValueError(f'{path}: expected {sorted(LAST_CHANNELS.values())} channels ahead of the head, got {last}')
    network = DeepLabMobileNetV2(width, num_classes=constants[-1][0].shape[0]).eval()
    fill(network, constants)
    return network


class Interpreted:
    """Labels by the LiteRT interpreter, one thread.

    Args:
        path: TFLite file.
    """

    def __init__(self, path: Path):
        self.interpreter = litert()[1].Interpreter(str(path), num_threads=1)
        self.interpreter.allocate_tensors()
        self.input, self.output = self.interpreter.get_input_details()[0], self.interpreter.get_output_details()[0]
        self.size = tuple(self.input['shape'][1:3])

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """image: (H, W, 3), uint8, RGB, of `size`; returns (H, W)."""
        self.interpreter.set_tensor(self.input['index'], image[None])
        self.interpreter.invoke()
        return self.interpreter.get_tensor(self.output['index'])[0]


@torch.no_grad()
def labels(network: DeepLabMobileNetV2, image: np.ndarray) -> np.ndarray:
    """Labels (H, W) by the module, of (H, W, 3), uint8, RGB, sides of 16 k + 1; enlarged as TFLite's file does."""
    x = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    logits = network((x - MIDDLE) / MIDDLE)
    return _enlarged(logits, image.shape[:2]).argmax(1)[0].numpy()


def _enlarged(logits: Tensor, size: tuple[int, int]) -> Tensor:
    return torch.nn.functional.interpolate(logits, size=size, mode='bilinear', align_corners=True)


def agreements(network: DeepLabMobileNetV2, path: Path, pictures: Sequence[Path]) -> list[float]:
    """Share of pixels of each picture to which module and interpreter give the same label."""
    interpreted, found = Interpreted(path), []
    for picture in pictures:
        image = np.round(resize(read_image(picture), *interpreted.size) * 255).astype(np.uint8)
        found.append(float((labels(network, image) == interpreted(image)).mean()))
    return found


def write(path: Path, network: DeepLabMobileNetV2, source: str, *, overwrite: bool = False) -> None:
    """Writes the weights of the convolutions in half precision, whole or not at all; the rest are zeros of ours."""
    own = {id(p) for convolution in convolutions(network) for p in convolution.parameters()}
    tensors = half_precision({name: p.detach() for name, p in network.named_parameters() if id(p) in own}, name=source)
    with whole_file(path, overwrite=overwrite) as file:
        file.write(save(tensors, metadata=dict(source=source)))


def main(arguments: list[str] | None = None) -> int:
    """Converts; 0, or 1 where the labels differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('tflite', type=Path)
    parser.add_argument('weights', type=Path, help='safetensors file to write')
    parser.add_argument('--check', type=Path, metavar='FOLDER', help='photographs to compare on')
    parser.add_argument('--most', type=count, default=20, help='photographs of that folder at most')
    add_overwrite_option(parser)
    options = parser.parse_args(arguments)
    if options.check:
        demand_pictures(parser, options.check)
    pictures = list_images(options.check)[:options.most] if options.check else []
    demand_free(parser, options.weights, overwrite=options.overwrite, read=[options.tflite, *pictures])
    demand_files(parser, 'tflite', options.tflite)
    network = convert(options.tflite)
    if pictures:
        shares = agreements(network, options.tflite, pictures)
        print(f'{len(shares)} photographs: {np.mean(shares):.2%} of the pixels with the same label as by the '
              f'interpreter, at least {min(shares):.2%} of one')
        if np.mean(shares) < REQUIRED_AGREEMENT:
            print(f'expected {REQUIRED_AGREEMENT:.0%}; nothing was written')
            return 1
    write(options.weights, network, options.tflite.name, overwrite=options.overwrite)
    print(f'{options.weights}: {len(convolutions(network))} convolutions')
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main))
