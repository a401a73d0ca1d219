"""What an export is asked for, checked ahead of any work, and what it reports."""
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from isalux_mm.functional.checks import check_choice
from isalux_mm.io.whole_file import check_free, whole_file

FORMATS = ('onnx', 'torch')
LEAST_SIDE = 8  # pixels, ours: what both checks and tests go down to
# ours: largest difference from the network in PyTorch, of 1.0 full scale
LIMITS = dict(onnx=1e-3, torch=1e-5, half=2e-2)
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


def check_export(kind: str, out: Path, *, fixed_size: tuple[int, int] | None, overwrite: bool, check: bool) -> None:
    """What can be wrong with an export before any work: packages, the file, the size. Errors as of `export_onnx`."""
    check_choice(kind, FORMATS, 'format')
    missing = [name for name in (*PACKAGES[kind], *(CHECKERS[kind] if check else ())) if find_spec(name) is None]
    if missing:
        raise ImportError(f'export to {kind} needs {", ".join(missing)}: pip install "isalux-mm[export]"')
    if fixed_size is not None and (len(fixed_size) != 2 or min(fixed_size) < LEAST_SIDE):
        raise ValueError(f'fixed_size must be (height, width) from {LEAST_SIDE} pixels up, got {tuple(fixed_size)}')
    check_free(out, overwrite=overwrite)


def write_checked(report: ExportReport, content: bytes, what: str, *, overwrite: bool) -> ExportReport:
    """Writes the file of a report, whole, and returns the report.

    Args:
        report: of a file that is not there yet.
        content: of the file.
        what: was compared, for the error.
        overwrite: replace a file that is there.

    Raises:
        RuntimeError: if the comparison found more than its limit; nothing is written then.
    """
    if report.worst is not None and not report.worst <= report.limit:
        raise RuntimeError(f'{what} must agree with the network within {report.limit:g} of full scale, '
                           f'got a difference of {report.worst:.2g}; {report.path} was not written')
    with whole_file(report.path, overwrite=overwrite) as file:
        file.write(content)
    return report
