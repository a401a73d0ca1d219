"""Metrics; importing registers them."""
from isalux_mm.evaluation.metrics import LPIPS, NIQE, ImageMetric, LabelAgreement, PairedImageQuality

__all__ = ['ImageMetric', 'LPIPS', 'LabelAgreement', 'NIQE', 'PairedImageQuality']
