"""Picture files with all that they carry: depth, alpha, grey, orientation, EXIF, colour profile, resolution."""
import io
import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
import tifffile
from PIL import Image, ImageCms, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from isalux_mm.functional.illumination import LUMA_WEIGHTS
from isalux_mm.io.whole_file import whole_file

ARRAY_SUFFIX = '.npy'
TIFF_SUFFIXES = ('.tif', '.tiff')
ALPHA_SUFFIXES = ('.png', '.webp', *TIFF_SUFFIXES, ARRAY_SUFFIX)
DEEP_SUFFIXES = {'uint16': ('.png', *TIFF_SUFFIXES, ARRAY_SUFFIX), 'float32': (*TIFF_SUFFIXES, ARRAY_SUFFIX)}
EXIF_ORIENTATION = 0x0112
TIFF_BITS = 258  # tag of the bits per sample
# tags that describe a TIFF's own storage (TIFF 6.0, Sec. 8 and 15), its profile, its packets: written anew, not copied
TIFF_STORAGE = (254, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339,
                347, 700, 34675)
TIFF_TEXTS = (270, 271, 272, 305, 306, 315, 33432)  # description, make, model, software, date, artist, copyright
FULL_SCALE = {'uint8': 255.0, 'uint16': 65535.0}
FLOAT_SLACK = 1e-3  # how far float files may leave [0, 1]
QUALITY = 95  # ours: of JPEG and WebP, beyond which files grow faster than pictures gain
INCH = 2  # TIFF 6.0, ResolutionUnit
METER = 0.0254  # of an inch
PNG_HEADER = 33  # bytes of a PNG's signature and IHDR
EXIF_MARK = b'Exif\x00\x00'
DECODING_ERRORS = (OSError, ValueError, TypeError, KeyError, IndexError, SyntaxError, EOFError, MemoryError,
                   struct.error, zlib.error, UnidentifiedImageError, Image.DecompressionBombError, cv2.error)


class ImageReadError(ValueError):
    """A file that is no readable picture; the message names it and the reason."""


@dataclass(frozen=True)
class Picture:
    """A picture as it is to be seen, and what is needed to write it back as it lay on disk.

    Attributes:
        image: (H, W, 3), float32, RGB in [0, 1], upright.
        alpha: (H, W), float32 in [0, 1], upright, or `None`.
        depth: 'uint8', 'uint16' or 'float32': of the file's samples.
        gray: whether the file has one colour channel; such a picture is written as its luma.
        orientation: EXIF orientation (1 to 8) in which the pixels are stored.
        exif: EXIF block with the orientation, without the thumbnail (which would show the old picture).
        icc: colour profile of the pixels.
        dpi: horizontal and vertical resolution.
    """
    image: np.ndarray
    alpha: np.ndarray | None = None
    depth: str = 'uint8'
    gray: bool = False
    orientation: int = 1
    exif: bytes | None = None
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None

    def samples(self, depth: str | None = None, *, alpha: bool = True) -> np.ndarray:
        """Upright samples (H, W), (H, W, 2), (H, W, 3) or (H, W, 4): grey or RGB, then alpha where there is one.

        Args:
            depth: 'uint8', 'uint16' or 'float32'; the picture's own by default.
            alpha: with the alpha channel.
        """
        depth = depth or self.depth
        color = self.image @ np.array(LUMA_WEIGHTS, np.float32) if self.gray else self.image
        if alpha and self.alpha is not None:
            color = np.dstack([color, self.alpha])
        if depth == 'float32':
            return np.ascontiguousarray(color, dtype=np.float32)
        return np.round(np.clip(color, 0, 1) * np.float32(FULL_SCALE[depth])).astype(depth)

    def with_image(self, image: np.ndarray) -> 'Picture':
        """The same file with other pixels (H, W, 3), RGB in [0, 1], upright."""
        return replace(self, image=image)


