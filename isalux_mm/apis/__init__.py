"""Enhancement in one line: pictures in, pictures out; importing registers the inferencer."""
from isalux_mm.apis.inferencer import EnhanceInferencer, EnhanceReport

__all__ = ['EnhanceInferencer', 'EnhanceReport']
