"""What an inferencer works through: jobs, where their results go, pictures read ahead, and the report of it all."""
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from isalux_mm.apis.explaining import EXPLAINED
from isalux_mm.apis.sources import Source
from isalux_mm.apis.visible_part import is_seen_in_part
from isalux_mm.io.attempts import Attempts, outcome
from isalux_mm.io.formats import OTHER_SUFFIXES, SUFFIXES, WRITTEN_SUFFIXES
from isalux_mm.io.names import beside, check_products, distinct
from isalux_mm.io.picture_file import Picture
from isalux_mm.io.places import check_writable
from isalux_mm.io.whole_file import check_free
from isalux_mm.structures import EnhanceDataSample


@dataclass
class EnhanceReport(Attempts):
    """What became of the inputs.

    Attributes:
        failed: reason by input, of those that could not be read, enhanced or written; of a result that was written the
            reason why its explanation was not.
        tracebacks: of the same.
        done: results that were written, or names of those returned.
        explained: explanations that were written.
        skipped: results that were there already, whatever options made them.
        outdated: those of them that are older than their inputs.
        lost: by result, what its input carried and it does not, in words.
    """
    done: list[str] = field(default_factory=list)
    explained: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    outdated: list[str] = field(default_factory=list)
    lost: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def skip(self, jobs: Iterable['Job']) -> None:
        """Notes jobs whose results are there and stay."""
        for job in jobs:
            self.skipped.append(str(job.target))
            if is_outdated(job):
                self.outdated.append(str(job.target))

    @contextmanager
    def ordered(self, names: Sequence[str]) -> Iterator[None]:
        """Brings what fails within it into the order of the inputs' names: reading is ahead of writing."""
        places = {name: place for place, name in enumerate(names)}
        try:
            yield
        finally:
            self.failed = dict(sorted(self.failed.items(), key=lambda entry: places[entry[0]]))
            self.tracebacks = {name: self.tracebacks[name] for name in self.failed}

    def summary(self) -> str:
        """Counts in one line, then the failed inputs with their reasons and what results lack, one a line."""
        counts = [f'{len(self.done)} enhanced']
        counts += [f'{len(self.explained)} explained'] if self.explained else []
        older = f'{len(self.outdated)} older than the input; ' if self.outdated else ''
        note = f'{older}perhaps with other options, or of another input: --overwrite makes them anew'
        counts += [f'{len(self.skipped)} skipped, finished before ({note})'] if self.skipped else []
        counts += [f'{len(self.failed)} failed:'] if self.failed else []
        lacking = [f'  {name}: without {", ".join(lost)}' for name, lost in self.lost.items()]
        return '\n'.join([', '.join(counts), *self.lines(), *lacking])


@dataclass(frozen=True)
class Job:
    """One picture to be made.

    Attributes:
        index: place among the inputs.
        source: what is enhanced.
        target: file of the result; `None` to return it.
        drawing: file of its explanation; `None` for none, or to return it.
        made: whether the result is there and stays as it is: the explanation alone is wanted.
        overwrite: whether files that are there are replaced.
    """
    index: int
    source: Source
    target: Path | None
    drawing: Path | None = None
    made: bool = False
    overwrite: bool = False

    @property
    def name(self) -> str:
        """Of the input, as a report names it."""
        return str(self.source.content if self.source.is_file else self.source.name)

    def without_what_is_there(self) -> 'Job | None':
        """The job that is left where files that are there are not made again; `None` if none is."""
        drawing = None if self.drawing is None or os.path.isfile(self.drawing) else self.drawing
        made = self.target is not None and os.path.isfile(self.target)
        return None if made and drawing is None else replace(self, drawing=drawing, made=made)


Loaded = tuple[Job, Picture | BaseException]
Item = TypeVar('Item')
Written = TypeVar('Written')


@dataclass(frozen=True)
class Step:
    """A batch on its way to the disk.

    Attributes:
        size: how many pictures were asked for.
        made: those that were enhanced.
        drawn: their explanations, where any are wanted.
    """
    size: int
    made: list['Enhanced']
    drawn: list[np.ndarray | str | None]


@dataclass(frozen=True)
class Enhanced:
    """A picture that was made.

    Attributes:
        job: what was asked for.
        picture: the input.
        image: the result, (3, H, W), RGB in [0, 1].
        file: what its file lacks, or why it could not be written; `None` while none is written.
    """
    job: Job
    picture: Picture
    image: Tensor
    file: tuple[str, ...] | BaseException | None = None

    def result(self) -> Picture:
        """The result, which carries what the input carried."""
        return self.picture.with_image(self.image.permute(1, 2, 0).cpu().numpy())  # (3, H, W) -> (H, W, 3)

    def without_input(self) -> 'Enhanced':
        """The same with the result in the place of the input, whose memory it lets go of; for what is only written."""
        return replace(self, picture=self.result())

    def data_sample(self) -> EnhanceDataSample:
        """Input and result, (3, H, W) each, and where the input came from."""
        shape, source = self.picture.image.shape[:2], self.job.source
        sample = EnhanceDataSample(metainfo=dict(low_path=str(source.content) if source.is_file else None,
                                                 ori_shape=shape, img_shape=shape))
        sample.low_img, sample.pred_img = to_tensor(self.picture.image), self.image.cpu()
        return sample


