"""Running exported files, and comparing them with the network in PyTorch."""
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    import onnxruntime

INPUT = 'low'  # name of the only input


def runner(content: bytes, kind: str) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """What runs an exported file: images (B, 3, H, W) to its outputs."""
    if kind == 'torch':
        module = torch.export.load(io.BytesIO(content)).module()

        def run(images: Tensor) -> tuple[Tensor, ...]:
            with torch.no_grad():
                return as_tuple(module(images))
    else:
        session = onnx_session(content)

        def run(images: Tensor) -> tuple[Tensor, ...]:
            return tuple(map(torch.from_numpy, session.run(None, {INPUT: images.numpy()})))
    return run


def onnx_session(model: bytes | str | Path, *, threads: int | None = None) -> 'onnxruntime.InferenceSession':
    """onnxruntime on the CPU with PyTorch's number of threads, or `threads`."""
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads() if threads is None else threads
    options.log_severity_level = 3  # errors alone
    return onnxruntime.InferenceSession(model if isinstance(model, bytes) else str(model), options,
                                        providers=['CPUExecutionProvider'])


def largest_difference(network: nn.Module, run: Callable[[Tensor], tuple[Tensor, ...]], pictures: Sequence[Tensor],
                       *, same_routing: bool = True) -> float:
    """The largest difference of first outputs over all pictures.

    Raises:
        RuntimeError: if a second output, the chosen experts, differs while `same_routing` is wanted.
    """
    worst = 0.0
    for images in pictures:
        with torch.no_grad():
            expected = as_tuple(network(images))
        found = run(images)
        if same_routing and not all(map(torch.equal, expected[1:], found[1:])):
            raise RuntimeError(f'the exported file chooses other experts than the network, at {tuple(images.shape)}')
        worst = max(worst, float((expected[0] - found[0]).abs().max()))
    return worst


def as_tuple(outputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Outputs of a network as a tuple, also a single one."""
    return outputs if isinstance(outputs, tuple) else (outputs, )


def dark_images(batch: int, height: int, width: int) -> Tensor:
    """Pictures (B, 3, H, W), RGB in [0, 1], seeded: smooth, grainy, each of another brightness and tint."""
    generator = torch.Generator().manual_seed(height * width)
    coarse = torch.rand(batch, 3, 4, 5, generator=generator)
    smooth = F.interpolate(coarse, size=(height, width), mode='bilinear')
    gain = torch.rand(batch, 3, 1, 1, generator=generator) * torch.linspace(1, 0.1, batch).view(-1, 1, 1, 1)
    grain = 0.02 * torch.randn(batch, 3, height, width, generator=generator)
    return (smooth * gain + grain).clamp(0, 1)
