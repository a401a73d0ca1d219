"""Export of an enhancer: an ONNX file, or a program of `torch.export`; every image is routed by itself, in the graph.

Ours; paper silent.
"""
import copy
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from mmengine.config import Config
from torch import Tensor, nn

import isalux_mm
from isalux_mm.apis.inferencer import EnhanceInferencer
from isalux_mm.apis.model_zoo import DEFAULT_MODEL, packaged_models
from isalux_mm.functional.checks import check_choice
from isalux_mm.functional.picture_file import whole_file
from isalux_mm.functional.tone import with_soft_highlights
from isalux_mm.models.blocks import UpsampleFuse
from isalux_mm.models.experts import MoEFFN
from isalux_mm.models.gates import Routing
from isalux_mm.models.isalux import ISALux
from isalux_mm.models.lora import LoRAProjection

if TYPE_CHECKING:
    import onnxruntime

FORMATS = ('onnx', 'torch')
HIGHLIGHTS = ('soft', 'clip')
LEAST_SIDE = 8  # pixels, ours: what both checks and tests go down to
MOST_SIDE, MOST_IMAGES = 16384, 1024  # ours: bounds that torch.export reasons with
OPSET = 18  # the first with antialiased Resize, which the semantic prior needs
INPUT, AXES = 'low', ('batch', 'channels', 'height', 'width')
# ours: largest difference from the network in PyTorch, of 1.0 full scale
LIMITS = dict(onnx=1e-3, torch=1e-5, half=2e-2)
CHECKED_SHAPES = ((1, 37, 53), (3, 64, 48), (2, 75, 130))  # (B, H, W), ours
LICENCE = 'research use: part of the training photographs is licensed so; see docs/model_card.md'
PACKAGES = dict(onnx=('onnx', 'onnxscript'), torch=())
CHECKERS = dict(onnx=('onnxruntime', ), torch=())


@dataclass(frozen=True)
class ExportReport:
    """What was written.

    Attributes:
        path: the file.
        outputs: names of the outputs, in order.
        shapes: (B, H, W) of the images on which it was compared with the network in PyTorch; none with the check off.
        worst: largest difference there, of 1.0 full scale; `None` with the check off.
        limit: what `worst` had to stay below.
    """
    path: Path
    outputs: tuple[str, ...]
    shapes: tuple[tuple[int, int, int], ...]
    worst: float | None
    limit: float


class AllExpertsFFN(nn.Module):
    """A `MoEFFN` with every expert computed, side by side as one; those that an image did not choose weigh zero.

    Args:
        ffn: its gate is used, its experts are read.
    """

    def __init__(self, ffn: MoEFFN):
        super().__init__()
        self.gate, self.experts = ffn.gate, ffn.experts

    def forward(self, x: Tensor) -> tuple[Tensor, Routing]:
        """Features (B, C, H, W) in and out, and the routing of the batch."""
        routing = self.gate(x)
        weights = torch.zeros_like(routing.probabilities).scatter(1, routing.indices, routing.weights).to(x.dtype)
        return self.experts[0].fused_forward(self.experts, x, weights), routing


class UncutUpsampleFuse(UpsampleFuse):
    """`UpsampleFuse` that crops by index: what it gives is a tensor of its own, whatever the size is.

    A slice is one only at some sizes, and the tracer would take the example's case for all.
    """

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """As of `UpsampleFuse`."""
        x = self.up(x)
        for axis in (2, 3):
            x = x.index_select(axis, torch.arange(skip.shape[axis], device=x.device))
        return self.fuse(torch.cat([x, skip], dim=1))