def jobs_of(sources: Sequence[Source], out: Path | None, *, explained: bool = False,
            overwrite: bool = False) -> list[Job]:
    """The job of every source.

    Args:
        sources: pictures.
        out: folder, or for one source a file with a picture's suffix; `None` to return results.
        explained: with files for explanations, too: NAME_explained.png beside the results.
        overwrite: whether files that are there are replaced.

    Raises:
        FileExistsError: if the result of a picture in memory, which no name tells from that of another, is there and
            may not be replaced.
        NotADirectoryError: if `out` is neither a folder nor such a file.
        OSError: if nothing can be written there.
        ValueError: if a file that will be written is an input, or `out` is the name of a file that no result can be.
    """
    if out is None:
        return [Job(index, source, None) for index, source in enumerate(sources)]
    targets = target_paths(sources, out)
    drawings = distinct([*targets, *beside(targets, EXPLAINED)])[len(targets):] if explained else []
    check_products([*targets, *drawings], files_of(sources))
    for source, target in zip(sources, targets):
        if not source.is_file:
            check_free(target, overwrite=overwrite)
    if overwrite or not all(map(os.path.isfile, [*targets, *drawings])):
        check_writable(out)
    return [Job(index, source, target, drawings[index] if explained else None, overwrite=overwrite)
            for index, (source, target) in enumerate(zip(sources, targets))]


def products_of(sources: Sequence[Source], out: Path, ending: str, *others: Path,
                read: Sequence[Path] = ()) -> list[Path]:
    """Where what is drawn of every source goes, `NAME` + `ending` in the folder of its input.

    Args:
        sources: pictures.
        out: folder of the drawings.
        ending: such as `_explained.png`.
        others: further files that will be written, which must be none of the inputs or drawings.
        read: further files that are read.

    Raises:
        NotADirectoryError: if `out` is a file.
        OSError: if nothing can be written there.
        ValueError: if a file that will be written is an input, or `out` is the name of a file.
    """
    check_folder(out)
    check_writable(out)
    drawings = [out / name for name in beside([source.name for source in sources], ending)]
    check_products([*drawings, *others], [*files_of(sources), *read])
    return drawings


def files_of(sources: Iterable[Source]) -> list[Path]:
    """Those of the sources that lie on disk."""
    return [source.content for source in sources if isinstance(source.content, Path)]


def target_paths(sources: Sequence[Source], out: Path) -> list[Path]:
    """Where every result goes: into a folder, or for one source into the file of a picture's suffix.

    Raises:
        NotADirectoryError: if `out` is neither a folder nor such a file.
        ValueError: if no picture can be written under its suffix, or several would go into one file.
    """
    if len(sources) == 1 and names_file(out) and not os.path.isdir(out):
        if out.suffix.lower() not in WRITTEN_SUFFIXES:
            raise ValueError(f'out must end in a format that is written, {", ".join(WRITTEN_SUFFIXES)}, got {out}')
        return [out]
    check_folder(out)
    return [out / source.name for source in sources]


def check_folder(out: Path) -> None:
    """Checks that a folder of results is one, or can become one.

    Raises:
        NotADirectoryError: if it is something else.
        ValueError: if it is not there and has the name of a file: nobody means a folder `all.png`.
    """
    if os.path.isdir(out):
        return
    if os.path.lexists(out):
        raise NotADirectoryError(f'out must be a folder, got {out}')
    if names_file(out):
        raise ValueError(f'out must be a folder here, got the name of a file, {out}')


def names_file(path: Path) -> bool:
    """Whether a path has the suffix of a file, a picture or another; folders may have dots in their names."""
    return path.suffix.lower() in (*SUFFIXES, *OTHER_SUFFIXES)


def is_outdated(job: Job) -> bool:
    """Whether the result is there and older than its input."""
    content, target = job.source.content, job.target
    try:
        return (isinstance(content, Path) and target is not None
                and target.stat().st_mtime_ns < content.stat().st_mtime_ns)
    except OSError:
        return False


def load(job: Job, array_order: str = 'rgb') -> Loaded:
    """The picture of a job, or why a file cannot be read; an array that is no picture raises, as of `Source.read`."""
    if not job.source.is_file:
        return job, job.source.read(array_order)
    return job, outcome(job.source.read, array_order)


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


def write_behind(write: Callable[[Item], Written], items: Iterable[Item]) -> Iterator[Written]:
    """What `write` returns for every item, in order; a thread writes one while the next is made.

    What is begun is finished and given back, also where the making of the next is interrupted; an interrupt that
    reaches `write` itself ends all.

    Args:
        write: runs in the thread, one item at a time.
        items: made on demand, here.
    """
    pool, making, over = ThreadPoolExecutor(1, 'isalux-write'), iter(items), threading.Event()
    pending: deque[Future[Written]] = deque()
    ending: BaseException | None = None

    def write_one(item: Item) -> Written:
        if over.is_set():
            raise CancelledError
        try:
            return write(item)
        except BaseException:
            over.set()
            raise

    try:
        while True:
            try:
                pending.append(pool.submit(write_one, next(making)))
            except StopIteration:
                break
            except BaseException as error:
                ending = error
                break
            if len(pending) > 1:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        over.set()
        pool.shutdown(cancel_futures=True)
    if ending is not None:
        raise ending


def groups_of_size(batch: Iterable[tuple[Job, Picture]]) -> list[list[tuple[Job, Picture]]]:
    """Pictures of one size together, in the order in which the sizes come; those seen in part alone."""
    groups: dict[tuple[int, ...], list[tuple[Job, Picture]]] = {}
    for job, picture in batch:
        alone = (job.index, ) if is_seen_in_part(picture) else ()
        groups.setdefault((*picture.image.shape, *alone), []).append((job, picture))
    return list(groups.values())


def pixels_of(batch: Iterable[Loaded]) -> int:
    """Pixels of the pictures of a batch, broken ones left out."""
    return sum(picture.image[..., 0].size for _, picture in batch if isinstance(picture, Picture))


def to_tensor(image: np.ndarray) -> Tensor:
    """(H, W, 3) to (3, H, W), float32, in the same memory."""
    return torch.from_numpy(image).permute(2, 0, 1)
