"""ISALux-MM: illumination- and semantics-aware low-light enhancement as a plugin of the OpenMMLab stack.

Importing the package makes its registries known under the scope `isalux_mm`; their contents are imported when
they are first asked for. mmdet and mmseg are needed by `isalux_mm.det` and `isalux_mm.seg` alone.
"""
from isalux_mm import registry  # noqa: F401

__version__ = '0.1.0'
