"""What the page does, without the page: pictures are checked, enhanced, explained and shown reduced."""
import tempfile
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
from PIL import Image

from isalux_mm.apis.explaining import EXPLAINED, EXPLAINED_PIXELS
from isalux_mm.apis.inferencer import EnhanceInferencer
from isalux_mm.apis.jobs import to_tensor
from isalux_mm.apis.tone import Tone
from isalux_mm.functional.resizing import reduced, shrink
from isalux_mm.io.formats import IMAGE_SUFFIXES, result_name
from isalux_mm.io.images import write_image
from isalux_mm.io.limits import PictureLimits, PictureTooLargeError
from isalux_mm.io.names import fitted
from isalux_mm.io.picture_file import (
    QUALITY,
    ImageReadError,
    Picture,
    read_picture,
    read_size,
    write_picture,
)

MAX_PIXELS = 50_000_000  # ours: what a 50 megapixel camera gives
MAX_MB = 100  # ours
MAX_TOTAL_MB = 300  # ours: of all pictures that the page holds, uploaded and made
QUEUE_SIZE = 8  # ours: pictures that wait
KEEP_MINUTES = 30  # ours: after which a file is removed
UPLOAD_SECONDS = 300  # ours: in which an upload must have come
MIB = 2**20
PREVIEW_PIXELS = 2_000_000  # ours: of a picture on the page; the download is never reduced
PREVIEW_SIDE = 16_000  # ours: JPEG holds 65,500, browsers show less
EXPLAINED_SIDE = 4_000  # ours
PREVIEW, RESULT = 'preview.jpg', '_enhanced'
LOSSY = ('JPEG', 'MPO', 'WEBP', 'AVIF')

OWN_MODEL = 'own'

Overlay = Callable[[np.ndarray], tuple[np.ndarray, int]]
Models = Mapping[str, Callable[[], EnhanceInferencer]]


class RefusedError(ValueError):
    """A picture that is not worked on; the message is for the person at the page."""


@dataclass(frozen=True)
class Limits:
    """What the page takes.

    Attributes:
        max_pixels: of a picture, by its header.
        max_mb: of a file, MiB.
        max_total_mb: of all files that the page holds, MiB; no upload is taken beyond.
        queue_size: requests that wait while one is worked on.
        keep_minutes: after which a file is removed.
        upload_seconds: in which an upload must have come.

    Raises:
        ValueError: if one is below 1.
    """
    max_pixels: int = MAX_PIXELS
    max_mb: int = MAX_MB
    queue_size: int = QUEUE_SIZE
    max_total_mb: int = MAX_TOTAL_MB
    keep_minutes: int = KEEP_MINUTES
    upload_seconds: int = UPLOAD_SECONDS

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 1:
                raise ValueError(f'{field.name} must be at least 1, got {getattr(self, field.name)}')


