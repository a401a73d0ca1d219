"""mmdet behind an enhancer, and dark detection data; the only folder that imports mmdet. Importing registers all."""
from isalux_mm.compat import install_mmcv_ops

install_mmcv_ops()  # before mmdet's models

from isalux_mm.det.darken import (  # noqa: E402
    LoadReferenceImage,
    PackDarkDetInputs,
    SplitReferenceImage,
    UnlabeledDetInputs,
)
from isalux_mm.det.enhanced_detector import EnhancedDetector  # noqa: E402
from isalux_mm.det.exdark import ExDarkDataset  # noqa: E402
from isalux_mm.det.exdark_metric import ExDarkMetric  # noqa: E402
from isalux_mm.det.hooks import EnhancedDetVisualizationHook  # noqa: E402
from isalux_mm.det.inferencer import EnhancedDetInferencer  # noqa: E402

__all__ = ['EnhancedDetInferencer', 'EnhancedDetVisualizationHook', 'EnhancedDetector', 'ExDarkDataset',
           'ExDarkMetric', 'LoadReferenceImage', 'PackDarkDetInputs', 'SplitReferenceImage', 'UnlabeledDetInputs']
