"""The operators are put in place before any test imports mmseg's models."""
from importlib.util import find_spec

if find_spec('mmseg'):
    import isalux_mm.seg  # noqa: F401
