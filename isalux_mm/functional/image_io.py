"""Reading and writing pictures as RGB float32 in [0, 1], whatever lies on disk."""
import os
import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')
ARRAY_SUFFIX = '.npy'
EXIF_ORIENTATION = 0x0112
QUARTER_TURNS = (5, 6, 7, 8)  # EXIF orientations that swap width and height
SIXTEEN_BIT = 65535.0


class ImageReadError(ValueError):
    """A file that is no readable picture; the message names it and the reason."""


def read_image(path: str | Path) -> np.ndarray:
    """Reads a picture as it is to be seen.

    Grey and palette pictures become RGB, alpha is dropped, 16 bits keep their depth, EXIF orientation is applied.
    A `.npy` file must hold a float array (H, W, 3) in [0, 1].

    Args:
        path: file.

    Returns:
        (H, W, 3), float32, RGB in [0, 1].

    Raises:
        ImageReadError: if the file is missing, empty, truncated, no picture, or holds NaN or infinite values.
    """
    path = Path(path)
    if not path.is_file():
        raise ImageReadError(f'{path}: no such file')
    if path.stat().st_size == 0:
        raise ImageReadError(f'{path}: the file is empty (0 bytes)')
    try:
        image = _read_array(path) if path.suffix == ARRAY_SUFFIX else _read_picture(path)
    except ImageReadError:
        raise
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ImageReadError(f'{path}: no readable picture ({error})') from error
    bad = np.count_nonzero(~np.isfinite(image))
    if bad:
        raise ImageReadError(f'{path}: {bad} NaN or infinite values of {image.size}')
    return image


def read_size(path: str | Path) -> tuple[int, int]:
    """(H, W) of a picture as it is to be seen, from its header alone.

    Raises:
        ImageReadError: if the header cannot be read.
    """
    path = Path(path)
    try:
        if path.suffix == ARRAY_SUFFIX:
            return np.load(path, mmap_mode='r').shape[:2]
        with Image.open(path) as picture:
            width, height = picture.size
            turned = picture.getexif().get(EXIF_ORIENTATION, 1) in QUARTER_TURNS
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        reason = 'the file is empty (0 bytes)' if path.is_file() and path.stat().st_size == 0 else error
        raise ImageReadError(f'{path}: no readable picture ({reason})') from error
    return (width, height) if turned else (height, width)


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Writes (H, W, 3), RGB in [0, 1], as 8 bits in the format of the suffix; whole or not at all.

    The folder is made; the file appears under its name only when it is complete.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.round(np.clip(image, 0, 1) * 255).astype(np.uint8))
    handle, temporary = tempfile.mkstemp(suffix=path.suffix, prefix=f'.{path.stem}-', dir=path.parent)
    try:
        with os.fdopen(handle, 'wb') as file:
            picture.save(file, format=Image.registered_extensions()[path.suffix.lower()])
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def list_images(folder: str | Path, recursive: bool = True) -> list[Path]:
    """Pictures below a folder, sorted by path; links to folders are followed, hidden files are left out."""
    suffixes, found = (*IMAGE_SUFFIXES, ARRAY_SUFFIX), []
    for where, folders, names in os.walk(folder, followlinks=True):
        if not recursive:
            folders.clear()
        found += [Path(where) / n for n in names if Path(n).suffix.lower() in suffixes and not n.startswith('.')]
    return sorted(found)


def _umask() -> int:
    """The process's umask (reading it means setting it)."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _read_array(path: Path) -> np.ndarray:
    image = np.load(path, allow_pickle=False)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype.kind != 'f':
        raise ImageReadError(f'{path}: must hold a float array (H, W, 3) in [0, 1], got {image.dtype} {image.shape}')
    return image.astype(np.float32)


def _read_picture(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        deep = picture.mode.startswith(('I', 'F')) or _is_deep_colour(picture, path)
        if not deep:
            picture.load()
            oriented = ImageOps.exif_transpose(picture)
            return np.asarray(_to_rgb(oriented), np.float32) / 255
    return _read_deep(path)


def _to_rgb(picture: Image.Image) -> Image.Image:
    """RGB without alpha; a palette is looked up first."""
    if picture.mode == 'P':
        picture = picture.convert('RGBA' if 'transparency' in picture.info else 'RGB')
    return picture.convert('RGB')


def _is_deep_colour(picture: Image.Image, path: Path) -> bool:
    """Whether a colour picture has 16 bits a channel, which PIL reads as 8."""
    if path.suffix.lower() == '.png':
        with open(path, 'rb') as file:
            header = file.read(26)  # signature, IHDR: width, height, bit depth at byte 24
        return header[24] == 16
    bits = picture.tag_v2.get(258, (8, )) if hasattr(picture, 'tag_v2') else (8, )
    return max(bits if isinstance(bits, tuple) else (bits, )) > 8


def _read_deep(path: Path) -> np.ndarray:
    """16-bit integer and float pictures through OpenCV."""
    image = cv2.imread(str(path), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR)
    if image is None:
        raise ImageReadError(f'{path}: no readable picture')
    scale = {np.dtype('uint8'): 255.0, np.dtype('uint16'): SIXTEEN_BIT}.get(image.dtype, 1.0)
    return np.ascontiguousarray(image[..., ::-1]).astype(np.float32) / np.float32(scale)
