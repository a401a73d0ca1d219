"""mmseg behind an enhancer, and its segmentors as priors; the only folder that imports mmseg.

Importing registers all.
"""
from isalux_mm.compat import install_mmcv_ops

install_mmcv_ops()  # before mmseg's models

from isalux_mm.seg import darken, datasets, enhanced_segmentor, hooks, prior  # noqa: E402, F401
from isalux_mm.seg.enhanced_segmentor import EnhancedSegmentor  # noqa: E402
from isalux_mm.seg.prior import MMSegSemanticPrior  # noqa: E402

__all__ = ['EnhancedSegmentor', 'MMSegSemanticPrior']