def read_picture(path: str | Path, *, array_order: str = 'rgb') -> Picture:
    """Reads a picture and what belongs to it; of several frames or pages the first.

    CMYK becomes RGB, through its profile where it has one. A `.npy` file must hold (H, W, 3): uint8, uint16, or float
    in [0, 1]; float TIFF must lie in [0, 1].

    Args:
        path: file.
        array_order: channel order of `.npy` files, 'rgb' or 'bgr'.

    Raises:
        ImageReadError: if the file is missing, empty, truncated, no picture, out of [0, 1], or holds NaN or infinity.
    """
    path = Path(path)
    check_not_empty(path)
    try:
        picture = _read_array(path, array_order) if path.suffix == ARRAY_SUFFIX else _read_file(path)
    except ImageReadError:
        raise
    except DECODING_ERRORS as error:
        raise ImageReadError(f'{path}: no readable picture ({error or type(error).__name__})') from error
    image = picture.image
    bad = np.count_nonzero(~np.isfinite(image))
    if bad:
        raise ImageReadError(f'{path}: {bad} NaN or infinite values of {image.size}')
    if image.min() < -FLOAT_SLACK or image.max() > 1 + FLOAT_SLACK:
        raise ImageReadError(f'{path}: float values must lie in [0, 1], got {image.min():.4g} to {image.max():.4g}')
    return picture.with_image(np.clip(image, 0, 1, out=image))


def write_picture(path: str | Path, picture: Picture, *, quality: int = QUALITY, overwrite: bool = False) -> None:
    """Writes a picture in the format of the suffix, stored as it was read; whole or not at all.

    What a format cannot hold is left out: alpha in JPEG and BMP, 16 bits in anything but PNG, TIFF and `.npy`, floats
    in anything but the latter two, EXIF and profile in BMP and `.npy`. TIFFs keep orientation, profile, resolution and
    text tags (maker, model, date, artist ...), not the whole EXIF block.

    Args:
        path: file; its folder is made.
        picture: what is written.
        quality: of JPEG and WebP, 1 to 100.
        overwrite: whether the file may be there.

    Raises:
        FileExistsError: if the file is there and may not be replaced.
        ValueError: if no format is known by the suffix, or the picture holds NaN or infinity.
    """
    path = Path(path)
    if not np.isfinite(picture.image).all():
        raise ValueError(f'{path}: a picture must be finite to be written, got NaN or infinite values')
    suffix = path.suffix.lower()
    depth = picture.depth if suffix in DEEP_SUFFIXES.get(picture.depth, ()) else 'uint8'
    samples = picture.samples(depth, alpha=suffix in ALPHA_SUFFIXES)
    if suffix == ARRAY_SUFFIX:
        with whole_file(path, overwrite=overwrite) as file:
            np.save(file, samples)
        return
    samples = to_stored(samples, picture.orientation)
    with whole_file(path, overwrite=overwrite) as file:
        if suffix in TIFF_SUFFIXES:
            _write_tiff(file, samples, picture)
        elif depth == 'uint8':
            _write_pillow(file, suffix, samples, picture, quality)
        else:
            file.write(_deep_png(samples, picture))


