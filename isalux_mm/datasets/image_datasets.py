"""Datasets of pairs, of dark images without reference, and of photographs to be darkened on the fly."""
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.dataset import BaseDataset
from mmengine.logging import MMLogger

from isalux_mm.functional.checks import check_names, is_list, is_whole, shown
from isalux_mm.io.formats import format_of
from isalux_mm.io.images import check_whole, list_images
from isalux_mm.io.picture_file import ImageReadError, read_size
from isalux_mm.registry import DATASETS

KNOWN_PREFIXES = ('low', 'normal', 'high')  # LOL-v2 names its pairs low00690, normal00690
SHOWN = 20

Files = list[tuple[Path, Path]]  # (path within the folder, file)


class ImageFolderDataset(BaseDataset):
    """What the datasets below share: folders listed and checked before any work is lost.

    Args:
        data_root: folder that `data_prefix` is relative to.
        data_prefix: folder, or list of folders, of each kind of image.
        pipeline: transforms.
        recursive: whether sub-folders (scenes of frames) are read; names are matched by their relative path.
        scenes: names of the first-level folders to read; `None` reads all. Like `without_scenes`, in need of
            `recursive`.
        without_scenes: names of first-level folders to leave out, such as those that a benchmark tests on.
        only: names of the images to read, such as those that are held out; `None` reads all. Without folder, with or
            without the suffix of a picture, and with or without a leading 'low', 'normal' or 'high'.
        leave_out: names of images to leave out, likewise.
        skip_broken: leave unreadable files and pairs of unequal size out, with a count in the log, instead of raising;
            in training too, where another sample is drawn for one that has become unreadable.
        layout: what a user is told to put where, when a folder is missing.
        test_mode: as mmengine's.
        indices: number of samples or their indices, as mmengine's; negative numbers count from the end.

    Raises:
        FileNotFoundError: if a folder is missing.
        ValueError: if an option is none of what it may be, a folder holds no image, `only`, `leave_out`, `scenes` or
            `without_scenes` name what is not there or leave nothing, or files are unreadable, lack a partner or differ
            in size; lists them.
    """
    METAINFO = dict(dataset_type='low_light')
    kinds: tuple[str, ...] = ()

    def __init__(self,
                 data_root: str = '',
                 data_prefix: Mapping[str, str | Sequence[str]] | None = None,
                 pipeline: Sequence[dict | Callable] = (),
                 *,
                 recursive: bool = True,
                 scenes: Sequence[str] | None = None,
                 without_scenes: Sequence[str] = (),
                 only: Sequence[str] | None = None,
                 leave_out: Sequence[str] = (),
                 skip_broken: bool = False,
                 layout: str = '',
                 test_mode: bool = False,
                 indices: int | Sequence[int] | None = None):
        prefixes = data_prefix if isinstance(data_prefix, Mapping) else {}
        if set(prefixes) != set(self.kinds):
            found = sorted(prefixes) if isinstance(data_prefix, Mapping) else data_prefix
            raise ValueError(f'data_prefix must name {self.kinds}, got {found!r}')
        if not is_list(pipeline):
            raise ValueError(f'pipeline must be a list of transforms, got {shown(pipeline)}')
        self.folders = {kind: _folders(kind, data_root, folders) for kind, folders in prefixes.items()}
        if len({len(folders) for folders in self.folders.values()}) > 1:
            raise ValueError(f'data_prefix must hold as many folders of each kind, got {dict(prefixes)}')
        self.scenes = None if scenes is None else _names('scenes', scenes, least=1)
        self.without_scenes = _names('without_scenes', without_scenes)
        if not recursive and (self.scenes is not None or self.without_scenes):
            raise ValueError('recursive must be True where scenes or without_scenes are given, got False')
        self.only = None if only is None else set(map(image_key, _names('only', only, least=1)))
        self.leave_out = set(map(image_key, _names('leave_out', leave_out)))
        check_indices(indices)
        self.recursive, self.skip_broken, self.layout = recursive, skip_broken, layout
        self.unread = 0
        super().__init__(pipeline=list(pipeline), test_mode=test_mode, indices=indices, serialize_data=False)

    def _join_prefix(self) -> None:
        """Folders are joined in the constructor; there is no annotation file."""

    def prepare_data(self, idx: int) -> Any:
        """A sample; `None`, for which another is drawn, where its files cannot be read any more and may be skipped."""
        try:
            return super().prepare_data(idx)
        except ImageReadError as error:
            if not self.skip_broken or self.test_mode:
                raise
            self.unread += 1
            MMLogger.get_current_instance().warning(f'sample left out, {self.unread} so far in this process: {error}')
            return None

    def load_data_list(self) -> list[dict]:
        """One record per sample, with the paths of its images."""
        for kind, folders in self.folders.items():
            for folder in folders:
                if not folder.is_dir():
                    raise FileNotFoundError(f'data_prefix[{kind!r}]: no folder {folder}. {self.layout}'.rstrip())
        records, alone = self._records({kind: self._list(kind) for kind in self.kinds})
        good, broken = self._sorted_out(records)
        if alone or (broken and not self.skip_broken):
            hint = '' if alone else ' (skip_broken=True leaves them out)'
            raise ValueError(_listed(f'unusable images{hint}', [*alone, *broken]))
        if broken:
            MMLogger.get_current_instance().warning(_listed('images left out', broken))
        if not good:
            raise ValueError(_listed('broken images, none is left', broken))
        return good

    def _list(self, kind: str) -> Files:
        """Images of a kind; of several folders, the folder's number leads the name."""
        folders = self.folders[kind]
        where = ', '.join(map(str, folders))
        files = [(Path(str(number)) / path.relative_to(folder), path) for number, folder in enumerate(folders)
                 for path in list_images(folder, self.recursive)]
        if not files:
            raise ValueError(f'data_prefix[{kind!r}]: no image in {where}. {self.layout}'.rstrip())
        unknown = sorted({*self.without_scenes, *(self.scenes or ())} - {scene_of(name) for name, _ in files})
        if unknown:
            head = f'names in scenes or without_scenes have no folder of images in {where}'
            raise ValueError(f'{_listed(head, unknown)}\n{self.layout}'.rstrip())
        files = [(name, path) for name, path in files if self._wanted(scene_of(name))]
        unknown = sorted({*self.leave_out, *(self.only or ())} - {image_key(path.name) for _, path in files})
        if files and unknown:
            raise ValueError(_listed(f'names in only or leave_out have no image in {where}', unknown))
        files = [(name, path) for name, path in files if self._chosen(image_key(path.name))]
        if not files:
            raise ValueError(f'scenes, without_scenes, only and leave_out must leave an image, got none of {where}')
        return files

    def _wanted(self, scene: str) -> bool:
        """Whether a first-level folder is to be read."""
        return scene not in self.without_scenes and (self.scenes is None or scene in self.scenes)

    def _chosen(self, key: str) -> bool:
        """Whether an image is to be read by its name."""
        return key not in self.leave_out and (self.only is None or key in self.only)

    def _records(self, files: dict[str, Files]) -> tuple[list[dict], list[str]]:
        """Records, and what has no partner; here one record per file of the only kind."""
        kind, = self.kinds
        return [{f'{kind}_path': str(path)} for _, path in files[kind]], []

    def _sorted_out(self, records: list[dict]) -> tuple[list[dict], list[str]]:
        """Reads every header: the usable records, and a line about each of the others."""
        good, broken = [], []
        for record in records:
            sizes, lines = {}, []
            for path in (record[f'{kind}_path'] for kind in self.kinds):
                try:
                    sizes[path] = read_size(path)
                    check_whole(path)
                except ImageReadError as error:
                    lines.append(str(error))
            if not lines and len(set(sizes.values())) > 1:
                lines.append('sizes differ: ' + ', '.join(f'{path} is {w}x{h}' for path, (h, w) in sizes.items()))
            broken += lines
            if not lines:
                good.append(record)
        return good, broken


