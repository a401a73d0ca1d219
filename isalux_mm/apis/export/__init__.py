"""Export: an enhancer, alone or ahead of a detector, as a file that runs without this package."""
from isalux_mm.apis.export.detectors import export_detector
from isalux_mm.apis.export.enhancers import export_onnx, export_torch
from isalux_mm.apis.export.report import ExportReport

__all__ = ['ExportReport', 'export_detector', 'export_onnx', 'export_torch']
