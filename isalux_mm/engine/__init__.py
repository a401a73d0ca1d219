"""Hooks and the construction of optimizers; importing registers them."""
from isalux_mm.engine.checkpoint_hook import DurableCheckpointHook
from isalux_mm.engine.graph_hook import CudaGraphHook
from isalux_mm.engine.hooks import CompileBlocksHook, EnhanceVisualizationHook, ExpertUsageHook, SaveEnhancedHook
from isalux_mm.engine.loops import CheckedEpochLoop, CheckedIterLoop
from isalux_mm.engine.optim import BFloat16OptimWrapper, TrainableOptimWrapperConstructor

__all__ = ['BFloat16OptimWrapper', 'CheckedEpochLoop', 'CheckedIterLoop', 'CompileBlocksHook', 'CudaGraphHook',
           'DurableCheckpointHook', 'EnhanceVisualizationHook', 'ExpertUsageHook', 'SaveEnhancedHook',
           'TrainableOptimWrapperConstructor']