@DATASETS.register_module()
class PairedImageDataset(ImageFolderDataset):
    """Low-light images with their normal-light references, from two parallel folders.

    Reads LOL-v1, LOL-v2, SDSD (frames in scene folders), LOL-Blur and any two folders whose names match: equal names
    first (suffixes may differ), then the rest without a leading 'low', 'normal' or 'high'. See `ImageFolderDataset`
    for the arguments; `data_prefix` is `dict(low=..., gt=...)`, two lists of folders are parallel.
    """
    kinds = ('low', 'gt')

    def _records(self, files: dict[str, Files]) -> tuple[list[dict], list[str]]:
        low, gt = files['low'], files['gt']
        pairs = _matched(low, gt, lambda name: name.with_suffix('').as_posix())
        paired = {path for pair in pairs for path in pair}
        low, gt = ([(name, path) for name, path in side if path not in paired] for side in (low, gt))
        pairs += _matched(low, gt, pair_key)
        paired = {path for pair in pairs for path in pair}
        alone = [f'{path} has no partner in {other}' for side, other in ((low, 'gt'), (gt, 'low'))
                 for _, path in side if path not in paired]
        return [dict(low_path=str(a), gt_path=str(b)) for a, b in sorted(pairs)], alone


@DATASETS.register_module()
class UnpairedImageDataset(ImageFolderDataset):
    """Dark images without reference, such as MEF, LIME, DICM, NPE; `data_prefix` is `dict(low=...)`."""
    kinds = ('low', )


