"""Optimizers: frozen parameters stay outside; mixed precision on processors."""
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from torch import nn

from isalux_mm.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Runs the forward under autocast in bfloat16 on any device, a CPU among them, which `AmpOptimWrapper` refuses.

    bfloat16 has the range of float32, so the loss is not scaled; weights, gradients and the optimizer's state stay in
    float32. It is faster where the processor has instructions for it (AVX-512 BF16, AMX), many times slower elsewhere.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """The context of the forward."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, dtype=torch.bfloat16):
            yield


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
