"""Enhancement in one line: pictures or videos in, enhanced ones out, and export; importing registers the inferencer."""
from importlib import import_module
from typing import TYPE_CHECKING

from isalux_mm.apis.inferencer import EnhanceInferencer
from isalux_mm.apis.jobs import EnhanceReport
from isalux_mm.apis.tone import Tone

if TYPE_CHECKING:
    from isalux_mm.apis.export import ExportReport, export_detector, export_onnx, export_torch
    from isalux_mm.apis.video import VideoEnhancer, VideoReport

__all__ = ['EnhanceInferencer', 'EnhanceReport', 'ExportReport', 'Tone', 'VideoEnhancer', 'VideoReport',
           'export_detector', 'export_onnx', 'export_torch']
# imported when they are asked for (PEP 562)
LATER = {
    **dict.fromkeys(('ExportReport', 'export_detector', 'export_onnx', 'export_torch'), 'isalux_mm.apis.export'),
    **dict.fromkeys(('VideoEnhancer', 'VideoReport'), 'isalux_mm.apis.video'),
}


def __getattr__(name: str) -> object:
    if name not in LATER:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(LATER[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