@dataclass(frozen=True)
class Shown:
    """A result as the page shows it.

    Attributes:
        before: reduced input, JPEG.
        after: reduced result, JPEG, of the same size.
        download: the result as `isalux enhance` writes it.
        note: what was done, a sentence.
        losses: what was lost or reduced, sentences.
    """
    before: Path
    after: Path
    download: Path
    note: str
    losses: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Note and losses in one line."""
        return ' '.join((self.note, *self.losses))


@dataclass(frozen=True)
class Wish:
    """What a visitor wants of a picture, beside the picture.

    Attributes:
        tone: strength, brightness, highlights.
        tile: side of the tiles of a large picture, pixels; `None` chooses by size, 0 never tiles.
        model: a name of the workbench's; `None` is its first.
        mode: 'full', or 'fast', which knows no tiles; `None` is the inferencer's.
    """
    tone: Tone = Tone()
    tile: int | None = None
    model: str | None = None
    mode: str | None = None


class Workbench:
    """What the page does, without the page: one picture at a time.

    Args:
        inferencer: enhances.
        folder: for results and previews, each in a folder of its own below.
        limits: what is taken.
        overlay: draws a detector's boxes on a picture (H, W, 3), uint8, RGB, and counts them; `None` without one.
        model: what the page calls the inferencer's model.
        models: others to choose from, by name: what builds them.
    """

    def __init__(self, inferencer: EnhanceInferencer, folder: str | Path, *, limits: Limits | None = None,
                 overlay: Overlay | None = None, model: str = OWN_MODEL, models: Models | None = None):
        self.inferencer, self.folder = inferencer, Path(folder)
        self.model, self.models = model, dict(models or {})
        self._built: dict[str, EnhanceInferencer] = {}
        self.limits, self.overlay = limits or Limits(), overlay
        self.lock = threading.Lock()

    def enhance(self, path: str | Path | None, wish: Wish | None = None, folder: Path | None = None) -> Shown:
        """Enhances a file as `isalux enhance` does.

        Args:
            path: file; `None` where none was chosen.
            wish: of the result.
            folder: for a folder of the result; the workbench's own by default.

        Raises:
            RefusedError: if the file is no picture, beyond the limits, or fails.
        """
        path, wish = self._checked(path), wish or Wish()
        folder = self._new_folder(folder)
        target = folder / result_name(Path(fitted(path.stem, f'{RESULT}{path.suffix}')))
        with self.lock:
            report = self._inferencer(wish)(path, out=target, **asdict(wish.tone))['report']
        if report.failed:
            raise RefusedError(f'{path.name} cannot be enhanced: {next(iter(report.failed.values()))}')
        before, after = folder / f'before_{PREVIEW}', folder / f'after_{PREVIEW}'
        picture = self._read(path)
        height, width = picture.image.shape[:2]
        shown_size = write_preview(before, picture)
        write_preview(after, self._read(target))
        lost = losses_of(path, target, picture, report.lost.get(str(target), ()))
        losses = (*lost, *losses_of_preview((height, width), shown_size, picture))
        return Shown(before, after, target, f'{path.name}, {width} x {height} pixels: done.', losses)

    def _inferencer(self, wish: Wish) -> EnhanceInferencer:
        """The one of a wish, with a report of its own."""
        one = self._of_model(wish)
        one = one if wish.mode is None else one.with_mode(wish.mode)
        return one.with_tile(None if one.mode == 'fast' else wish.tile)

    def _of_model(self, wish: Wish) -> EnhanceInferencer:
        """The one of a model's name, built when it is first asked for."""
        if wish.model is None or wish.model == self.model:
            return self.inferencer
        if wish.model not in self.models:
            raise RefusedError(f'There is no model {wish.model}.')
        if wish.model not in self._built:
            self._built[wish.model] = self.models[wish.model]()
        return self._built[wish.model]

    def explain(self, path: str | Path | None, wish: Wish | None = None, folder: Path | None = None) -> Path:
        """Draws priors and routing of a file, reduced first where it is large.

        Raises:
            RefusedError: if the file is no picture or beyond the limits.
        """
        path = self._checked(path)
        image = small(self._read(path), EXPLAINED_PIXELS, EXPLAINED_SIDE).image
        with self.lock:
            drawing = self._inferencer(wish or Wish())(image, return_explanation=True)['visualization'][0]
        target = self._new_folder(folder) / fitted(path.stem, EXPLAINED)
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
            write_image(paths[-1], drawn / np.float32(255), overwrite=True)
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

    def _new_folder(self, parent: Path | None = None) -> Path:
        return Path(tempfile.mkdtemp(dir=parent or self.folder))


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
        reason = str(error).removeprefix(f'{path}: ').partition(' (')[0]  # how to raise it is not for visitors
        raise RefusedError(f'{path.name} is too large ({reason}); up to {megapixels(limits.max_pixels)} are taken.'
                           ) from error
    except ImageReadError as error:
        raise RefusedError(f'{path.name} is no readable picture.') from error
    if height * width > limits.max_pixels:
        raise RefusedError(f'{path.name} has {width} x {height} pixels ({megapixels(height * width)}); '
                           f'up to {megapixels(limits.max_pixels)} are taken.')


def megapixels(pixels: int) -> str:
    """'24 megapixels'; two digits below ten."""
    return f'{pixels / 1e6:.3g} megapixels'


def small(picture: Picture, pixels: int, side: int = PREVIEW_SIDE) -> Picture:
    """A picture brought down to at most so many pixels and a side, without alpha."""
    image = reduced(to_tensor(picture.image)[None], pixels)[0].permute(1, 2, 0)  # (3, H, W) -> (H, W, 3)
    return replace(picture, image=shrink(np.ascontiguousarray(image.numpy()), side), alpha=None)


def write_preview(path: Path, picture: Picture) -> tuple[int, int]:
    """An upright JPEG for the browser: reduced, with the colour profile, without EXIF; returns (H, W)."""
    preview = small(picture, PREVIEW_PIXELS)
    write_picture(path, preview.bare())
    return preview.image.shape[0], preview.image.shape[1]


def losses_of(path: Path, target: Path, picture: Picture, lost: Collection[str]) -> list[str]:
    """What the result lacks that the file had, sentences.

    Args:
        path: the file.
        target: the result.
        picture: what was read.
        lost: what the result's writer says.
    """
    losses = [f'Without {", ".join(lost)}.'] if lost else []
    if target.suffix != path.suffix:
        losses.append(f'Written as {target.suffix}: {path.suffix} is read alone.')
    with suppress(OSError, ValueError, Image.DecompressionBombError), Image.open(path) as file:
        if file.mode == 'CMYK':
            losses.append('CMYK became RGB.')
        if file.format in LOSSY and not picture.lossless:
            losses.append(f'The {file.format} was compressed anew (quality {QUALITY}).')
    return losses


def losses_of_preview(size: tuple[int, int], shown: tuple[int, int], picture: Picture) -> list[str]:
    """What the page shows less well than the download has it, sentences."""
    losses = []
    if size != shown:
        losses.append(f'Shown reduced to {shown[1]} x {shown[0]}; the download has all pixels.')
    if picture.depth != 'uint8':
        losses.append('Shown with 8 bits; the download keeps its depth.')
    if picture.alpha is not None:
        losses.append('Shown without transparency; the download keeps it.')
    return losses
