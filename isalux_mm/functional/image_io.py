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
TIFF_BITS = 258  # tag of the bits per sample
FULL_SCALE = {'uint8': 255.0, 'uint16': 65535.0}
FLOAT_SLACK = 1e-3  # how far float files may leave [0, 1]
LAST_BYTES = {'.png': b'IEND', '.jpg': b'\xff\xd9', '.jpeg': b'\xff\xd9'}
TAIL = 32  # bytes at the end in which a whole file has them
DECODING_ERRORS = (OSError, ValueError, SyntaxError, EOFError, UnidentifiedImageError, Image.DecompressionBombError)


class ImageReadError(ValueError):
    """A file that is no readable picture; the message names it and the reason."""


def read_image(path: str | Path, *, array_order: str = 'rgb') -> np.ndarray:
    """Reads a picture as it is to be seen.

    Grey and palette pictures become RGB, alpha is dropped, 16 bits keep their depth, EXIF orientation is applied.
    A `.npy` file must hold (H, W, 3): uint8, uint16, or float in [0, 1]; float TIFF must lie in [0, 1].

    Args:
        path: file.
        array_order: channel order of `.npy` files, 'rgb' or 'bgr' (SDSD's frames are BGR).

    Returns:
        (H, W, 3), float32, RGB in [0, 1].

    Raises:
        ImageReadError: if the file is missing, empty, truncated, no picture, out of [0, 1], or holds NaN or infinity.
    """
    path = Path(path)
    _check_not_empty(path)
    try:
        image = _read_array(path, array_order) if path.suffix == ARRAY_SUFFIX else _read_picture(path)
    except ImageReadError:
        raise
    except DECODING_ERRORS as error:
        raise ImageReadError(f'{path}: no readable picture ({error})') from error
    bad = np.count_nonzero(~np.isfinite(image))
    if bad:
        raise ImageReadError(f'{path}: {bad} NaN or infinite values of {image.size}')
    if image.min() < -FLOAT_SLACK or image.max() > 1 + FLOAT_SLACK:
        raise ImageReadError(f'{path}: float values must lie in [0, 1], got {image.min():.4g} to {image.max():.4g}')
    return np.clip(image, 0, 1)


def read_size(path: str | Path) -> tuple[int, int]:
    """(H, W) of a picture as it is to be seen, from its header alone.

    Raises:
        ImageReadError: if the header cannot be read.
    """
    path = Path(path)
    _check_not_empty(path)
    try:
        if path.suffix == ARRAY_SUFFIX:
            return np.load(path, mmap_mode='r').shape[:2]
        with Image.open(path) as picture:
            width, height = picture.size
            turned = picture.getexif().get(EXIF_ORIENTATION, 1) in QUARTER_TURNS
    except DECODING_ERRORS as error:
        if _is_tiff(path):  # float RGB: unknown to Pillow
            return _read_deep(path).shape[:2]
        raise ImageReadError(f'{path}: no readable picture ({error})') from error
    return (width, height) if turned else (height, width)


def check_whole(path: str | Path) -> None:
    """Checks that a file is not cut off: by its last bytes, and where these do not tell, by decoding it.

    Raises:
        ImageReadError: if it cannot be decoded.
    """
    path = Path(path)
    last = LAST_BYTES.get(path.suffix.lower())
    if last is not None:
        with open(path, 'rb') as file:
            file.seek(max(path.stat().st_size - TAIL, 0))
            if last in file.read():
                return
    read_image(path)


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


def _check_not_empty(path: Path) -> None:
    if not path.is_file():
        raise ImageReadError(f'{path}: no such file')
    if path.stat().st_size == 0:
        raise ImageReadError(f'{path}: the file is empty (0 bytes)')


def _is_tiff(path: Path) -> bool:
    return path.suffix.lower() in ('.tif', '.tiff')


def _read_array(path: Path, order: str) -> np.ndarray:
    image = np.load(path, allow_pickle=False)
    known = image.dtype.kind == 'f' or image.dtype.name in FULL_SCALE
    if image.ndim != 3 or image.shape[2] != 3 or not known:
        raise ImageReadError(
            f'{path}: must hold (H, W, 3), uint8, uint16 or float in [0, 1], got {image.dtype} {image.shape}')
    return _scaled(image if order == 'rgb' else image[..., ::-1])


def _read_picture(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as picture:
            picture.load()  # raises where the file is cut off
            if not picture.mode.startswith(('I', 'F')) and not _is_deep_colour(picture, path):
                return _scaled(np.asarray(_to_rgb(ImageOps.exif_transpose(picture))))
    except UnidentifiedImageError:
        if not _is_tiff(path):  # float RGB: unknown to Pillow
            raise
    return _read_deep(path)


def _scaled(image: np.ndarray) -> np.ndarray:
    """Integers over their full scale, floats as they are; float32, contiguous."""
    scale = np.float32(FULL_SCALE.get(image.dtype.name, 1.0))
    return np.ascontiguousarray(image, dtype=np.float32) / scale


def _to_rgb(picture: Image.Image) -> Image.Image:
    """RGB without alpha; a palette is looked up first."""
    if picture.mode == 'P':
        picture = picture.convert('RGBA' if 'transparency' in picture.info else 'RGB')
    return picture.convert('RGB')


def _is_deep_colour(picture: Image.Image, path: Path) -> bool:
    """Whether a colour picture has 16 bits a channel, which Pillow reads as 8."""
    if picture.format == 'PNG':
        with open(path, 'rb') as file:
            return file.read(26)[24] == 16  # signature, IHDR: width, height, bit depth
    if picture.format == 'TIFF':
        return max(picture.tag_v2.get(TIFF_BITS, (8, ))) > 8
    return False


def _read_deep(path: Path) -> np.ndarray:
    """16-bit integer and float pictures through OpenCV."""
    image = cv2.imread(str(path), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR)
    if image is None:
        raise ImageReadError(f'{path}: no readable picture')
    return _scaled(image[..., ::-1])
