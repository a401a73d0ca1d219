"""From a file to samples and what it carries: the one place that calls decoders."""
import io
import logging
import mmap
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from PIL import Image

from isalux_mm.io.carried import (
    JPEG_SIGNATURE,
    PNG_SIGNATURE,
    Carried,
    is_lossless_webp,
    jpeg_parts,
    jpeg_size,
    png_chunks,
    png_parts,
    png_size,
    with_resources,
)
from isalux_mm.io.exif import ORIENTATION
from isalux_mm.io.formats import OPENED, RAW, READERS, format_of
from isalux_mm.io.limits import ImageReadError, PictureLimits, PictureTooLargeError, pillow_limit_lifted
from isalux_mm.io.plugins import make_readable, read_raw, read_raw_size, sniffed
from isalux_mm.io.samples import rgb_first, samples_of, to_upright

TIFF_SIGNATURES = (b'II*\x00', b'MM\x00*', b'II+\x00', b'MM\x00+')
TIFF_BITS = 258  # tag of the bits per sample
# tags that describe a TIFF's own storage (TIFF 6.0, Sec. 8 and 15), its profile, its packets: written anew, not copied
TIFF_STORAGE = (254, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339,
                347, 700, 33723, 34377, 34675)
TIFF_PLAIN = (tifffile.PHOTOMETRIC.MINISWHITE, tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.RGB)
TIFF_COLORS = {tifffile.PHOTOMETRIC.YCBCR: 'YCbCr', tifffile.PHOTOMETRIC.SEPARATED: 'CMYK'}
TIFF_CHANNELS = {'YCbCr': 3, 'CMYK': 4}
TIFF_XMP, TIFF_IPTC = 700, 34377
PNG_ORIENTED = (b'eXIf', b'zTXt', b'tEXt')  # chunks in which EXIF may stand
PNG_RGB, PNG_GRAY_ALPHA = 2, 4  # colour types
QUARTER_TURNS = (5, 6, 7, 8)  # EXIF orientations that swap width and height
HEAD = 32  # bytes that tell a format
JPEG_HEAD = 2**20  # bytes of a JPEG in which EXIF, which stands first, is looked for


def decoded(path: Path, limits: PictureLimits) -> tuple[np.ndarray, Carried]:
    """Upright samples of a file, as of `samples_of`, and what it carries.

    Raises:
        ImageReadError: if there is a reason that we know.
        Exception: whatever a decoder raises.
    """
    if format_of(path) is RAW:
        return read_raw(path, limits)
    data = path.read_bytes()
    make_readable(sniffed(data[:HEAD]))
    if data.startswith(TIFF_SIGNATURES):
        return _decoded_tiff(path, limits)
    bare, carried = parts(data)
    image = opened(io.BytesIO(bare))
    with image:
        limits.check(*image.size)
        carried = carried if bare is not data else _of_info(image, data)
        if image.format == 'JPEG' or (carried.dpi is None and bare is data):
            carried = _with_dpi(carried, image)
        if getattr(image, 'n_frames', 1) > 1:
            carried = carried.without('all frames but the first')
        image.load()  # raises where the file is cut off
        samples = _deep_png(bare) if _is_deep_color(bare) else samples_of(image, carried.icc)
        if image.mode == 'CMYK':
            carried = replace(carried, icc=None)
    return to_upright(samples, carried.orientation), carried


def stated_size(path: Path, limits: PictureLimits) -> tuple[int, int]:
    """(H, W) of a picture as it is to be seen, from its header alone; errors as of `decoded`."""
    if format_of(path) is RAW:
        height, width = read_raw_size(path)
        limits.check(width, height)
        return height, width
    with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        head = data[:HEAD]
        make_readable(sniffed(head))
        if head.startswith(TIFF_SIGNATURES):
            width, height, orientation = _tiff_size(path)
        elif head.startswith(PNG_SIGNATURE):
            (width, height), orientation = png_size(data), _orientation_of_png(data)
        elif head.startswith(JPEG_SIGNATURE):
            (width, height), orientation = jpeg_size(data), jpeg_parts(data[:JPEG_HEAD])[1].orientation
        else:
            with opened(file) as image:
                (width, height), orientation = image.size, _of_info(image, b'').orientation
    if not width or not height:
        raise ImageReadError('no readable picture (its header states no size)')
    limits.check(width, height)
    return (width, height) if orientation in QUARTER_TURNS else (height, width)


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Within it OpenCV, tifffile and Pillow log nothing of a broken TIFF: its reason is raised, its loss named."""
    level, loggers = cv2.getLogLevel(), [logging.getLogger(name) for name in ('tifffile', 'PIL.TiffImagePlugin')]
    before = [logger.level for logger in loggers]
    try:
        cv2.setLogLevel(0)
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        cv2.setLogLevel(level)
        for logger, old in zip(loggers, before):
            logger.setLevel(old)


def opened(file: io.BytesIO | Any) -> Image.Image:
    """A picture in one of the formats that this package takes, of any size, not loaded."""
    load_readers()
    with pillow_limit_lifted():
        return Image.open(file, formats=[name for name in OPENED if name in Image.OPEN])


@cache
def load_readers() -> None:
    """Imports Pillow's readers of the formats that this package takes, and no others."""
    for name in READERS:
        import_module(f'PIL.{name}ImagePlugin')


