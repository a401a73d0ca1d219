"""Training data whose random transforms are the same again after a resume, with any number of workers or processes.

Every index that the sampler gives knows its place in the training, and the dataset seeds the process with it before the
sample is made. `isalux train` puts both around the parts that a config names.
"""
import signal
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.dist import get_dist_info, sync_random_seed
from mmengine.registry import DATA_SAMPLERS as MMENGINE_DATA_SAMPLERS
from mmengine.registry import DATASETS as MMENGINE_DATASETS
from torch.utils.data import Dataset, Sampler, get_worker_info

from isalux_mm.functional.chance import seed_by_place
from isalux_mm.functional.checks import check_seed
from isalux_mm.io.whole_file import ENDING_SIGNALS
from isalux_mm.registry import DATA_SAMPLERS, DATASETS


class PlacedIndex(int):
    """An index of a dataset, and where in the training it was drawn: (seed, epoch, draw)."""
    place: tuple[int, ...]

    def __new__(cls, index: int, place: tuple[int, ...]) -> 'PlacedIndex':
        new = super().__new__(cls, index)
        new.place = place
        return new

    def __reduce__(self) -> tuple:
        return PlacedIndex, (int(self), self.place)


@DATASETS.register_module()
class SeededDataset(Dataset):
    """A dataset whose samples are made with the chance of their place; all else is the dataset's own.

    Workers leave signals to the process that they work for: it saves before it ends, and ends them.

    Args:
        dataset: config of any dataset.
    """

    def __init__(self, dataset: Mapping):
        self.dataset = MMENGINE_DATASETS.build(dict(dataset))
        self._deaf = False

    def __getitem__(self, index: int) -> Any:
        if not self._deaf and get_worker_info() is not None and threading.current_thread() is threading.main_thread():
            for number in ENDING_SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            self._deaf = True
        if isinstance(index, PlacedIndex):
            seed_by_place(index.place)
        return self.dataset[int(index)]

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__') or name == 'dataset':
            raise AttributeError(name)
        return getattr(self.dataset, name)


@DATA_SAMPLERS.register_module()
class PlacedSampler(Sampler):
    """Gives another sampler's indices, each with its place; all else is that sampler's own.

    Draws are counted over all processes, in the order in which mmengine's samplers deal them out: the samples of an
    iteration are the same for one process and for several that share the batch.

    Args:
        dataset: as of the sampler; a `SeededDataset` is unwrapped.
        sampler: config of the sampler.
        seed: of the order; the runner's by default.

    Raises:
        ValueError: if the seed is neither `None` nor a whole number of 0 or more.
    """

    def __init__(self, dataset: Any, sampler: Mapping, *, seed: int | None = None):
        check_seed(seed)
        self.seed = sync_random_seed() if seed is None else seed
        inner = dataset.dataset if isinstance(dataset, SeededDataset) else dataset
        self.sampler = MMENGINE_DATA_SAMPLERS.build(dict(sampler), default_args=dict(dataset=inner, seed=self.seed))
        self.rank, self.world_size = get_dist_info()
        self.epoch, self.drawn = 0, 0

    def __iter__(self) -> Iterator[PlacedIndex]:
        if not hasattr(self.sampler, 'skip'):  # one that starts again, against an endless one, which goes on
            self.drawn = 0
        for index in self.sampler:
            place = (self.seed, self.epoch, self.drawn * self.world_size + self.rank)
            self.drawn += 1
            yield PlacedIndex(index, place)

    def __len__(self) -> int:
        return len(self.sampler)

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch, of the sampler too where it has any."""
        self.epoch = epoch
        if hasattr(self.sampler, 'set_epoch'):
            self.sampler.set_epoch(epoch)

    def _skip(self, num_samples: int) -> None:
        self.sampler.skip(num_samples)
        self.drawn = num_samples

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__') or name == 'sampler':
            raise AttributeError(name)
        found = getattr(self.sampler, name)
        return self._skip if name == 'skip' else found
