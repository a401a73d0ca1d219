"""`CudaGraphHook`: forward and backward of a training's losses as two launches instead of thousands (ours)."""
import copy
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from isalux_mm.registry import HOOKS
from isalux_mm.structures import EnhanceDataSample

DEVICE = 'cuda'  # the one kind that has such graphs


@HOOKS.register_module()
class CudaGraphHook(Hook):
    """Records an enhancer's losses, forward and backward, as CUDA graphs, and replays them (ours).

    That happens at the first iteration, for views of one size on an NVIDIA GPU: a small network's step is thousands of
    short kernels, whose launches take longer than they do. With `CompileBlocksHook` among the hooks, too, what is
    recorded are the compiled kernels. The optimizer, its checks and its hooks run as ever; gradients are set to `None`
    between steps, as mmengine does. Weights and checkpoints are those of the plain model.

    Raises:
        ValueError: before training, if the model is no enhancer, is not on an NVIDIA GPU or is distributed, or
            gradients are accumulated; and in it, if a batch has another shape than the first.
    """

    def before_train(self, runner: Runner) -> None:
        """Puts the recorded losses in the place of the model's; they are recorded at the first iteration."""
        model: Any = runner.model
        if is_model_wrapper(model):
            raise ValueError('CudaGraphHook runs in one process, got a distributed model; '
                             'without it in custom_hooks several will do')
        if 'last_routings' not in vars(model):
            raise ValueError(f'CudaGraphHook records the losses of an enhancer alone, got a {type(model).__name__}')
        device = next(model.parameters()).device
        if device.type != DEVICE:
            raise ValueError(f'CudaGraphHook needs a model on an NVIDIA GPU, got one on {device}; '
                             'without it in custom_hooks any device will do')
        accumulated = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
        if accumulated != 1:
            raise ValueError(f'CudaGraphHook needs accumulative_counts=1 of the optim_wrapper, got {accumulated}: '
                             'a replay writes over the gradients of the one before')
        model.__dict__['loss'] = RecordedLoss(model)

    def after_train(self, runner: Runner) -> None:
        """Leaves the plain function."""
        vars(runner.model).pop('loss', None)


class RecordedLoss:
    """A model's `loss(inputs, data_samples)`, recorded when it is first called and replayed from then on.

    Values and gradients are the plain ones; the latter lie in memory that the next call writes over. What the model
    leaves as `last_routings` is replayed along.

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
        """Losses by name; they and the routings are tensors of their own, so that logs may keep them."""
        tensors = [inputs, *(sample.gt_img for sample in data_samples if 'gt_img' in sample)]
        valid = [tuple(sample.get('img_shape', inputs.shape[-2:])) for sample in data_samples]
        shapes = [*(tuple(t.shape) for t in tensors), *valid]
        if self.recorded is None:
            self.record(tensors, data_samples)
            self.shapes = shapes
        if shapes != self.shapes:
            raise ValueError('CudaGraphHook needs batches of one shape: inputs, references and valid sizes were '
                             f'{self.shapes}, got {shapes}')
        losses, routings = tree_unflatten(list(self.recorded(*tensors)), self.structure)
        self.model.last_routings = tree_map(lambda t: t.detach().clone(), routings)
        return {name: value.clone() for name, value in losses.items()}

    def record(self, tensors: Sequence[Tensor], data_samples: Sequence[EnhanceDataSample]) -> None:
        """Records the losses of a batch; `tensors` are its inputs and references. Chance goes on as if it had not."""
        device = tensors[0].device
        step = LossStep(self, data_samples, torch.is_autocast_enabled(device.type),
                        torch.get_autocast_dtype(device.type))
        devices = [device] if tensors[0].is_cuda else []
        # backward runs outside of autocast
        with torch.random.fork_rng(devices), torch.autocast(device.type, enabled=False, cache_enabled=False):
            # copies, since what is given is what every replay reads
            self.recorded = torch.cuda.make_graphed_callables(
                step, tuple(t.clone() for t in tensors), allow_unused_input=True)


class LossStep(nn.Module):
    """The losses of a batch as a function of tensors alone, which is what can be recorded.

    Args:
        loss: keeps the structure of what comes out.
        data_samples: of the batch; references are put into copies of them.
        autocast: whether it runs under autocast.
        dtype: of autocast.
    """

    def __init__(self, loss: RecordedLoss, data_samples: Sequence[EnhanceDataSample], autocast: bool,
                 dtype: torch.dtype):
        super().__init__()
        self.model, self.loss = loss.model, loss
        self.data_samples = [copy.copy(sample) for sample in data_samples]
        self.autocast, self.dtype = autocast, dtype

    def forward(self, inputs: Tensor, *references: Tensor) -> tuple[Tensor, ...]:
        """Losses and routing, flat."""
        for sample, reference in zip((s for s in self.data_samples if 'gt_img' in s), references):
            sample.gt_img = reference
        with torch.autocast(inputs.device.type, dtype=self.dtype, enabled=self.autocast, cache_enabled=False):
            losses = self.loss.plain(inputs, self.data_samples)
        flat, self.loss.structure = tree_flatten((losses, self.model.last_routings))
        return tuple(flat)
