"""What an inferencer works through: jobs, where their results go, pictures read ahead, and the report of it all."""
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from isalux_mm.apis.sources import SUFFIXES, Source
from isalux_mm.apis.visible_part import is_seen_in_part
from isalux_mm.io.picture_file import ImageReadError, Picture
from isalux_mm.structures import EnhanceDataSample


@dataclass
class EnhanceReport:
    """What became of the inputs.

    Attributes:
        done: results that were written, or names of those returned.
        skipped: results that were there already, newer than their inputs.
        failed: reason by input, of those that could not be read, enhanced or written.
    """
    done: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def summary(self) -> str:
        """Counts in one line, then the failed inputs with their reasons, one a line."""
        counts = [f'{len(self.done)} enhanced']
        counts += [f'{len(self.skipped)} skipped, finished before'] if self.skipped else []
        counts += [f'{len(self.failed)} failed:'] if self.failed else []
        return '\n'.join([', '.join(counts), *(f'  {name}: {reason}' for name, reason in self.failed.items())])


@dataclass(frozen=True)
class Job:
    """One picture to be made.

    Attributes:
        index: place among the inputs.
        source: what is enhanced.
        target: file of the result; `None` to return it.
    """
    index: int
    source: Source
    target: Path | None


Loaded = tuple[Job, Picture | ImageReadError]


@dataclass(frozen=True)
class Enhanced:
    """A picture that was made.

    Attributes:
        job: what was asked for.
        picture: the input.
        image: the result, (3, H, W), RGB in [0, 1].
    """
    job: Job
    picture: Picture
    image: Tensor

    def result(self) -> Picture:
        """The result, which carries what the input carried."""
        return self.picture.with_image(self.image.permute(1, 2, 0).cpu().numpy())  # (3, H, W) -> (H, W, 3)

    def data_sample(self) -> EnhanceDataSample:
        """Input and result, (3, H, W) each, and where the input came from."""
        shape, source = self.picture.image.shape[:2], self.job.source
        sample = EnhanceDataSample(metainfo=dict(low_path=str(source.content) if source.is_file else None,
                                                 ori_shape=shape, img_shape=shape))
        sample.low_img, sample.pred_img = to_tensor(self.picture.image), self.image.cpu()
        return sample


def jobs_of(sources: Sequence[Source], out: Path | None) -> list[Job]:
    """The job of every source; arguments and errors as of `target_paths`, without `out` results are returned."""
    targets = [None] * len(sources) if out is None else target_paths(sources, out)
    return [Job(index, source, target) for index, (source, target) in enumerate(zip(sources, targets))]


def target_paths(sources: Sequence[Source], out: Path) -> list[Path]:
    """Where every result goes.

    Args:
        sources: pictures.
        out: folder, or for one source a file with a picture's suffix.

    Raises:
        ValueError: if a result would overwrite an input.
    """
    is_name = len(sources) == 1 and out.suffix.lower() in SUFFIXES and not out.is_dir()
    targets = [out] if is_name else [out / source.name for source in sources]
    inputs = {source.content.resolve() for source in sources if isinstance(source.content, Path)}
    for target in targets:
        if target.resolve() in inputs:
            raise ValueError(f'out must lead to other files than the inputs, got {target}')
    return targets


def is_finished(job: Job) -> bool:
    """Whether the result is there and no older than its input."""
    content, target = job.source.content, job.target
    if target is None or not isinstance(content, Path) or not content.is_file() or not target.is_file():
        return False
    return target.stat().st_mtime_ns >= content.stat().st_mtime_ns


def load(job: Job, array_order: str = 'rgb') -> Loaded:
    """The picture of a job, or why it cannot be read; an array that is no picture raises, as of `Source.read`."""
    try:
        return job, job.source.read(array_order)
    except ImageReadError as error:
        return job, error


def read_ahead(read: Callable[[Job], Loaded], jobs: Iterable[Job], ahead: int) -> Iterator[Loaded]:
    """Jobs and their pictures in order, at most `ahead` of them decoded in advance by a thread."""
    pool = ThreadPoolExecutor(1)
    pending: deque[Future[Loaded]] = deque()
    try:
        for job in jobs:
            pending.append(pool.submit(read, job))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def groups_of_size(batch: Iterable[tuple[Job, Picture]]) -> list[list[tuple[Job, Picture]]]:
    """Pictures of one size together, in the order in which the sizes come; those seen in part alone."""
    groups: dict[tuple[int, ...], list[tuple[Job, Picture]]] = {}
    for job, picture in batch:
        alone = (job.index, ) if is_seen_in_part(picture) else ()
        groups.setdefault((*picture.image.shape, *alone), []).append((job, picture))
    return list(groups.values())


def to_tensor(image: np.ndarray) -> Tensor:
    """(H, W, 3) to (3, H, W), float32, in the same memory."""
    return torch.from_numpy(image).permute(2, 0, 1)