class ExportableEnhancer(nn.Module):
    """An enhancement network in the form that can be exported: (B, 3, H, W) to the same, float32, RGB in [0, 1].

    LoRA is folded and every expert computed, those not chosen with the weight zero: which ones an image chooses is
    then a matter of data, not of the graph, and an example cannot freeze it.

    Args:
        network: an `ISALux`, or another network with the same input and output; copied, not touched.
        half: weights and activations in float16; sums over pixels, softmax and the tone stay in float32.
        with_routing: give the indices of the chosen experts too.
        highlights: 'soft' compresses what exceeds white, as `EnhanceInferencer`; 'clip' cuts it off.

    Raises:
        ValueError: if `highlights` is unknown, or routing is asked of a network that has none.
    """

    def __init__(self, network: nn.Module, *, half: bool = False, with_routing: bool = False,
                 highlights: str = 'soft'):
        super().__init__()
        check_choice(highlights, HIGHLIGHTS, 'highlights')
        self.network = exportable(network)
        has_routing = isinstance(network, ISALux) and any(isinstance(m, MoEFFN) for m in network.modules())
        if with_routing and not has_routing:
            raise ValueError(f'routing needs an ISALux with mixtures of experts, got {type(network).__name__}')
        self.half_precision, self.with_routing, self.highlights = half, with_routing, highlights
        if half:
            self.network.half()

    def forward(self, low: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """low: (B, 3, H, W), RGB in [0, 1]; returns the same enhanced and, if asked for, the indices of the chosen
        experts, (B, layers, K), int64, encoder to decoder, ascending."""
        image = low.half() if self.half_precision else low
        routings = []
        if self.with_routing:
            enhanced, routings = self.network.forward_with_routing(image)
        else:
            enhanced = self.network(image)
        enhanced = enhanced.float()
        enhanced = with_soft_highlights(enhanced, low) if self.highlights == 'soft' else enhanced.clamp(0, 1)
        return (enhanced, torch.stack([r.indices for r in routings], dim=1)) if self.with_routing else enhanced


def exportable(network: nn.Module) -> nn.Module:
    """A copy of a network for inference alone, LoRA folded, all experts computed, in float32 on the CPU."""
    network = copy.deepcopy(network).cpu().float().eval().requires_grad_(False)
    for name, module in list(network.named_modules()):
        if isinstance(module, LoRAProjection):
            module.merge()
        elif isinstance(module, UpsampleFuse):
            module.__class__ = UncutUpsampleFuse
        elif isinstance(module, MoEFFN):
            if module.dispatch in ('fused', 'batched', 'by_image'):  # experts of one kind
                network.set_submodule(name, AllExpertsFFN(module))
            else:
                module.dispatch = 'dense'
    return network


def export_onnx(out: str | Path,
                model: str | Path | Config = DEFAULT_MODEL,
                *,
                weights: str | Path | None = None,
                half: bool = False,
                fixed_size: tuple[int, int] | None = None,
                with_routing: bool = False,
                highlights: str = 'soft',
                overwrite: bool = False,
                check: bool = True) -> ExportReport:
    """Writes an enhancer as an ONNX file: input `low`, output `enhanced`, both (B, 3, H, W), float32, RGB in [0, 1].

    Batch, height and width are free, sides from 8 pixels up. Name, version, range and licence of the weights stand in
    the file's metadata. The file appears when it is complete and has passed the check.

    Args:
        out: the file.
        model: name of a packaged model, config file, or config.
        weights: checkpoint, for a config; a packaged model brings its own.
        half: compute in float16 where that is safe; input and output stay float32.
        fixed_size: (H, W) of the only size it will take, for runtimes that want one; one image at a time.
        with_routing: second output `routing`, the chosen experts' indices, (B, layers, K), int64.
        highlights: 'soft' compresses what exceeds white, as `isalux enhance`; 'clip' cuts it off.
        overwrite: replace a file that is there.
        check: run the file with onnxruntime and compare with the network in PyTorch.

    Raises:
        FileExistsError: if `out` is there and `overwrite` is off.
        ImportError: if a package is missing; names the extra that brings it.
        RuntimeError: if the check finds a difference above the limit, or another choice of experts.
        ValueError: if an option is out of range, or weights are missing or do not fit.
    """
    return _export('onnx', out, model, weights=weights, half=half, fixed_size=fixed_size, with_routing=with_routing,
                   highlights=highlights, overwrite=overwrite, check=check)


def export_torch(out: str | Path,
                 model: str | Path | Config = DEFAULT_MODEL,
                 *,
                 weights: str | Path | None = None,
                 half: bool = False,
                 fixed_size: tuple[int, int] | None = None,
                 with_routing: bool = False,
                 highlights: str = 'soft',
                 overwrite: bool = False,
                 check: bool = True) -> ExportReport:
    """Writes an enhancer as a program of `torch.export`: `torch.export.load(FILE).module()(images)` runs it.

    Input and output, arguments and errors as of `export_onnx`; the package is not needed to run the program.
    """
    return _export('torch', out, model, weights=weights, half=half, fixed_size=fixed_size, with_routing=with_routing,
                   highlights=highlights, overwrite=overwrite, check=check)


def export_detector(out: str | Path,
                    model: str | Path,
                    checkpoint: str | Path,
                    *,
                    fixed_size: tuple[int, int] = (416, 416),
                    overwrite: bool = False,
                    check: bool = True) -> ExportReport:
    """Writes an enhancer and the YOLOX behind it as one ONNX file.

    Input `low`, (1, 3, H, W), float32, RGB in [0, 1], of one size, which has no padding; outputs `boxes`, (1, N, 4),
    left, top, right, bottom in pixels, and `scores`, (1, N, classes), before non-maximum suppression.

    Args:
        out: the file.
        model: config file of an `EnhancedDetector` with a YOLOX.
        checkpoint: of the chain, or of the detector where the enhancer has its own; mmengine may unpickle it.
        fixed_size: (H, W), multiples of the detector's largest stride.
        overwrite, check: as of `export_onnx`; what is compared are the scores.

    Raises:
        FileExistsError, ImportError, RuntimeError: as of `export_onnx`.
        ValueError: if the detector is another one, or the size does not fit.
    """
    from isalux_mm.det.exportable import ExportableDetection, load_chain
    out = Path(out)
    check_export('onnx', out, fixed_size=fixed_size, overwrite=overwrite, check=check)
    network = ExportableDetection(load_chain(model, checkpoint), exportable).eval()
    if any(side % network.stride for side in fixed_size):
        raise ValueError(f'fixed_size must be multiples of {network.stride}, got {tuple(fixed_size)}')
    outputs = ('boxes', 'scores')
    content = serialised(network, 'onnx', outputs=outputs, fixed_size=fixed_size, notes=dict(
        name=str(model), producer=f'isalux-mm {isalux_mm.__version__}', input_range='RGB, 0 to 1, NCHW, float32'))
    shape, limit, worst = (1, *fixed_size), LIMITS['onnx'], None
    if check:
        picture = dark_images(*shape)
        with torch.no_grad():
            expected, found = network(picture)[1], runner(content, 'onnx')(picture)[1]
        worst = float((expected - found).abs().max())
        if not worst <= limit:
            raise RuntimeError(f'the exported scores must agree with the network within {limit:g}, got a difference of '
                               f'{worst:.2g}; {out} was not written')
    with whole_file(out) as file:
        file.write(content)
    return ExportReport(out, outputs, (shape, ) if check else (), worst, limit)


def _export(kind: str, out: str | Path, model: str | Path | Config, *, weights: str | Path | None, half: bool,
            fixed_size: tuple[int, int] | None, with_routing: bool, highlights: str, overwrite: bool,
            check: bool) -> ExportReport:
    out = Path(out)
    check_export(kind, out, fixed_size=fixed_size, overwrite=overwrite, check=check)
    network = EnhanceInferencer(model, weights, device='cpu', show_progress=False).model.network
    options = dict(with_routing=with_routing, highlights=highlights)
    exported = ExportableEnhancer(network, half=half, **options)
    reference = ExportableEnhancer(network, **options) if half else exported
    outputs = ('enhanced', 'routing')[:1 + with_routing]
    content = serialised(exported, kind, outputs=outputs, fixed_size=fixed_size,
                         notes=metadata(model, half=half, highlights=highlights))
    shapes = () if not check else CHECKED_SHAPES if fixed_size is None else ((1, *fixed_size), )
    limit = LIMITS['half' if half else kind]
    worst = None
    if check:
        pictures = [dark_images(*shape) for shape in shapes]
        worst = largest_difference(reference, runner(content, kind), pictures, same_routing=not half)
        if not worst <= limit:
            raise RuntimeError(f'the exported file must agree with the network within {limit:g} of full scale, '
                               f'got a difference of {worst:.2g}; {out} was not written')
    with whole_file(out) as file:
        file.write(content)
    return ExportReport(out, outputs, shapes, worst, limit)


def check_export(kind: str, out: Path, *, fixed_size: tuple[int, int] | None, overwrite: bool, check: bool) -> None:
    """What can be wrong with an export before any work: packages, the file, the size. Errors as of `export_onnx`."""
    check_choice(kind, FORMATS, 'format')
    missing = [name for name in (*PACKAGES[kind], *(CHECKERS[kind] if check else ())) if find_spec(name) is None]
    if missing:
        raise ImportError(f'export to {kind} needs {", ".join(missing)}: pip install "isalux-mm[export]"')
    if fixed_size is not None and (len(fixed_size) != 2 or min(fixed_size) < LEAST_SIDE):
        raise ValueError(f'fixed_size must be (height, width) from {LEAST_SIDE} pixels up, got {tuple(fixed_size)}')
    if out.is_dir():
        raise IsADirectoryError(f'out must be a file, got the folder {out}')
    if out.exists() and not overwrite:
        raise FileExistsError(f'{out} exists; overwrite (--overwrite) replaces it')


def metadata(model: str | Path | Config, *, half: bool, highlights: str) -> dict[str, str]:
    """What is to be known of a file, by key."""
    packaged = isinstance(model, str) and model in packaged_models()
    name = model if packaged else Path(model).stem if isinstance(model, str | Path) else 'custom'
    return dict(
        name=str(name), producer=f'isalux-mm {isalux_mm.__version__}', input_range='RGB, 0 to 1, NCHW, float32',
        output_range='RGB, 0 to 1, NCHW, float32', computes_in='float16' if half else 'float32',
        highlights=highlights, least_side=str(LEAST_SIDE), code_licence='Apache-2.0',
        weights_licence=LICENCE if packaged else 'as of the weights that were given')


def serialised(network: nn.Module, kind: str, *, outputs: Sequence[str], fixed_size: tuple[int, int] | None,
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
        exported = torch.onnx.export(program, dynamo=True, input_names=[INPUT], output_names=list(outputs),
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
