"""Which sample comes next: several datasets mixed in stated shares."""
import itertools
from collections.abc import Iterator, Sequence

import torch
from mmengine.dataset import ConcatDataset
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from isalux_mm.functional.checks import check_seed, is_list, is_number, shown
from isalux_mm.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class SharedInfiniteSampler(Sampler):
    """Endless indices into a `ConcatDataset`: a dataset is drawn by its share, then its samples in a shuffled order.

    A small dataset is seen anew before a large one has been seen once; each is seen evenly. Ranks take turns in one
    stream. mmengine's runner fast-forwards it where a run is resumed.

    Args:
        dataset: mmengine's `ConcatDataset`.
        shares: how often each of its datasets is drawn; only their proportions count; 0 leaves it out.
        seed: of the order; the runner's by default.

    Raises:
        TypeError: if the dataset is no `ConcatDataset`.
        ValueError: if there is not one share for each dataset, one is negative or no number, all are zero, or a dataset
            that has a share is empty; or if the seed is none.
    """

    def __init__(self, dataset: ConcatDataset, shares: Sequence[float], *, seed: int | None = None):
        if not isinstance(dataset, ConcatDataset):
            raise TypeError(f'dataset must be a ConcatDataset, got {type(dataset).__name__}')
        self.sizes = [len(part) for part in dataset.datasets]
        fits = is_list(shares) and len(shares) == len(self.sizes) and all(is_number(s) and s >= 0 for s in shares)
        if not (fits and 0 < sum(shares) < float('inf')):
            raise ValueError(f'shares must be {len(self.sizes)} numbers of 0 or more, one above 0, got {shown(shares)}')
        empty = [part for part, (size, share) in enumerate(zip(self.sizes, shares)) if share and not size]
        if empty:
            raise ValueError(f'shares must be 0 for datasets without a sample, got more for those at {empty}')
        check_seed(seed)
        self.shares = torch.tensor(shares, dtype=torch.float64)
        self.rank, self.world_size = get_dist_info()
        self.seed = sync_random_seed() if seed is None else seed
        self.indices = self._indices_of_rank()

    def _orders(self, generator: torch.Generator, part: int) -> Iterator[int]:
        """Indices of one dataset, shuffled anew each time it has been seen."""
        first = sum(self.sizes[:part])
        while True:
            yield from (first + torch.randperm(self.sizes[part], generator=generator)).tolist()

    def _stream(self) -> Iterator[int]:
        """The indices of all ranks."""
        generator = torch.Generator().manual_seed(self.seed)
        orders = [self._orders(generator, part) for part in range(len(self.sizes))]
        while True:
            yield next(orders[int(torch.multinomial(self.shares, 1, generator=generator))])

    def _indices_of_rank(self) -> Iterator[int]:
        return itertools.islice(self._stream(), self.rank, None, self.world_size)

    def __iter__(self) -> Iterator[int]:
        yield from self.indices

    def __len__(self) -> int:
        return sum(self.sizes)

    def skip(self, num_samples: int) -> None:
        """Goes to a place in the stream, counted from its start for this rank, as mmengine's samplers do."""
        self.indices = itertools.islice(self._indices_of_rank(), num_samples, None)

    def set_epoch(self, epoch: int) -> None:
        """Nothing: the stream has no epochs."""