def to_upright(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Stored samples (H, W, ...) as they are to be seen, by the EXIF orientation (CIPA DC-008, tag 274)."""
    if orientation in (2, 3, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7):
        samples = samples[::-1]
    if orientation in (5, 7):
        return samples.swapaxes(0, 1)
    return np.rot90(samples, {6: -1, 8: 1}.get(orientation, 0))


def to_stored(samples: np.ndarray, orientation: int) -> np.ndarray:
    """The inverse of `to_upright`."""
    return np.ascontiguousarray(to_upright(samples, {6: 8, 8: 6}.get(orientation, orientation)))


def check_not_empty(path: Path) -> None:
    """Raises an `ImageReadError` if there is no regular file with content."""
    if not path.is_file():
        raise ImageReadError(f'{path}: ' + ('not a regular file' if path.exists() else 'no such file'))
    if path.stat().st_size == 0:
        raise ImageReadError(f'{path}: the file is empty (0 bytes)')


def is_tiff(path: Path) -> bool:
    """Whether a file's suffix is TIFF's."""
    return path.suffix.lower() in TIFF_SUFFIXES


def read_deep_tiff(path: Path) -> tuple[np.ndarray, int]:
    """Samples of the first page of a 16-bit or float TIFF, (H, W) or (H, W, C), RGB; and its stored orientation."""
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        orientation = int(page.tags[EXIF_ORIENTATION].value) if EXIF_ORIENTATION in page.tags else 1
        inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
        try:
            samples = page.asarray()
        except (ValueError, RuntimeError) as error:  # a compression that tifffile leaves to a package of codecs
            samples = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)  # turns it, where it can
            if samples is None:
                raise ImageReadError(f'{path}: no readable picture ({error})') from error
            return _rgb_first(samples), 1
        if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and samples.ndim == 3:
            samples = np.moveaxis(samples, 0, -1)
    return (np.iinfo(samples.dtype).max - samples if inverted else samples), orientation


def _read_array(path: Path, order: str) -> Picture:
    image = np.load(path, allow_pickle=False)
    known = image.dtype.kind == 'f' or image.dtype.name in FULL_SCALE
    if image.ndim != 3 or image.shape[2] != 3 or not known:
        raise ImageReadError(
            f'{path}: must hold (H, W, 3), uint8, uint16 or float in [0, 1], got {image.dtype} {image.shape}')
    return picture_of(image if order == 'rgb' else image[..., ::-1])


def _read_file(path: Path) -> Picture:
    try:
        with Image.open(path) as file:
            facts = _facts(file)
            file.load()  # raises where the file is cut off
            if not file.mode.startswith(('I', 'F')) and not _is_deep_color(file, path):
                return _of_pillow(file, facts)
    except UnidentifiedImageError:
        if not is_tiff(path):  # float RGB: unknown to Pillow
            raise
        facts = dict(orientation=1)
    if is_tiff(path):
        samples, facts['orientation'] = read_deep_tiff(path)
    else:
        decoded = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if decoded is None:
            raise ImageReadError(f'{path}: no readable picture')
        samples = _rgb_first(decoded)
    return replace(picture_of(to_upright(samples, facts['orientation'])), **facts)


def picture_of(samples: np.ndarray) -> Picture:
    """A picture of samples (H, W), (H, W, 1), (H, W, 2), (H, W, 3) or (H, W, 4): grey or RGB, then alpha.

    Integers are taken over their full scale, floats as they are.

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
    return Picture(image, scaled[..., -1] if channels in (2, 4) else None, depth, gray)


def _facts(file: Image.Image) -> dict:
    """Orientation, EXIF, profile and resolution of a file that Pillow has opened, and not loaded yet."""
    exif = file.getexif()
    is_tiff_file = file.format == 'TIFF'
    orientation = exif.get(EXIF_ORIENTATION, 1)
    for tag in TIFF_STORAGE if is_tiff_file else ():
        exif.pop(tag, None)
    dpi = file.info.get('dpi')
    return dict(
        orientation=orientation if orientation in range(1, 9) else 1, exif=exif.tobytes() if len(exif) else None,
        icc=file.info.get('icc_profile'), dpi=tuple(map(float, dpi)) if dpi and min(dpi) > 1 else None)


def _of_pillow(file: Image.Image, facts: dict) -> Picture:
    """An 8-bit picture; Pillow has turned TIFFs upright by itself when it loaded them."""
    has_alpha = file.mode in ('LA', 'La', 'PA', 'RGBA', 'RGBa') or 'transparency' in file.info
    gray = file.mode in ('1', 'L', 'LA', 'La')
    if file.mode == 'CMYK':
        file, facts = _from_cmyk(file, facts), dict(facts, icc=None)
    mode = ('LA' if has_alpha else 'L') if gray else ('RGBA' if has_alpha else 'RGB')
    if file.mode in ('RGBa', 'La'):  # Pillow unmultiplies to the same kind alone
        file = file.convert({'RGBa': 'RGBA', 'La': 'LA'}[file.mode])
    samples = np.asarray(file if file.mode == mode else file.convert(mode))
    turned = 1 if file.format == 'TIFF' else facts['orientation']
    return replace(picture_of(to_upright(samples, turned)), **facts)


def _from_cmyk(file: Image.Image, facts: dict) -> Image.Image:
    """sRGB by the file's profile; by Pillow's formula where it has none or a broken one."""
    if facts['icc']:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(facts['icc']))
            converted = ImageCms.profileToProfile(file, profile, ImageCms.createProfile('sRGB'), outputMode='RGB')
            return file.convert('RGB') if converted is None else converted
        except (ImageCms.PyCMSError, OSError):
            return file.convert('RGB')
    return file.convert('RGB')


