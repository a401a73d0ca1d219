"""Optimizer construction: frozen parameters stay outside."""
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from torch import nn

from isalux_mm.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TrainableOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor, after which the optimizer holds trainable parameters only.

    A frozen prior has no gradient and would be skipped at every step anyway; this way it takes no part in counts,
    fused updates or the optimizer's state either.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        wrapper = super().__call__(model)
        groups = wrapper.optimizer.param_groups
        for group in groups:
            group['params'] = [p for p in group['params'] if p.requires_grad]
        groups[:] = [group for group in groups if group['params']]
        return wrapper
