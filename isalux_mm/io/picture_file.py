"""Picture files with all that they carry: depth, alpha, grey, orientation, metadata; read and written."""
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from PIL import Image

from isalux_mm.functional.illumination import LUMA_WEIGHTS
from isalux_mm.io.attempts import ENDS, reason
from isalux_mm.io.carried import Carried
from isalux_mm.io.decoding import carried_by_image, decoded, stated_size
from isalux_mm.io.encoding import encode, lost_in
from isalux_mm.io.exif import oriented
from isalux_mm.io.formats import ARRAY, WRITTEN_SUFFIXES, Format, format_of
from isalux_mm.io.limits import ImageReadError, PictureLimits, limits_in_force
from isalux_mm.io.samples import rgb_first, samples_of, to_stored, to_upright
from isalux_mm.io.whole_file import whole_file

FULL_SCALE = {'bool': 1.0, 'uint8': 255.0, 'uint16': 65535.0}
FLOAT_SLACK = 1e-3  # how far floats may leave [0, 1]
QUALITY = 95  # ours: of JPEG, WebP and AVIF, beyond which files grow faster than pictures gain
BLOCK = 4_000_000  # ours: pixels whose samples are made at once


@dataclass(frozen=True)
class Picture(Carried):
    """A picture as it is to be seen, and what is needed to write it back as it lay on disk.

    What it carries beside is `Carried`'s.

    Attributes:
        image: (H, W, 3), float32, RGB in [0, 1], upright.
        alpha: (H, W), float32 in [0, 1], upright, or `None`.
        depth: 'uint8', 'uint16' or 'float32': of the file's samples.
        gray: whether the file has one colour channel; such a picture is written as its luma.
    """
    image: np.ndarray
    alpha: np.ndarray | None = None
    depth: str = 'uint8'
    gray: bool = False

    def samples(self, depth: str | None = None, *, alpha: bool = True) -> np.ndarray:
        """Upright samples (H, W), (H, W, 2), (H, W, 3) or (H, W, 4): grey or RGB, then alpha where there is one.

        Args:
            depth: 'uint8', 'uint16' or 'float32'; the picture's own by default.
            alpha: with the alpha channel; without it the picture is laid on white.
        """
        depth = depth or self.depth
        out: np.ndarray | None = None
        for rows in self._blocks():
            part = self._samples(depth, alpha, rows)
            if len(part) == len(self.image):
                return part
            if out is None:
                out = np.empty((len(self.image), *part.shape[1:]), part.dtype)
            out[rows] = part
        assert out is not None, 'a picture has rows'
        return out

    def with_image(self, image: np.ndarray) -> 'Picture':
        """The same file with other pixels (H, W, 3), RGB in [0, 1], upright."""
        return replace(self, image=image)

    def bare(self) -> 'Picture':
        """The picture with nothing but its colour profile and PNG's colour: upright, for a preview."""
        return Picture(self.image, self.alpha, self.depth, self.gray, icc=self.icc, color=self.color)

    def _blocks(self) -> Iterator[slice]:
        height, width = self.image.shape[:2]
        rows = max(BLOCK // width, 1)
        return (slice(first, first + rows) for first in range(0, height, rows))

    def _samples(self, depth: str, alpha: bool, rows: slice) -> np.ndarray:
        color = self.image[rows]
        if self.alpha is not None and not alpha:
            opacity = self.alpha[rows, :, None]
            color = color * opacity + (1 - opacity)
        color = color @ np.array(LUMA_WEIGHTS, np.float32) if self.gray else color
        if self.alpha is not None and alpha:
            color = np.dstack([color, self.alpha[rows]])
        if depth == 'float32':
            return np.ascontiguousarray(color, dtype=np.float32)
        return np.round(np.clip(color, 0, 1) * np.float32(FULL_SCALE[depth])).astype(depth)


def read_picture(path: str | Path, *, array_order: str = 'rgb', limits: PictureLimits | None = None) -> Picture:
    """Reads a picture and what belongs to it; of several frames or pages the first.

    Its format is told by its content. CMYK becomes RGB, through its profile where it has one. Metadata never stops a
    picture: what is broken in it is left out and named in `lost`. Arrays (`.npy`) are as of `picture_of`; floats must
    lie in [0, 1].

    Args:
        path: file.
        array_order: channel order of `.npy` files, 'rgb' or 'bgr'.
        limits: how large it may be; by default what the environment says (`limits_in_force`).

    Raises:
        PictureTooLargeError: if it is beyond the limits.
        ImageReadError: if the file is missing, empty, truncated, no picture, out of [0, 1], or holds NaN or infinity.
    """
    path, limits = Path(path), limits or limits_in_force()
    with named_errors(path):
        if format_of(path) is ARRAY:
            return checked(picture_of(_read_array(path, array_order, limits)))
        samples, carried = decoded(path, limits)
        return checked(_with(picture_of(samples), carried))


def read_size(path: str | Path, *, limits: PictureLimits | None = None) -> tuple[int, int]:
    """(H, W) of a picture as it is to be seen, from its header alone; no pixel is decoded.

    Raises:
        PictureTooLargeError: if it is beyond the limits.
        ImageReadError: if the header cannot be read.
    """
    path, limits = Path(path), limits or limits_in_force()
    with named_errors(path):
        if format_of(path) is not ARRAY:
            return stated_size(path, limits)
        height, width = _mapped(path, limits).shape[:2]
        return height, width


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Whatever reading a file raises, as an `ImageReadError` that names it; a missing or empty file, too."""
    check_not_empty(path)
    try:
        yield
    except ImageReadError as error:
        raise type(error)(f'{path}: {error}') from error
    except ENDS:
        raise
    except BaseException as error:  # decoders raise whatever they like; one in Rust what is no `Exception`
        raise ImageReadError(f'{path}: no readable picture ({reason(error)})') from error


def write_picture(path: str | Path, picture: Picture, *, quality: int = QUALITY,
                  overwrite: bool = False) -> tuple[str, ...]:
    """Writes a picture in the format of the suffix, stored as it was read; whole or not at all.

    What a format cannot hold (`io.formats`) is left out, and returned. A format without orientation gets the picture
    upright, one without alpha gets it laid on white.

    Args:
        path: file; its folder is made.
        picture: what is written.
        quality: of JPEG, WebP and AVIF, 1 to 100.
        overwrite: whether the file may be there.

    Returns:
        What the picture carried, or was, and the file is not, in words; `picture.lost` first.

    Raises:
        FileExistsError: if the file is there and may not be replaced.
        ValueError: if no format is known by the suffix, a side is longer than the format takes, or the picture holds
            NaN or infinity.
    """
    path = Path(path)
    one = _written_format(path, picture)
    with np.errstate(invalid='ignore', over='ignore'):
        total = picture.image.sum()  # has every NaN and infinity in it, and takes no memory
    if not np.isfinite(total) and not np.isfinite(picture.image).all():
        raise ValueError(f'{path}: a picture must be finite to be written, got NaN or infinite values')
    depth = picture.depth if picture.depth in one.depths else 'uint8'
    samples = picture.samples(depth, alpha=one.alpha)
    if picture.exif is not None:
        picture = replace(picture, exif=oriented(picture.exif, picture.orientation))
    with whole_file(path, overwrite=overwrite) as file:
        if one is ARRAY:
            np.save(file, samples)
        else:
            samples = to_stored(samples, picture.orientation) if 'orientation' in one.keeps else samples
            encode(file, one, np.ascontiguousarray(samples), picture, quality)
    return (*picture.lost, *lost_in(picture, one, depth))


def check_not_empty(path: Path) -> None:
    """Raises an `ImageReadError` if there is no regular file with content."""
    if not path.is_file():
        raise ImageReadError(f'{path}: ' + ('not a regular file' if path.exists() else 'no such file'))
    if path.stat().st_size == 0:
        raise ImageReadError(f'{path}: the file is empty (0 bytes)')


def picture_of(samples: np.ndarray) -> Picture:
    """A picture of samples (H, W), (H, W, 1), (H, W, 2), (H, W, 3) or (H, W, 4): grey or RGB, then alpha.

    Integers are taken over their full scale, `False` and `True` as black and white, floats as they are.

    Raises:
        ValueError: if shape or type are others.
    """
    depth = 'float32' if samples.dtype.kind == 'f' else samples.dtype.name
    channels = 1 if samples.ndim == 2 else samples.shape[-1]
    if samples.ndim not in (2, 3) or channels > 4 or samples.size == 0 or depth not in (*FULL_SCALE, 'float32'):
        raise ValueError('a picture must be (H, W) or (H, W, C) with 1 to 4 channels, uint8, uint16 or float in '
                         f'[0, 1], got {samples.dtype} {samples.shape}')
    scaled = np.array(samples, dtype=np.float32).reshape(*samples.shape[:2], channels)
    scaled /= np.float32(FULL_SCALE.get(depth, 1.0))
    gray = channels <= 2
    image = np.repeat(scaled[..., :1], 3, axis=2) if gray else np.ascontiguousarray(scaled[..., :3])
    return Picture(image, scaled[..., -1] if channels in (2, 4) else None, 'uint8' if depth == 'bool' else depth, gray)


def picture_of_pil(image: Image.Image) -> Picture:
    """A Pillow image, and what it carries, as its file would be read; 16 bits in colour are 8 in Pillow already.

    Raises:
        ValueError: if its values leave their range.
    """
    carried = carried_by_image(image)
    picture = picture_of(to_upright(samples_of(image, carried.icc), carried.orientation))
    return checked(_with(picture, replace(carried, icc=None) if image.mode == 'CMYK' else carried))


def checked(picture: Picture) -> Picture:
    """A picture whose floats lie in [0, 1]: cut off where rounding has left it by a thousandth.

    Raises:
        ImageReadError: if they leave it further, or are not finite.
    """
    if picture.depth != 'float32':
        return picture
    image = picture.image
    bad = np.count_nonzero(~np.isfinite(image))
    if bad:
        raise ImageReadError(f'float values must be finite, got {bad} NaN or infinite values of {image.size}')
    if image.min() < -FLOAT_SLACK or image.max() > 1 + FLOAT_SLACK:
        raise ImageReadError(f'float values must lie in [0, 1], got {image.min():.4g} to {image.max():.4g}')
    alpha = None if picture.alpha is None else np.nan_to_num(picture.alpha, nan=1).clip(0, 1)
    return replace(picture, image=np.clip(image, 0, 1, out=image), alpha=alpha)


def _with(picture: Picture, carried: Carried) -> Picture:
    return replace(picture, **{one.name: getattr(carried, one.name) for one in fields(Carried)})


def _read_array(path: Path, order: str, limits: PictureLimits) -> np.ndarray:
    samples = np.asarray(_mapped(path, limits))
    return rgb_first(samples) if order == 'bgr' and samples.ndim == 3 and samples.shape[2] <= 4 else samples


def _mapped(path: Path, limits: PictureLimits) -> np.ndarray:
    """A `.npy` file's array, not read yet."""
    mapped = np.load(path, mmap_mode='r', allow_pickle=False)
    if not isinstance(mapped, np.ndarray) or mapped.ndim not in (2, 3):
        raise ImageReadError(f'must hold (H, W) or (H, W, C), got shape {getattr(mapped, "shape", "of none")}')
    if not mapped.size:
        raise ImageReadError(f'must hold pixels, got shape {mapped.shape}')
    limits.check(mapped.shape[1], mapped.shape[0])
    return mapped


def _written_format(path: Path, picture: Picture) -> Format:
    one = format_of(path)
    if one is None or not one.depths:
        raise ValueError(f'path must end in a known picture format that is written, {", ".join(WRITTEN_SUFFIXES)}, '
                         f'got {path.suffix.lower()!r}')
    longest = max(picture.image.shape[:2])
    if one.longest is not None and longest > one.longest:
        raise ValueError(f'{path}: a side of {longest:,} pixels, {one.name} takes {one.longest:,}; '
                         'PNG and TIFF take longer ones')
    return one
