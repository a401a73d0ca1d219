"""What is looked at in training so that hours are not lost: losses, gradients and weights that are no numbers."""
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

FILES = ('low_path', 'gt_path', 'img_path')  # what a sample knows of where it comes from
SHOWN = 16  # files in a message


class NotFiniteError(ArithmeticError):
    """A loss, gradient or weight that is infinite or no number; training on would spoil every checkpoint."""


class FiniteGuard:
    """An optimizer wrapper that takes no step where the loss or its gradient is not finite; else as the wrapper.

    All processes of a training take the step or none does.

    Args:
        wrapper: does the work. `AmpOptimWrapper` looks at gradients itself, and makes steps smaller.

    Attributes:
        refused: what was not finite, 'loss' or 'gradient'; empty where all was well.
    """

    def __init__(self, wrapper: OptimWrapper):
        self.wrapper, self.refused = wrapper, ''

    def update_params(self, loss: Tensor, step_kwargs: Mapping | None = None,
                      zero_kwargs: Mapping | None = None) -> None:
        """As of `OptimWrapper`, or nothing."""
        if not everywhere(bool(torch.isfinite(loss.detach()).all()), loss.device):
            self.refused = 'loss'
            return
        if type(self.wrapper).update_params is not OptimWrapper.update_params:  # one with a way of its own
            self.wrapper.update_params(loss, step_kwargs, zero_kwargs)
            return
        self.wrapper.backward(self.wrapper.scale_loss(loss))
        if self.wrapper.should_update():
            if isinstance(self.wrapper, AmpOptimWrapper) or finite(self._gradients()):
                self.wrapper.step(**(step_kwargs or {}))
            else:
                self.refused = 'gradient'
            self.wrapper.zero_grad(**(zero_kwargs or {}))

    def _gradients(self) -> Iterable[Tensor]:
        return (p.grad for group in self.wrapper.param_groups for p in group['params'] if p.grad is not None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapper, name)


def everywhere(here: bool, device: torch.device) -> bool:
    """Whether something holds in all processes of a training."""
    if get_world_size() == 1:
        return here
    flag = torch.tensor(int(here), device=device)
    all_reduce(flag, op='min')
    return bool(flag.item())


def finite(tensors: Iterable[Tensor]) -> bool:
    """Whether all numbers of some tensors are finite; one look at their sum decides in the usual case."""
    given = [t.detach() for t in tensors if t.is_floating_point() and t.numel()]
    if not given:
        return True
    norms = torch.stack([norm.float() for norm in torch._foreach_norm(given, float('inf'))])
    return bool(torch.isfinite(norms).all())


def check_weights(model: nn.Module, when: str) -> None:
    """Raises a `NotFiniteError` if a trained weight is not finite."""
    if not finite(p for p in model.parameters() if p.requires_grad):
        raise NotFiniteError(f'{when}: the weights are not finite, so no checkpoint was written; the last one is kept')


def files_of(batch: Any) -> list[str]:
    """Files that a batch was made from, as far as its samples know."""
    samples = batch.get('data_samples', ()) if isinstance(batch, Mapping) else ()
    found = [sample.get(key) for sample in samples if isinstance(sample, BaseDataElement) for key in FILES]
    return [str(path) for path in found if path]


def not_finite_message(iteration: int, what: str, terms: Mapping[str, Any], files: Sequence[str]) -> str:
    """What a user needs to know of a batch whose loss or gradient is not finite."""
    plain = {name: value.detach() if isinstance(value, Tensor) else value for name, value in terms.items()}
    shown = ', '.join(f'{name} {float(value):.4g}' for name, value in plain.items()
                      if isinstance(value, int | float) or isinstance(value, Tensor) and value.numel() == 1)
    more = f' and {len(files) - SHOWN} more' if len(files) > SHOWN else ''
    return (f'iteration {iteration}: the {what} is not finite ({shown}); files of the batch: '
            f'{", ".join(files[:SHOWN]) or "unknown"}{more}')