@DATASETS.register_module()
class PhotoDataset(ImageFolderDataset):
    """Normally lit photographs, darkened on the fly by `SynthesizeLowLight`; `data_prefix` is `dict(gt=...)`.

    Wrap it in mmengine's `RepeatDataset` to see a small set many times in an epoch.
    """
    kinds = ('gt', )


def pair_key(name: Path) -> str:
    """A path without suffix and without a known prefix of its last part: the same for `low7.png` and `normal7.png`."""
    return (name.parent / without_prefix(name.stem)).as_posix()


def image_key(name: str | int) -> str:
    """What `only` and `leave_out` compare: `low7.png`, `normal7` and `7` are one, `7.1` is another."""
    last = Path(str(name)).name
    return without_prefix(last if format_of(last) is None else Path(last).stem)


def without_prefix(stem: str) -> str:
    """A name in lower case, without a known prefix unless it is nothing but that."""
    stem = stem.lower()
    for prefix in KNOWN_PREFIXES:
        rest = stem.removeprefix(prefix).lstrip('_-')
        if stem.startswith(prefix) and rest:
            return rest
    return stem


def scene_of(name: Path) -> str:
    """The first-level folder of a path that is led by its folder's number; nothing where the picture lies in none."""
    return name.parts[1] if len(name.parts) > 2 else ''


def check_indices(indices: int | Sequence[int] | None) -> None:
    """Raises a `ValueError` if samples are chosen by what is neither a whole number but 0 nor a list of such."""
    several = isinstance(indices, Sequence) and len(indices) > 0 and all(map(is_whole, indices))
    if not (indices is None or several or is_whole(indices) and indices != 0):
        raise ValueError('indices must be a whole number other than 0, or a list of one or more, '
                         f'got {shown(indices)}')


def _folders(kind: str, data_root: str, folders: str | Sequence[str]) -> list[Path]:
    """The folders of a kind."""
    several = [folders] if isinstance(folders, str) else folders
    check_names(several, f'data_prefix[{kind!r}]', 1)
    return [Path(data_root) / str(folder) for folder in several]


def _names(option: str, values: Sequence[str | int], least: int = 0) -> list[str]:
    """The names that an option holds, checked."""
    check_names(values, option, least)
    names = [str(value) for value in values]
    strange = [name for name in names if not name or '/' in name]
    if strange:
        raise ValueError(f'{option} must hold names without their folders, got {strange}')
    return names


def _matched(low: Files, gt: Files, key: Callable[[Path], str]) -> list[tuple[Path, Path]]:
    """Files of both sides that share a key; raises where two of one side do."""
    tables: list[dict[str, Path]] = []
    for side in (low, gt):
        table: dict[str, Path] = {}
        for name, path in side:
            if key(name) in table:
                raise ValueError(f'two images of one side share the name {key(name)!r}: {table[key(name)]} and {path}')
            table[key(name)] = path
        tables.append(table)
    return [(tables[0][k], tables[1][k]) for k in tables[0].keys() & tables[1].keys()]


def _listed(head: str, offenders: Sequence[str]) -> str:
    """An error's text: the head, the count, the first offenders."""
    more = f'\n  ... and {len(offenders) - SHOWN} more' if len(offenders) > SHOWN else ''
    return f'{len(offenders)} {head}:\n  ' + '\n  '.join(offenders[:SHOWN]) + more
