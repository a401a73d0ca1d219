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
    """Writes an enhancer and the detector behind it as one ONNX file.

    Input `low`, (1, 3, H, W), float32, RGB in [0, 1], of one size, which has no padding; outputs `boxes`, (1, N, 4),
    left, top, right, bottom in pixels, and `scores`, (1, N, classes), before non-maximum suppression. Detectors:
    YOLOX, and those of one stage that predict by mmdet's common rule (RetinaNet, FCOS, ATSS, RTMDet and their like).

    Args:
        out: the file.
        model: config file of an `EnhancedDetector`.
        checkpoint: of the chain, or of the detector where the enhancer has its own.
        fixed_size: (H, W); padding that the detector wants is in the file.
        overwrite: as of `export_onnx`.
        check: likewise; compared are the scores, and the boxes in parts of the picture's longer side.

    Raises:
        FileExistsError, ImportError, RuntimeError: as of `export_onnx`.
        ValueError: if the detector is another one, and what to do then.
    """
    from isalux_mm.det.exportable import ExportableDetection, load_chain
    out = Path(out)
    check_export('onnx', out, fixed_size=fixed_size, overwrite=overwrite, check=check)
    network = ExportableDetection(load_chain(model, checkpoint)).eval()
    outputs = ('boxes', 'scores')
    content = serialized(network, 'onnx', outputs=outputs, fixed_size=fixed_size, notes=dict(
        name=str(model), producer=f'isalux-mm {isalux_mm.__version__}', input_range='RGB, 0 to 1, NCHW, float32'))
    shape, limit, worst = (1, *fixed_size), LIMITS['onnx'], None
    if check:
        picture = dark_images(*shape)
        with torch.no_grad():
            expected, found = network(picture), runner(content, 'onnx')(picture)
        # a box may reach far beyond the picture: then its error counts as a part of that
        scale = expected[0].abs().clamp_min(max(fixed_size))
        worst = max(float(((expected[0] - found[0]) / scale).abs().max()), float((expected[1] - found[1]).abs().max()))
    report = ExportReport(out, outputs, (shape, ) if check else (), worst, limit)
    return write_checked(report, content, 'the exported boxes and scores', overwrite=overwrite)
