"""Gates of the mixture of experts and the loss that keeps them balanced (ISALux, Eqs. 11 and 12)."""
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor, nn

from isalux_mm.functional.checks import check_choice
from isalux_mm.models.statistics import StatisticsLayer
from isalux_mm.registry import MODELS

EPS = 1e-10


class Routing(NamedTuple):
    """One mixture layer's decision for a batch.

    Attributes:
        probabilities: full softmax over the experts, (B, N).
        indices: the selected experts, ascending, (B, K), int64.
        weights: what multiplies the selected experts' outputs, (B, K).
    """
    probabilities: Tensor
    indices: Tensor
    weights: Tensor


@MODELS.register_module()
class SoftGate(StatisticsLayer):
    """G = softmax(W_g avg_pool(F)), every expert selected (Eq. 11).

    Args:
        embed_dims: C.
        num_experts: N.
    """

    def __init__(self, embed_dims: int, num_experts: int):
        super().__init__()
        self.num_experts = num_experts
        self.linear = nn.Linear(embed_dims, num_experts, bias=False)

    @property
    def num_selected(self) -> int:
        """K, the experts that an image gets."""
        return self.num_experts

    def logits(self, pooled: Tensor) -> Tensor:
        """Gate logits (B, N) of pooled features (B, C)."""
        return self.linear(pooled)

    def select(self, probabilities: Tensor, scores: Tensor) -> Routing:
        """Selects experts by `scores` (B, N) and weighs them by `probabilities` (B, N)."""
        indices = torch.arange(self.num_experts, device=scores.device).expand_as(scores)
        return Routing(probabilities, indices, probabilities)

    def route(self, pooled: Tensor) -> Routing:
        """Routes by pooled features (B, C); the softmax is taken in float32 at least."""
        scores = self.logits(pooled.to(self.linear.weight.dtype))
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        return self.select(scores.softmax(dim=1), scores)

    def forward(self, x: Tensor) -> Routing:
        """Routes features (B, C, H, W), pooled in float32 at least."""
        counted = self.counted(x)
        # the gradient of a sum is no map but a view, where a mean's is a map in an order of its own
        total = counted.sum(dim=(2, 3), dtype=torch.promote_types(x.dtype, torch.float32))
        return self.route(self.shared(total / (counted.shape[2] * counted.shape[3])))


@MODELS.register_module()
class TopKGate(SoftGate):
    """The K most probable of N experts by image (Eq. 12).

    Args:
        embed_dims: C.
        num_experts: N.
        top_k: K (the paper: 2).
        renormalize: whether the selected probabilities are scaled to sum to one (ours; paper silent).

    Raises:
        ValueError: if `top_k` is not in [1, num_experts].
    """

    def __init__(self, embed_dims: int, num_experts: int, *, top_k: int = 2, renormalize: bool = True):
        super().__init__(embed_dims, num_experts)
        if not 1 <= top_k <= num_experts:
            raise ValueError(f'top_k must be in [1, {num_experts}] (num_experts), got {top_k}')
        self.top_k, self.renormalize = top_k, renormalize

    @property
    def num_selected(self) -> int:
        """K."""
        return self.top_k

    def select(self, probabilities: Tensor, scores: Tensor) -> Routing:
        indices = scores.topk(self.top_k, dim=1).indices.sort(dim=1).values
        weights = probabilities.gather(1, indices)
        if self.renormalize:
            weights = weights / weights.sum(dim=1, keepdim=True)
        return Routing(probabilities, indices, weights)


@MODELS.register_module()
class NoisyTopKGate(TopKGate):
    """`TopKGate` whose scores carry learned Gaussian noise while training (Shazeer et al., 2017, Eq. 4).

    The noise moves both the choice and the probabilities; at inference it equals `TopKGate`.

    Args:
        embed_dims: C.
        num_experts: N.
        top_k: K.
        renormalize: as in `TopKGate`.
    """

    def __init__(self, embed_dims: int, num_experts: int, *, top_k: int = 2, renormalize: bool = True):
        super().__init__(embed_dims, num_experts, top_k=top_k, renormalize=renormalize)
        self.noise = nn.Linear(embed_dims, num_experts, bias=False)

    def logits(self, pooled: Tensor) -> Tensor:
        logits = super().logits(pooled)
        if not self.training:
            return logits
        return logits + torch.randn_like(logits) * F.softplus(self.noise(pooled))


def over_processes(mean: Tensor) -> Tensor:
    """The mean over the batch of all processes, from that over this one's; its gradient is this one's share.

    `DistributedDataParallel` averages gradients: what a loss of the result gives each process adds up to the gradient
    that one process with the whole batch would have.
    """
    if get_world_size() == 1:
        return mean
    total = mean.detach().clone()
    all_reduce(total, op='mean')
    return total + (mean - mean.detach())


@MODELS.register_module()
class BalanceLoss(nn.Module):
    """Keeps the experts of one layer in use; computed over the full softmax (ours; paper silent).

    'switch' (Fedus et al., 2021, Eq. 4): N sum_i f_i P_i, f_i the share of selections, P_i the mean probability;
    1 at perfect balance. 'importance' (Shazeer et al., 2017, Eq. 6): squared coefficient of variation of the
    summed probabilities; 0 at perfect balance. Several processes that share a batch have the loss of the whole one.

    Args:
        kind: 'switch' or 'importance'.
        loss_weight: multiplies the loss.
    """

    def __init__(self, kind: str = 'switch', loss_weight: float = 0.01):
        super().__init__()
        check_choice(kind, ('switch', 'importance'), 'kind')
        self.kind, self.loss_weight = kind, loss_weight

    def forward(self, routing: Routing) -> Tensor:
        """Loss of one layer's routing, a scalar."""
        probabilities = routing.probabilities.float()
        num_experts = probabilities.shape[1]
        if self.kind == 'importance':
            importance = over_processes(probabilities.mean(dim=0))
            return self.loss_weight * importance.var(unbiased=False) / (importance.mean()**2 + EPS)
        chosen = F.one_hot(routing.indices, num_experts).float()
        share = over_processes(chosen.mean(dim=(0, 1)))
        mean = over_processes(probabilities.mean(dim=0))
        return self.loss_weight * num_experts * (share * mean).sum()
