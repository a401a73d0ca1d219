"""Export of an enhancer ahead of a detector: one ONNX file."""
from pathlib import Path

import torch

import isalux_mm
from isalux_mm.apis.export.graph import serialized
from isalux_mm.apis.export.report import LIMITS, ExportReport, check_export, write_checked
from isalux_mm.apis.export.running import dark_images, runner


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
        checkpoint: of the chain, or of the detector where the enhancer has its own.
        fixed_size: (H, W), multiples of the detector's largest stride.
        overwrite: as of `export_onnx`.
        check: likewise; what is compared are the scores.

    Raises:
        FileExistsError, ImportError, RuntimeError: as of `export_onnx`.
        ValueError: if the detector is another one, or the size does not fit.
    """
    from isalux_mm.det.exportable import ExportableDetection, load_chain
    out = Path(out)
    check_export('onnx', out, fixed_size=fixed_size, overwrite=overwrite, check=check)
    network = ExportableDetection(load_chain(model, checkpoint)).eval()
    if any(side % network.stride for side in fixed_size):
        raise ValueError(f'fixed_size must be multiples of {network.stride}, got {tuple(fixed_size)}')
    outputs = ('boxes', 'scores')
    content = serialized(network, 'onnx', outputs=outputs, fixed_size=fixed_size, notes=dict(
        name=str(model), producer=f'isalux-mm {isalux_mm.__version__}', input_range='RGB, 0 to 1, NCHW, float32'))
    shape, limit, worst = (1, *fixed_size), LIMITS['onnx'], None
    if check:
        picture = dark_images(*shape)
        with torch.no_grad():
            expected, found = network(picture)[1], runner(content, 'onnx')(picture)[1]
        worst = float((expected - found).abs().max())
    report = ExportReport(out, outputs, (shape, ) if check else (), worst, limit)
    return write_checked(report, content, 'the exported scores', overwrite=overwrite)
