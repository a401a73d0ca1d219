"""What the page does, without the page: pictures are checked, enhanced, explained and shown reduced."""
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from isalux_mm.apis.explaining import EXPLAINED, EXPLAINED_PIXELS
from isalux_mm.apis.inferencer import EnhanceInferencer
from isalux_mm.apis.jobs import to_tensor
from isalux_mm.functional.resizing import reduced
from isalux_mm.io.formats import IMAGE_SUFFIXES, result_name
from isalux_mm.io.images import write_image
from isalux_mm.io.limits import PictureLimits, PictureTooLargeError
from isalux_mm.io.picture_file import ImageReadError, Picture, read_picture, read_size, write_picture

MAX_PIXELS = 50_000_000  # ours: what a 50 megapixel camera gives
MAX_MB = 100  # ours
QUEUE_SIZE = 8  # ours: pictures that wait
PREVIEW_PIXELS = 2_000_000  # ours: of a picture on the page; the download is never reduced
PREVIEW, RESULT = 'preview.jpg', '_enhanced'

Overlay = Callable[[np.ndarray], tuple[np.ndarray, int]]


class RefusedError(ValueError):
    """A picture that is not worked on; the message is for the person at the page."""


@dataclass(frozen=True)
class Limits:
    """What the page takes.

    Attributes:
        max_pixels: of a picture, by its header.
        max_mb: of a file, MiB.
        queue_size: pictures that wait while one is worked on.

    Raises:
        ValueError: if one is below 1.
    """
    max_pixels: int = MAX_PIXELS
    max_mb: int = MAX_MB
    queue_size: int = QUEUE_SIZE

    def __post_init__(self) -> None:
        for name in ('max_pixels', 'max_mb', 'queue_size'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name} must be at least 1, got {getattr(self, name)}')


@dataclass(frozen=True)
class Shown:
    """A result as the page shows it.

    Attributes:
        before: reduced input, JPEG.
        after: reduced result, JPEG, of the same size.
        download: the result as `isalux enhance` writes it.
        note: what was done, a sentence.
    """
    before: Path
    after: Path
    download: Path
    note: str


class Workbench:
    """What the page does, without the page: one picture at a time.

    Args:
        inferencer: enhances.
        folder: for results and previews, each in a folder of its own below.
        limits: what is taken.
        overlay: draws a detector's boxes on a picture (H, W, 3), uint8, RGB, and counts them; `None` without one.
    """

    def __init__(self, inferencer: EnhanceInferencer, folder: str | Path, *, limits: Limits | None = None,
                 overlay: Overlay | None = None):
        self.inferencer, self.folder = inferencer, Path(folder)
        self.limits, self.overlay = limits or Limits(), overlay
        self.lock = threading.Lock()

    def enhance(self, path: str | Path | None, strength: float = 1.0, tile: int | None = None) -> Shown:
        """Enhances a file as `isalux enhance` does.

        Args:
            path: file; `None` where none was chosen.
            strength: 0 leaves the input, 1 gives the full result.
            tile: side of the tiles of a large picture, pixels; `None` chooses by size, 0 never tiles.

        Raises:
            RefusedError: if the file is no picture, beyond the limits, or fails.
        """
        path = self._checked(path)
        folder = self._new_folder()
        target = folder / result_name(Path(f'{path.stem}{RESULT}{path.suffix}'))
        with self.lock:
            report = self.inferencer.with_tile(tile)(path, out=target, strength=strength)['report']
        if report.failed:
            raise RefusedError(f'{path.name} cannot be enhanced: {next(iter(report.failed.values()))}')
        before, after = folder / f'before_{PREVIEW}', folder / f'after_{PREVIEW}'
        picture = read_picture(path)
        write_preview(before, picture)
        write_preview(after, read_picture(target))
        height, width = picture.image.shape[:2]
        return Shown(before, after, target, f'{path.name}, {width} x {height} pixels: done.')

    def explain(self, path: str | Path | None) -> Path:
        """Draws priors and routing of a file, reduced first where it is large.

        Raises:
            RefusedError: if the file is no picture or beyond the limits.
        """
        path = self._checked(path)
        image = small(self._read(path), EXPLAINED_PIXELS).image
        with self.lock:
            drawing = self.inferencer(image, return_explanation=True)['visualization'][0]
        target = self._new_folder() / f'{path.stem}{EXPLAINED}'
        write_image(target, drawing / np.float32(255))
        return target

    def detect(self, shown: Shown) -> tuple[Path, Path, str]:
        """Boxes on the previews of input and result, and a sentence with their numbers.

        Raises:
            RefusedError: if there is no detector, or the result has been removed in the meantime.
        """
        if self.overlay is None:
            raise RefusedError('The page was started without a detector.')
        if not (shown.before.is_file() and shown.after.is_file()):
            raise RefusedError('The result is no longer here: enhance the picture again.')
        paths, numbers = [], []
        for source in (shown.before, shown.after):
            with self.lock:
                drawn, number = self.overlay(replace(self._read(source), gray=False).samples())
            paths.append(source.with_name(f'boxes_{source.stem}.png'))
            write_image(paths[-1], drawn / np.float32(255))
            numbers.append(number)
        return paths[0], paths[1], f'Objects found: {numbers[0]} before, {numbers[1]} after.'

    def _checked(self, path: str | Path | None) -> Path:
        if path is None:
            raise RefusedError('Choose a picture first.')
        check_upload(Path(path), self.limits)
        return Path(path)

    def _read(self, path: Path) -> Picture:
        try:
            return read_picture(path)
        except ImageReadError as error:
            raise RefusedError(str(error).replace(str(path), path.name)) from error

    def _new_folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.folder))


def check_upload(path: Path, limits: Limits) -> None:
    """Checks a picture against the limits by its header; no pixel is decoded.

    Raises:
        RefusedError: if it is no picture, or beyond the limits.
    """
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise RefusedError(f'{path.name} is no picture that the page takes: {", ".join(IMAGE_SUFFIXES)}.')
    if not path.is_file():
        raise RefusedError(f'{path.name} is no longer here: upload it again.')
    if path.stat().st_size > limits.max_mb * 2**20:
        raise RefusedError(f'{path.name} has {path.stat().st_size / 2**20:.1f} MiB; up to {limits.max_mb} are taken.')
    try:
        height, width = read_size(path, limits=PictureLimits(pixels=max(limits.max_pixels, MAX_PIXELS)))
    except PictureTooLargeError as error:
        raise RefusedError(f'{path.name} is too large; up to {megapixels(limits.max_pixels)} are taken.') from error
    except ImageReadError as error:
        raise RefusedError(f'{path.name} is no readable picture.') from error
    if height * width > limits.max_pixels:
        raise RefusedError(f'{path.name} has {width} x {height} pixels ({megapixels(height * width)}); '
                           f'up to {megapixels(limits.max_pixels)} are taken.')


def megapixels(pixels: int) -> str:
    """'24 megapixels'; two digits below ten."""
    return f'{pixels / 1e6:.3g} megapixels'


def small(picture: Picture, pixels: int) -> Picture:
    """A picture brought down to at most this many pixels, without alpha."""
    image = reduced(to_tensor(picture.image)[None], pixels)[0].permute(1, 2, 0)  # (3, H, W) -> (H, W, 3)
    return replace(picture, image=np.ascontiguousarray(image.numpy()), alpha=None)


def write_preview(path: Path, picture: Picture) -> None:
    """An upright JPEG for the browser: reduced, with the colour profile, without EXIF."""
    write_picture(path, small(picture, PREVIEW_PIXELS).bare())