def _is_deep_color(file: Image.Image, path: Path) -> bool:
    """Whether a colour picture has 16 bits a channel, which Pillow reads as 8."""
    if file.format == 'PNG':
        with open(path, 'rb') as raw:
            return raw.read(26)[24] == 16  # signature, IHDR: width, height, bit depth
    if isinstance(file, TiffImageFile):
        return max(file.tag_v2.get(TIFF_BITS, (8, ))) > 8
    return False


def _rgb_first(samples: np.ndarray) -> np.ndarray:
    """OpenCV's order to RGB, alpha stays last."""
    if samples.ndim == 2:
        return samples
    return samples[..., [2, 1, 0, 3][:samples.shape[2]]] if samples.shape[2] > 2 else samples


def _write_pillow(file: BinaryIO, suffix: str, samples: np.ndarray, picture: Picture, quality: int) -> None:
    formats = Image.registered_extensions()
    if formats.get(suffix) not in Image.SAVE:
        raise ValueError(f'path must end in a known picture format such as .png or .jpg, got {suffix!r}')
    options = {key: value for key in ('exif', 'dpi') if (value := getattr(picture, key)) is not None}
    if picture.icc is not None:
        options['icc_profile'] = picture.icc
    if formats[suffix] in ('JPEG', 'WEBP'):
        options['quality'] = quality
    if formats[suffix] == 'JPEG':
        options['subsampling'] = 0  # colour at full resolution: thin saturated detail of night lights survives
    Image.fromarray(samples).save(file, format=formats[suffix], **options)


def _deep_png(samples: np.ndarray, picture: Picture) -> bytes:
    """A 16-bit PNG by OpenCV, and the chunks that it does not write (PNG specification, Sec. 11.3)."""
    if samples.ndim == 3 and samples.shape[2] == 2:  # OpenCV knows no grey with alpha
        samples = samples[..., [0, 0, 0, 1]]
    encoded = cv2.imencode('.png', _rgb_first(samples))[1].tobytes()
    chunks = b''
    if picture.icc is not None:
        chunks += _chunk(b'iCCP', b'icc\x00\x00' + zlib.compress(picture.icc))
    if picture.dpi is not None:
        dots = [round(value / METER) for value in picture.dpi]
        chunks += _chunk(b'pHYs', struct.pack('>IIB', *dots, 1))
    if picture.exif is not None:
        chunks += _chunk(b'eXIf', picture.exif.removeprefix(EXIF_MARK))
    return encoded[:PNG_HEADER] + chunks + encoded[PNG_HEADER:]


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))


def _write_tiff(file: BinaryIO, samples: np.ndarray, picture: Picture) -> None:
    gray = samples.ndim == 2 or samples.shape[2] == 2
    has_alpha = samples.ndim == 3 and samples.shape[2] in (2, 4)
    exif = Image.Exif()
    if picture.exif is not None:
        exif.load(picture.exif)
    tags: list[tuple[int, int, int, object, bool]] = [(EXIF_ORIENTATION, 3, 1, picture.orientation, True)]
    tags += [(tag, 2, 0, str(exif[tag]), True) for tag in TIFF_TEXTS if tag in exif]
    tifffile.imwrite(
        file, samples, photometric='minisblack' if gray else 'rgb',
        planarconfig='contig' if samples.ndim == 3 else None, extrasamples=['unassalpha'] if has_alpha else None,
        compression='zlib', iccprofile=picture.icc, metadata=None, software=False,
        resolution=picture.dpi, resolutionunit=INCH if picture.dpi else None, extratags=tags)
