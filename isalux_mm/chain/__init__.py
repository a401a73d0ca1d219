"""Ahead of a task model: the neck, and what every chain of an enhancer and a detector or segmentor shares.

Needs neither mmdet nor mmseg. Importing registers all.
"""
from isalux_mm.chain.losses import ChainLosses, FeatureConsistencyLoss
from isalux_mm.chain.neck import ISALuxNeck
from isalux_mm.chain.preprocessor import ChainDataPreprocessor
from isalux_mm.chain.task import EnhancedTask

__all__ = ['ChainDataPreprocessor', 'ChainLosses', 'EnhancedTask', 'FeatureConsistencyLoss', 'ISALuxNeck']
