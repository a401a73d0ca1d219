"""The engine: the paper's networks with the same numbers, faster, of any size, and frame after frame."""
from isalux_mm.inference.prepare import PreparedNetwork, prepare_for_inference
from isalux_mm.inference.temporal import TemporalEnhancer
from isalux_mm.inference.tiled import enhance_tiled

__all__ = ['PreparedNetwork', 'TemporalEnhancer', 'enhance_tiled', 'prepare_for_inference']
