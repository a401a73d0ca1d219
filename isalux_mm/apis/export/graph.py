"""A network as a program of `torch.export` or an ONNX file, with free batch, height and width or of one size."""
import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

import torch
from torch import Tensor, nn

from isalux_mm.apis.export.report import LEAST_SIDE
from isalux_mm.apis.export.running import INPUT, dark_images

MOST_SIDE, MOST_IMAGES = 16384, 1024  # ours: bounds that torch.export reasons with
OPSET = 18  # the first with antialiased Resize, which the semantic prior needs
AXES = ('batch', 'channels', 'height', 'width')


def serialized(network: nn.Module, kind: str, *, outputs: Sequence[str], fixed_size: tuple[int, int] | None,
               notes: dict[str, str], multiple: int = 1) -> bytes:
    """A network of one input (B, 3, H, W), float32, as the content of a file.

    Args:
        network: in eval mode.
        kind: 'onnx' or 'torch'.
        outputs: their names.
        fixed_size: (H, W) of the only size, or `None` for free batch, height and width.
        notes: metadata of the file.
        multiple: of which free sides are multiples.
    """
    example = dark_images(1, *fixed_size) if fixed_size else dark_images(2, 5 * multiple + 59, 7 * multiple + 93)
    program = traced(network, example, dynamic=fixed_size is None)
    if kind == 'torch':
        file = io.BytesIO()
        torch.export.save(program, file, extra_files=notes)
        return file.getvalue()
    return to_onnx(program, outputs, notes)


def to_onnx(program: torch.export.ExportedProgram, outputs: Sequence[str], notes: dict[str, str]) -> bytes:
    """A program as the content of an ONNX file."""
    import onnx
    from onnx_ir.passes.common import CommonSubexpressionEliminationPass
    from onnxscript.optimizer import fold_constants, remove_unused_nodes
    with quiet_exporter():
        # of the exporter's own passes the cheap ones, which do nearly all; its pattern rewriting takes minutes
        exported: Any = torch.onnx.export(program, dynamo=True, input_names=[INPUT], output_names=list(outputs),
                                     opset_version=OPSET, verbose=False, optimize=False)
        fold_constants(exported.model)
        CommonSubexpressionEliminationPass()(exported.model)
        remove_unused_nodes(exported.model)
    shape = exported.model.graph.inputs[0].shape
    exported.rename_axes({str(axis): name for axis, name in zip(shape, AXES) if not isinstance(axis, int)})
    exported.model.metadata_props.update(notes)
    proto = exported.model_proto
    onnx.checker.check_model(proto, full_check=True)
    return proto.SerializeToString()


def traced(network: nn.Module, example: Tensor, *, dynamic: bool) -> torch.export.ExportedProgram:
    """The program of a network, with batch, height and width free where it is `dynamic`."""
    dim = torch.export.Dim
    sides = dict(min=LEAST_SIDE, max=MOST_SIDE)
    axes = {0: dim('batch', min=1, max=MOST_IMAGES), 2: dim('height', **sides), 3: dim('width', **sides)}
    with torch.no_grad():
        # relations of sizes that the tracer cannot prove, cropping to a skip above all, are left to the run
        return torch.export.export(network, (example, ), dynamic_shapes=(axes, ) if dynamic else None,
                                   prefer_deferred_runtime_asserts_over_guards=True)


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Keeps the exporter's progress and its warnings on its own internals to itself."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter('ignore')
        yield