def parts(data: bytes | mmap.mmap) -> tuple[Any, Carried]:
    """The pixels of a file, without what it carries, and that; the file itself where its format is left to Pillow."""
    if data[:8] == PNG_SIGNATURE:
        return png_parts(data)
    if data[:3] == JPEG_SIGNATURE:
        return jpeg_parts(data)
    return data, Carried()


def carried_by_image(image: Image.Image) -> Carried:
    """What a Pillow image in memory carries."""
    return _with_dpi(_of_info(image, b''), image)


def _orientation_of_png(data: mmap.mmap) -> int:
    places = [(start, end) for kind, start, end in png_chunks(data) if kind in PNG_ORIENTED]
    bare = b''.join([PNG_SIGNATURE, *(data[start - 8:end + 4] for start, end in places)])
    return png_parts(bare)[1].orientation


def _of_info(image: Image.Image, data: bytes) -> Carried:
    """What Pillow's reader of a format found, piece by piece."""
    info, found = image.info, Carried()
    exif = info.get('exif') or _rebuilt_exif(image)
    if isinstance(exif, bytes) and exif:
        found = found.with_exif(exif)
    icc, xmp, comment = (_bytes_of(info.get(key)) for key in ('icc_profile', 'xmp', 'comment'))
    lossless = data[8:12] == b'WEBP' and is_lossless_webp(data)
    return replace(found, icc=icc, xmp=xmp, comment=comment, lossless=lossless)


def _bytes_of(value: object) -> bytes | None:
    value = value.encode() if isinstance(value, str) else value
    if isinstance(value, tuple):  # of bytes, or of their numbers
        value = value[0] if len(value) == 1 and isinstance(value[0], bytes) else bytes(value)
    return value if isinstance(value, bytes) and value else None


def _rebuilt_exif(image: Image.Image) -> bytes | None:
    """EXIF that was set on an image in memory."""
    try:
        exif = image.getexif()
        return exif.tobytes() if len(exif) else None
    except Exception:  # whatever broken metadata makes Pillow raise
        return None


def _with_dpi(found: Carried, image: Image.Image) -> Carried:
    try:
        dpi = tuple(map(float, image.info['dpi']))
        return replace(found, dpi=dpi) if len(dpi) == 2 and min(dpi) > 1 else found
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return found


def _is_deep_color(data: bytes) -> bool:
    """Whether a PNG has 16 bits a channel and more channels than grey: Pillow reads it as 8."""
    return data[:8] == PNG_SIGNATURE and data[24] == 16 and data[25] != 0  # IHDR: depth, colour type


