"""Peers of the field that `tools/benchmark.py` measures: compact re-implementations with the published shapes.

They compute with the operators and memory layouts of the published code, as users run it: eager, NCHW, no fusion.
"""
from peers.restormer import Restormer
from peers.retinexformer import Retinexformer

__all__ = ['Restormer', 'Retinexformer']
