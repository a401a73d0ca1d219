"""mmseg behind an enhancer, and its segmentors as priors; the only folder that imports mmseg.

Importing registers all.
"""
from isalux_mm.compat import install_mmcv_ops

install_mmcv_ops()  # before mmseg's models

from isalux_mm.seg.darken import PackDarkSegInputs  # noqa: E402
from isalux_mm.seg.datasets import ACDCDataset  # noqa: E402
from isalux_mm.seg.enhanced_segmentor import EnhancedSegmentor  # noqa: E402
from isalux_mm.seg.hooks import EnhancedSegVisualizationHook  # noqa: E402
from isalux_mm.seg.prior import MMSegSemanticPrior  # noqa: E402

__all__ = ['ACDCDataset', 'EnhancedSegVisualizationHook', 'EnhancedSegmentor', 'MMSegSemanticPrior',
           'PackDarkSegInputs']