def _deep_png(bare: bytes) -> np.ndarray:
    """Samples of a PNG of 16 bits, colour or grey with alpha; a transparent colour becomes alpha."""
    color, key, pieces = bare[25], None, [PNG_SIGNATURE]
    for kind, start, end in png_chunks(bare):
        if kind == b'tRNS':
            key = bare[start:end]
        else:
            pieces.append(bare[start - 8:end + 4])
    found = cv2.imdecode(np.frombuffer(b''.join(pieces), np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or found.dtype != np.uint16:
        raise ImageReadError('no readable 16-bit picture')
    samples = rgb_first(found)
    if color == PNG_GRAY_ALPHA:
        return samples[..., [0, -1]]
    if color == PNG_RGB and key is not None and len(key) == 6:
        hidden = (samples == np.array(struct.unpack('>3H', key), np.uint16)).all(axis=2)
        return np.dstack([samples, np.where(hidden, 0, 65535).astype(np.uint16)])
    return samples


def _decoded_tiff(path: Path, limits: PictureLimits) -> tuple[np.ndarray, Carried]:
    """A TIFF by Pillow; by tifffile or OpenCV where it has 16 bits or floats, or Pillow does not know it."""
    with quiet_decoders():
        return _tiff_in_quiet(path, limits)


def _tiff_in_quiet(path: Path, limits: PictureLimits) -> tuple[np.ndarray, Carried]:
    try:
        image = opened(path)
    except Exception as error:  # float RGB, BigTIFF and others are unknown to Pillow
        return _deep_tiff(path, limits, Carried(), error)
    with image:
        limits.check(*image.size)
        carried = _tiff_carried(image)
        if image.mode.startswith(('I', 'F')) or max(_tag(image, TIFF_BITS, (8, ))) > 8:
            return _deep_tiff(path, limits, carried)
        try:
            image.load()  # turns it upright
            samples = samples_of(image, carried.icc)
        except Exception as error:  # a BigTIFF or a compression that another reader may know
            return _deep_tiff(path, limits, carried, error)
        return samples, replace(carried, icc=None) if image.mode == 'CMYK' else carried


def _deep_tiff(path: Path, limits: PictureLimits, carried: Carried,
               error: Exception | None = None) -> tuple[np.ndarray, Carried]:
    try:
        samples, orientation = read_deep_tiff(path, limits)
    except PictureTooLargeError:
        raise
    except Exception as other:
        raise (other if error is None else error) from other
    return to_upright(samples, orientation), replace(carried, orientation=orientation)


def read_deep_tiff(path: Path, limits: PictureLimits | None = None) -> tuple[np.ndarray, int]:
    """Samples of the first page of a TIFF, (H, W) or (H, W, C), RGB; and its stored orientation."""
    with tifffile.TiffFile(path) as file:
        page: Any = file.pages[0]
        (limits or PictureLimits()).check(page.imagewidth, page.imagelength)
        orientation = page.tags[ORIENTATION].value if ORIENTATION in page.tags else 1
        inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
        try:
            samples = page.asarray()
        except (ValueError, RuntimeError) as error:  # a compression that tifffile leaves to a package of codecs
            samples = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)  # turns it, where it can
            if samples is None:
                raise ImageReadError(f'no readable picture ({error})') from error
            return rgb_first(samples), 1
        if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and samples.ndim == 3:
            samples = np.moveaxis(samples, 0, -1)
        if page.photometric not in TIFF_PLAIN:
            samples = _as_rgb(samples, page)
    if samples.dtype.kind in 'iu' and samples.dtype.itemsize > 2 and samples.size and samples.max() <= 65535:
        samples = samples.astype(np.uint16) if samples.min() >= 0 else samples
    if inverted and samples.dtype.kind == 'u':
        samples = np.iinfo(samples.dtype).max - samples
    return samples, orientation if orientation in range(1, 9) else 1


def _as_rgb(samples: np.ndarray, page: Any) -> np.ndarray:
    """RGB of a TIFF's samples of 8 bits in other colours; those of JPEG were made RGB by its decoder."""
    mode = TIFF_COLORS.get(page.photometric, '')
    if not mode or samples.dtype != np.uint8 or samples.shape[2:] != (TIFF_CHANNELS[mode], ):
        raise ImageReadError(f'colours of kind {getattr(page.photometric, "name", page.photometric)} are not known in '
                             f'{samples.dtype} {samples.shape}')
    size = samples.shape[1], samples.shape[0]
    return np.asarray(Image.frombytes(mode, size, np.ascontiguousarray(samples).tobytes()).convert('RGB'))


def _tiff_size(path: Path) -> tuple[int, int, int]:
    """Width, height, orientation."""
    try:
        with quiet_decoders(), tifffile.TiffFile(path) as file:
            page: Any = file.pages[0]
            orientation = page.tags[ORIENTATION].value if ORIENTATION in page.tags else 1
            return page.imagewidth, page.imagelength, orientation
    except Exception:  # whatever a broken tag makes it raise
        with opened(path) as image:
            return (*image.size, 1)  # upright


def _tiff_carried(image: Image.Image) -> Carried:
    """What a TIFF that Pillow has opened carries, tag by tag."""
    found, steps = Carried(), dict[str, Callable[[Carried], Carried]]()
    steps['EXIF (broken)'] = lambda found: _with_tiff_exif(found, image)
    steps['XMP (broken)'] = lambda found: replace(found, xmp=_bytes_of(_tag(image, TIFF_XMP, None)))
    steps['IPTC (broken)'] = lambda found: with_resources(found, _bytes_of(_tag(image, TIFF_IPTC, None)) or b'')
    steps['colour profile (broken)'] = lambda found: replace(found, icc=_bytes_of(image.info.get('icc_profile')))
    for name, step in steps.items():
        try:
            found = step(found)
        except Exception:  # whatever broken metadata makes Pillow raise
            found = found.without(name)
    if getattr(image, 'n_frames', 1) > 1:
        found = found.without('all pages but the first')
    return _with_dpi(found, image)


def _with_tiff_exif(found: Carried, image: Image.Image) -> Carried:
    exif = image.getexif()
    for tag in TIFF_STORAGE:
        exif.pop(tag, None)
    return found.with_exif(exif.tobytes()) if len(exif) else found


def _tag(image: Any, tag: int, default: Any) -> Any:
    return image.tag_v2.get(tag, default)
