"""mmdet behind an enhancer, and dark detection data; the only folder that imports mmdet. Importing registers all."""
from isalux_mm.compat import install_mmcv_ops

install_mmcv_ops()  # before mmdet's models

from isalux_mm.det import (  # noqa: E402, F401
    darken,
    enhanced_detector,
    exdark,
    exdark_metric,
    hooks,
    inferencer,
)
from isalux_mm.det.enhanced_detector import EnhancedDetector  # noqa: E402
from isalux_mm.det.inferencer import EnhancedDetInferencer  # noqa: E402

__all__ = ['EnhancedDetInferencer', 'EnhancedDetector']
