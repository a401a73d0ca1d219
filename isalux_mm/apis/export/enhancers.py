"""Export of an enhancer: an ONNX file or a program; every image is routed by itself, in the graph (ours)."""
from functools import partial
from pathlib import Path

from mmengine.config import Config

import isalux_mm
from isalux_mm.apis.export.graph import serialized
from isalux_mm.apis.export.report import LEAST_SIDE, LIMITS, ExportReport, check_export, write_checked
from isalux_mm.apis.export.running import dark_images, largest_difference, runner
from isalux_mm.apis.inferencer import EnhanceInferencer
from isalux_mm.apis.tone import Tone
from isalux_mm.inference.export_forms import ExportableEnhancer
from isalux_mm.model_zoo import DEFAULT_MODEL, packaged_models

CHECKED_SHAPES = ((1, 37, 53), (3, 64, 48), (2, 75, 130))  # (B, H, W), ours
LICENSE = 'research use: part of the training photographs is licensed so; see docs/model_card.md'


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


def _export(kind: str, out: str | Path, model: str | Path | Config, *, weights: str | Path | None, half: bool,
            fixed_size: tuple[int, int] | None, with_routing: bool, highlights: str, overwrite: bool,
            check: bool) -> ExportReport:
    out, tone = Path(out), Tone(highlights=highlights)
    check_export(kind, out, fixed_size=fixed_size, overwrite=overwrite, check=check)
    network = EnhanceInferencer(model, weights, device='cpu', show_progress=False).trained
    form = partial(ExportableEnhancer, network, with_routing=with_routing, highlights=tone.highlights)
    exported = form(half=half)
    reference = form() if half else exported
    outputs = ('enhanced', 'routing')[:1 + with_routing]
    content = serialized(exported, kind, outputs=outputs, fixed_size=fixed_size,
                         notes=metadata(model, half=half, highlights=tone.highlights))
    shapes = () if not check else CHECKED_SHAPES if fixed_size is None else ((1, *fixed_size), )
    worst = None
    if check:
        pictures = [dark_images(*shape) for shape in shapes]
        worst = largest_difference(reference, runner(content, kind), pictures, same_routing=not half)
    report = ExportReport(out, outputs, shapes, worst, LIMITS['half' if half else kind])
    return write_checked(report, content, 'the exported file', overwrite=overwrite)


def metadata(model: str | Path | Config, *, half: bool, highlights: str) -> dict[str, str]:
    """What is to be known of a file, by key."""
    packaged = isinstance(model, str) and model in packaged_models()
    name = model if packaged else Path(model).stem if isinstance(model, str | Path) else 'custom'
    return dict(
        name=str(name), producer=f'isalux-mm {isalux_mm.__version__}', input_range='RGB, 0 to 1, NCHW, float32',
        output_range='RGB, 0 to 1, NCHW, float32', computes_in='float16' if half else 'float32',
        highlights=highlights, least_side=str(LEAST_SIDE), code_license='Apache-2.0',
        weights_license=LICENSE if packaged else 'as of the weights that were given')
