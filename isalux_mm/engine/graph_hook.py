"""`CudaGraphHook`: forward and backward of a training's losses as two launches instead of thousands (ours)."""
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from isalux_mm.registry import HOOKS
from isalux_mm.structures import EnhanceDataSample

DEVICE = 'cuda'  # the one kind that has such graphs


@HOOKS.register_module()
class CudaGraphHook(Hook):
    """Records a model's losses, forward and backward, as CUDA graphs at the first iteration, and replays them (ours).

    For views of one size on an NVIDIA GPU: a small network's step is thousands of short kernels, whose launches take
    longer than they do. With `CompileBlocksHook` before it among the hooks, what is recorded are the compiled kernels.
    The optimizer, its checks and its hooks run as ever. Weights and checkpoints are those of the plain model.

    Raises:
        ValueError: before training, if the model is not on an NVIDIA GPU, or is distributed; and in it, if a batch has
            another shape than the first.
    """
    priority = 'LOW'  # behind hooks that put compiled functions in

    def before_train(self, runner: Runner) -> None:
        """Puts the recorded losses in the place of the model's; they are recorded at the first iteration."""
        model: Any = runner.model
        if is_model_wrapper(model):
            raise ValueError('CudaGraphHook runs in one process, got a distributed model')
        device = next(model.parameters()).device
        if device.type != DEVICE:
            raise ValueError(f'CudaGraphHook needs a model on an NVIDIA GPU, got one on {device}; '
                             'without it in custom_hooks any device will do')
        model.__dict__['loss'] = RecordedLoss(model)

    def after_train(self, runner: Runner) -> None:
        """Leaves the plain function."""
        vars(runner.model).pop('loss', None)


class RecordedLoss:
    """A model's `loss(inputs, data_samples)`, recorded when it is first called and replayed from then on.

    Values and gradients are the plain ones. What the model leaves as `last_routings` is replayed along.

    Args:
        model: has `loss`, and `last_routings`.
    """

    def __init__(self, model: nn.Module):
        trained: Any = model
        self.model, self.plain = trained, trained.loss
        self.recorded: Any = None
        self.shapes: list[tuple[int, ...]] = []
        self.structure: Any = None

    def __call__(self, inputs: Tensor, data_samples: Sequence[EnhanceDataSample]) -> dict[str, Tensor]:
        """Losses by name, each a tensor of its own, so that logs may keep it."""
        tensors = [inputs, *(sample.gt_img for sample in data_samples if 'gt_img' in sample)]
        if self.recorded is None:
            self.record(tensors, data_samples)
        shapes = [tuple(t.shape) for t in tensors]
        if shapes != self.shapes:
            raise ValueError(f'CudaGraphHook needs batches of one shape, inputs and references of {self.shapes}, '
                             f'got {shapes}')
        losses, self.model.last_routings = tree_unflatten(list(self.recorded(*tensors)), self.structure)
        return {name: value.clone() for name, value in losses.items()}

    def record(self, tensors: Sequence[Tensor], data_samples: Sequence[EnhanceDataSample]) -> None:
        """Records the losses of a batch; `tensors` are its inputs and references."""
        self.shapes = [tuple(t.shape) for t in tensors]
        device = tensors[0].device.type
        step = LossStep(self, data_samples, torch.is_autocast_enabled(device), torch.get_autocast_dtype(device))
        with torch.autocast(device, enabled=False, cache_enabled=False):  # backward runs outside of it
            # copies, since what is given is what every replay reads
            self.recorded = torch.cuda.make_graphed_callables(
                step, tuple(t.clone() for t in tensors), allow_unused_input=True)


class LossStep(nn.Module):
    """The losses of a batch as a function of tensors alone, which is what can be recorded.

    Args:
        loss: keeps the structure of what comes out.
        data_samples: of the batch; references are put into them.
        autocast: whether it runs under autocast.
        dtype: of autocast.
    """

    def __init__(self, loss: RecordedLoss, data_samples: Sequence[EnhanceDataSample], autocast: bool,
                 dtype: torch.dtype):
        super().__init__()
        self.model, self.loss = loss.model, loss
        self.data_samples, self.autocast, self.dtype = data_samples, autocast, dtype

    def forward(self, inputs: Tensor, *references: Tensor) -> tuple[Tensor, ...]:
        """Losses and routing, flat."""
        for sample, reference in zip(self.data_samples, references):
            sample.gt_img = reference
        with torch.autocast(inputs.device.type, dtype=self.dtype, enabled=self.autocast, cache_enabled=False):
            losses = self.loss.plain(inputs, self.data_samples)
        flat, self.loss.structure = tree_flatten((losses, self.model.last_routings))
        return tuple(flat)
