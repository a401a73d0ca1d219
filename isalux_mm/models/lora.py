"""Low-rank adapted projection (ISALux, Eq. 7)."""
import math

import torch
from torch import Tensor, nn


class LoRAProjection(nn.Module):
    """A C x C projection with a low-rank update: q = W F + (F a) b, a in R^(C x C/r), b in R^(C/r x C), b starts at 0.

    Base and update are both trained (the paper trains from scratch). `merge` folds the update into the base for
    inference, `unmerge` takes it out again; both are exact up to rounding.

    Args:
        embed_dims: C.
        reduction: r of the rank C/r; `None` leaves the update out.

    Raises:
        ValueError: if `reduction` does not lie in [1, C].
    """

    def __init__(self, embed_dims: int, reduction: int | None = 5):  # r: ours; paper silent; brings 1.85 M parameters
        super().__init__()
        if reduction is not None and not 1 <= reduction <= embed_dims:
            raise ValueError(f'reduction must be in [1, embed_dims = {embed_dims}] or None, got {reduction}')
        self.weight = nn.Parameter(torch.empty(embed_dims, embed_dims))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))  # as nn.Linear
        self.merged = False
        rank = 0 if reduction is None else max(embed_dims // reduction, 1)
        self.lora_a = nn.Parameter(torch.empty(embed_dims, rank)) if rank else None
        self.lora_b = nn.Parameter(torch.zeros(rank, embed_dims)) if rank else None
        if self.lora_a is not None:
            nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))

    @property
    def has_update(self) -> bool:
        """Whether a low-rank update is to be added to `weight`."""
        return self.lora_a is not None and not self.merged

    def update(self) -> Tensor:
        """The low-rank update as a matrix, (C, C), output first; zero where there is none."""
        if self.lora_a is None or self.lora_b is None:
            return torch.zeros_like(self.weight)
        return (self.lora_a @ self.lora_b).t()

    def folded_weight(self) -> Tensor:
        """Base plus update as one matrix, (C, C), output first; what the Gram form uses."""
        return self.weight + self.update() if self.has_update else self.weight

    @torch.no_grad()
    def merge(self) -> None:
        """Folds the update into the base; does nothing the second time."""
        if self.has_update:
            self.weight.add_(self.update())
            self.merged = True

    @torch.no_grad()
    def unmerge(self) -> None:
        """Takes the update out of the base again."""
        if self.merged:
            self.weight.sub_(self.update())
            self.merged = False

    def forward(self, tokens: Tensor) -> Tensor:
        """Projects tokens (B, HW, C) as the equation stands: base first, then the update through rank C/r."""
        projected = tokens @ self.weight.t()
        if self.lora_a is None or self.lora_b is None or self.merged:
            return projected
        return projected + tokens @ self.lora_a @ self.lora_b

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        """A checkpoint always holds the unmerged base, so that merging is no property of the file."""
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.merged:
            destination[prefix + 'weight'] = (self.weight - self.update()).detach()
