"""What is to be enhanced: paths, folders, patterns, arrays, tensors and PIL images as one list of sources."""
import glob
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from isalux_mm.io.formats import SUFFIXES, result_name
from isalux_mm.io.images import list_images
from isalux_mm.io.names import distinct, fitted, same_name
from isalux_mm.io.picture_file import Picture, checked, picture_of, picture_of_pil, read_picture

Input = str | Path | np.ndarray | Tensor | Image.Image


@dataclass(frozen=True)
class Source:
    """One picture to be.

    Attributes:
        content: a file, or a picture in memory.
        name: path of its result within the folder of results.
    """
    content: Path | np.ndarray | Tensor | Image.Image
    name: Path

    @property
    def is_file(self) -> bool:
        """Whether it lies on disk."""
        return isinstance(self.content, Path)

    def read(self, array_order: str = 'rgb') -> Picture:
        """The picture.

        Args:
            array_order: channel order of arrays and `.npy` files, 'rgb' or 'bgr'.

        Raises:
            ImageReadError: if a file is no readable picture.
            ValueError: if an array has the wrong shape, type or range.
        """
        if isinstance(self.content, Path):
            if os.path.isdir(self.content):
                os.listdir(self.content)  # raises why a folder cannot be listed
            return read_picture(self.content, array_order=array_order)
        return from_memory(self.content, array_order)


def gather(inputs: Input | Sequence[Input], *, recursive: bool = True, leave_out: Path | None = None) -> list[Source]:
    """Sources of one or several inputs, each file once.

    A folder gives its pictures and keeps their sub-folders; a pattern (`photos/**/*.jpg`) keeps those below its
    fixed part; a file keeps its name, and where two have the same one, all keep their folders below the common one;
    names that differ by case alone, which not every file system tells apart, get a number (`distinct`). A format that
    is read alone gives its result another suffix (`result_name`), after its whole name where the short one is another
    input's: `a.heic` gives `a.jpg`, beside `a.jpg` it gives `a.heic.jpg`. Any other path counts as a file, to be
    reported when it cannot be read, and so does a folder below that cannot be listed. Pictures in memory are named
    00000000.png by place.

    Args:
        inputs: path, folder, pattern, (H, W, C) array, (C, H, W) or (B, C, H, W) tensor, PIL image, or a sequence of
            these.
        recursive: whether sub-folders of folders are read.
        leave_out: folder of the results; where it lies below a folder or pattern, its pictures are no inputs.

    Raises:
        TypeError: if an input is of another type.
        ValueError: if there is no picture at all, or a path is empty.
    """
    listed = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
    sources: list[Source] = []
    for item in listed:
        if isinstance(item, str | Path):
            sources += _from_path(item, recursive, leave_out)
        elif isinstance(item, Tensor) and item.dim() == 4:
            sources += [Source(image, _numbered(len(sources) + i)) for i, image in enumerate(item)]
        elif isinstance(item, np.ndarray | Tensor | Image.Image):
            sources.append(Source(item, _numbered(len(sources))))
        else:
            raise TypeError('inputs must be paths, arrays (H, W, C), tensors (C, H, W) or PIL images, '
                            f'got {type(item).__name__}')
    sources = _apart(_once(sources))
    if not sources:
        raise ValueError(f'inputs must hold a picture, found none in {", ".join(map(str, listed)) or "nothing"}')
    return sources


def from_memory(content: np.ndarray | Tensor | Image.Image, array_order: str = 'rgb') -> Picture:
    """A picture of samples in memory; alpha is kept. EXIF orientation of a PIL image is applied.

    Raises:
        ValueError: if shape, type or range do not fit; integers use their full scale, floats lie in [0, 1].
    """
    if isinstance(content, Image.Image):
        return picture_of_pil(content)
    samples = content.detach().cpu() if isinstance(content, Tensor) else content
    if isinstance(samples, Tensor):
        samples = (samples.float() if samples.is_floating_point() else samples).numpy()
        samples = np.moveaxis(samples, 0, -1) if samples.ndim == 3 else samples  # (C, H, W) -> (H, W, C)
    if array_order == 'bgr' and samples.ndim == 3 and samples.shape[2] > 2:
        samples = samples[..., [2, 1, 0, 3][:samples.shape[2]]]
    return checked(picture_of(samples))


def check_path(name: str, path: str | Path) -> None:
    """Raises a `ValueError` that names the argument if a path is empty, which would be the current folder."""
    if not os.fspath(path):
        raise ValueError(f'{name} must be no empty path')


def _from_path(item: str | Path, recursive: bool, leave_out: Path | None) -> list[Source]:
    check_path('inputs', item)
    path = Path(os.path.expanduser(item))
    if os.path.isdir(path):  # unlike `Path.is_dir`, no error where that cannot be known
        unlisted: list[OSError] = []
        found = _kept(list_images(path, recursive, on_error=unlisted.append), path, leave_out)
        return found + [Source(Path(error.filename), Path(os.path.relpath(error.filename, path.parent)))
                        for error in unlisted]
    if glob.has_magic(str(path)) and not os.path.exists(path):
        return _from_pattern(path, leave_out)
    return [Source(path, Path(path.name))]


def _from_pattern(pattern: Path, leave_out: Path | None) -> list[Source]:
    fixed = pattern
    while glob.has_magic(str(fixed)):
        fixed = fixed.parent
    found = sorted(Path(p) for p in glob.iglob(str(pattern), recursive=True))
    return _kept([file for file in found if file.suffix.lower() in SUFFIXES and not file.is_dir()], fixed, leave_out)


def _kept(files: Sequence[Path], folder: Path, leave_out: Path | None) -> list[Source]:
    """Sources of the files below a folder, without those in a folder of results that lies in it."""
    if leave_out is not None and _is_below(leave_out, folder):
        files = [file for file in files if not _is_below(file, leave_out)]
    return [Source(file, file.relative_to(folder)) for file in files]


def _is_below(path: Path, folder: Path) -> bool:
    path, folder = (Path(os.path.abspath(p)) for p in (path, folder))
    return path != folder and path.is_relative_to(folder)


def _once(sources: Sequence[Source]) -> list[Source]:
    """Every file once, by its absolute path."""
    seen: dict[object, Source] = {}
    for index, source in enumerate(sources):
        content = source.content
        seen.setdefault(os.path.abspath(content) if isinstance(content, Path) else index, source)
    return list(seen.values())


def _apart(sources: Sequence[Source]) -> list[Source]:
    """Where two files' results would have the same name, all files keep their folders below the common one; what is
    still the same for a file system gets a number."""
    if max(Counter(source.name for source in sources if source.is_file).values(), default=0) > 1:
        files = [source.content for source in sources if isinstance(source.content, Path)]
        common = os.path.commonpath([os.path.abspath(file.parent) for file in files])
        sources = [replace(source, name=Path(os.path.relpath(source.content, common)))
                   if isinstance(source.content, Path) else source for source in sources]
    names = result_names([source.name for source in sources])
    return [replace(source, name=name) for source, name in zip(sources, names)]


def result_names(names: Sequence[Path]) -> list[Path]:
    """Names of results, all different; what changes its suffix keeps its whole name where the short one is taken."""
    wanted = [result_name(name) for name in names]
    count = Counter(map(same_name, wanted))
    return distinct([short if short == name or count[same_name(short)] == 1
                     else name.with_name(fitted(name.name, short.suffix)) for name, short in zip(names, wanted)])


def _numbered(index: int) -> Path:
    return Path(f'{index:08d}.png')
