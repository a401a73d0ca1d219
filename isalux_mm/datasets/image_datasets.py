"""Datasets of pairs, of dark images without reference, and of photographs to be darkened on the fly."""
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mmengine.dataset import BaseDataset
from mmengine.logging import MMLogger

from isalux_mm.functional.image_io import ImageReadError, list_images, read_size
from isalux_mm.registry import DATASETS

KNOWN_PREFIXES = ('low', 'normal', 'high')  # LOL-v2 names its pairs low00690, normal00690
SHOWN = 20


class ImageFolderDataset(BaseDataset):
    """What the datasets below share: folders listed and checked before any work is lost.

    Args:
        data_root: folder that `data_prefix` is relative to.
        data_prefix: folder, or list of folders, of each kind of image.
        pipeline: transforms.
        recursive: whether sub-folders (scenes of frames) are read; names are matched by their relative path.
        skip_broken: leave unreadable files out, with a count in the log, instead of raising.
        layout: what a user is told to put where, when a folder is missing.
        test_mode: as mmengine's.
        indices: number of samples or their indices, as mmengine's.

    Raises:
        FileNotFoundError: if a folder is missing.
        ValueError: if a folder holds no image, or files are unreadable, lack a partner or differ in size; lists them.
    """
    METAINFO = dict(dataset_type='low_light')
    kinds: tuple[str, ...] = ()

    def __init__(self,
                 data_root: str = '',
                 data_prefix: Mapping[str, str | Sequence[str]] | None = None,
                 pipeline: Sequence[dict | Callable] = (),
                 *,
                 recursive: bool = True,
                 skip_broken: bool = False,
                 layout: str = '',
                 test_mode: bool = False,
                 indices: int | Sequence[int] | None = None):
        prefixes = dict(data_prefix or {})
        if set(prefixes) != set(self.kinds):
            raise ValueError(f'data_prefix must name {self.kinds}, got {sorted(prefixes)}')
        self.folders = {
            kind: [Path(data_root) / f for f in ([folders] if isinstance(folders, str) else folders)]
            for kind, folders in prefixes.items()
        }
        self.recursive, self.skip_broken, self.layout = recursive, skip_broken, layout
        super().__init__(pipeline=list(pipeline), test_mode=test_mode, indices=indices, serialize_data=False)

    def _join_prefix(self) -> None:
        """Folders are joined in the constructor; there is no annotation file."""

    def load_data_list(self) -> list[dict]:
        """One record per sample, with the paths of its images."""
        for kind, folders in self.folders.items():
            for folder in folders:
                if not folder.is_dir():
                    raise FileNotFoundError(f'data_prefix[{kind!r}]: no folder {folder}. {self.layout}'.rstrip())
        files = {kind: self._list(folders) for kind, folders in self.folders.items()}
        for kind, found in files.items():
            if not found:
                raise ValueError(f'data_prefix[{kind!r}]: no image in {", ".join(map(str, self.folders[kind]))}')
        return self._readable(self._records(files))

    def _list(self, folders: Sequence[Path]) -> list[tuple[Path, Path]]:
        """(folder, path relative to it) of every image."""
        return [(folder, path.relative_to(folder)) for folder in folders
                for path in list_images(folder, self.recursive)]

    def _records(self, files: dict[str, list[tuple[Path, Path]]]) -> list[dict]:
        """Records of the files found, here: one per file of the only kind."""
        kind, = self.kinds
        return [{f'{kind}_path': str(folder / name)} for folder, name in files[kind]]

    def _readable(self, records: list[dict]) -> list[dict]:
        """Reads every header; raises on, or leaves out, what is unreadable or unequal in size."""
        good, broken = [], []
        for record in records:
            try:
                sizes = {key: read_size(record[key]) for key in (f'{kind}_path' for kind in self.kinds)}
            except ImageReadError as error:
                broken.append(str(error))
                continue
            if len(set(sizes.values())) > 1:
                broken.append('sizes differ: ' + ', '.join(f'{record[k]} is {w}x{h}' for k, (h, w) in sizes.items()))
            else:
                good.append(record)
        if broken and not self.skip_broken:
            raise ValueError(_listed('unusable images (skip_broken=True leaves them out)', broken))
        if broken:
            MMLogger.get_current_instance().warning(_listed('images left out', broken))
        if not good:
            raise ValueError(_listed('no usable image is left', broken))
        return good


@DATASETS.register_module()
class PairedImageDataset(ImageFolderDataset):
    """Low-light images with their normal-light references, from two parallel folders.

    Reads LOL-v1, LOL-v2, SDSD (frames in scene folders), LOL-Blur and any two folders whose names match. Names are
    matched without suffix, after taking off a leading 'low', 'normal' or 'high'. See `ImageFolderDataset` for the
    arguments; `data_prefix` is `dict(low=..., gt=...)`.
    """
    kinds = ('low', 'gt')

    def _records(self, files: dict[str, list[tuple[Path, Path]]]) -> list[dict]:
        tables = {kind: self._by_key(kind, found) for kind, found in files.items()}
        low, gt = tables['low'], tables['gt']
        alone = [f'{low[k]} has no gt' for k in sorted(low.keys() - gt)]
        alone += [f'{gt[k]} has no low' for k in sorted(gt.keys() - low)]
        if alone:
            raise ValueError(_listed('images without a partner', alone))
        return [dict(low_path=str(low[key]), gt_path=str(gt[key])) for key in sorted(low)]

    @staticmethod
    def _by_key(kind: str, found: list[tuple[Path, Path]]) -> dict[str, Path]:
        table: dict[str, Path] = {}
        for folder, name in found:
            key = pair_key(name)
            if key in table:
                raise ValueError(f'two {kind} images share the name {key!r}: {table[key]} and {folder / name}')
            table[key] = folder / name
        return table


@DATASETS.register_module()
class UnpairedImageDataset(ImageFolderDataset):
    """Dark images without reference, such as MEF, LIME, DICM, NPE; `data_prefix` is `dict(low=...)`."""
    kinds = ('low', )


@DATASETS.register_module()
class PhotoDataset(ImageFolderDataset):
    """Normally lit photographs, darkened on the fly by `SynthesizeLowLight`; `data_prefix` is `dict(gt=...)`."""
    kinds = ('gt', )


def pair_key(name: Path) -> str:
    """What two files of a pair share: the relative path without suffix and without a known prefix."""
    stem = name.stem
    for prefix in KNOWN_PREFIXES:
        rest = stem.lower().removeprefix(prefix).lstrip('_-')
        if rest != stem.lower() and rest:
            stem = rest
            break
    return (name.parent / stem).as_posix()


def _listed(head: str, offenders: Sequence[str]) -> str:
    """An error's text: the head, the count, the first offenders."""
    more = f'\n  ... and {len(offenders) - SHOWN} more' if len(offenders) > SHOWN else ''
    return f'{len(offenders)} {head}:\n  ' + '\n  '.join(offenders[:SHOWN]) + more
