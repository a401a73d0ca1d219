"""From samples and what a picture carries to a file's bytes: the one place that calls encoders."""
import io
import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import cv2
import numpy as np
import tifffile
from PIL import Image

from isalux_mm.io.carried import (
    APP0,
    APP1,
    APP2,
    APP13,
    COM,
    ICC_MARK,
    METER,
    PHOTOSHOP_MARK,
    PNG_SIGNATURE,
    PNG_XMP,
    XMP_MARK,
    jpeg_segments,
)
from isalux_mm.io.exif import EXIF_MARK, ORIENTATION, has_sub_blocks, orientation_block
from isalux_mm.io.formats import AVIF, JPEG, PNG, TIFF, WEBP, Format
from isalux_mm.io.samples import rgb_first

if TYPE_CHECKING:
    from isalux_mm.io.picture_file import Picture

TIFF_TEXTS = (270, 271, 272, 305, 306, 315, 33432)  # description, make, model, software, date, artist, copyright
TIFF_XMP, TIFF_PHOTOSHOP = 700, 34377
TIFF_ASCII, TIFF_SHORT, TIFF_BYTE, TIFF_UNDEFINED = 2, 3, 1, 7
INCH = 2  # TIFF 6.0, ResolutionUnit
PNG_HEADER = 33  # bytes of a PNG's signature and IHDR
SEGMENT = 65533  # most bytes of a JPEG segment's content
NAMES = dict(exif='EXIF', icc='the colour profile', xmp='XMP', iptc='IPTC', comment='the comment', texts='texts',
             color='gamma and primaries')


def lost_in(picture: 'Picture', one: Format, depth: str) -> tuple[str, ...]:
    """What a picture carries, and a file of a format does not hold, in words."""
    lost = [text for name, text in NAMES.items() if getattr(picture, name) and name not in one.keeps]
    if picture.alpha is not None and not one.alpha:
        lost.append('transparency (laid on white)')
    if depth != picture.depth:
        lost.append(f'depth ({picture.depth} became {depth})')
    if one is JPEG:
        lost += [f'{NAMES[name]} (beyond 64 KiB)' for name, mark in (('exif', EXIF_MARK), ('xmp', XMP_MARK))
                 if len(getattr(picture, name) or b'') + len(mark) > SEGMENT]
    if one is TIFF and picture.exif and has_sub_blocks(picture.exif):
        lost.append('EXIF and GPS beyond its texts')
    return tuple(lost)


def encode(file: BinaryIO, one: Format, samples: np.ndarray, picture: 'Picture', quality: int) -> None:
    """Writes samples, as they are stored, in a format, with what it holds of what the picture carries.

    Args:
        file: open for writing.
        one: a format with depths.
        samples: (H, W), (H, W, 2), (H, W, 3) or (H, W, 4) in one of its depths.
        picture: whose possessions are written.
        quality: of JPEG, WebP and AVIF, 1 to 100.
    """
    if one is TIFF:
        _write_tiff(file, samples, picture)
    elif one is PNG:
        file.write(_with_chunks(_bare_png(samples), picture))
    elif one is JPEG:
        file.write(_with_segments(_by_pillow(one, samples, picture, quality=quality, subsampling=0), picture))
    elif one in (WEBP, AVIF):
        carried = dict(exif=EXIF_MARK + picture.exif if picture.exif else None, icc_profile=picture.icc,
                       xmp=picture.xmp)
        options: dict[str, Any] = {key: value for key, value in carried.items() if value}
        lossless = dict(lossless=True, exact=True) if picture.lossless and one is WEBP else {}
        file.write(_by_pillow(one, samples, picture, quality=quality, **options, **lossless))
    else:
        file.write(_by_pillow(one, samples, picture))


def _by_pillow(one: Format, samples: np.ndarray, picture: 'Picture', **options: Any) -> bytes:
    """JPEG has colour at full resolution (subsampling 0): thin saturated detail of night lights survives."""
    out = io.BytesIO()
    if picture.dpi is not None and 'dpi' in one.keeps:
        options['dpi'] = picture.dpi
    Image.fromarray(samples).save(out, format=one.name, **options)
    return out.getvalue()


def _bare_png(samples: np.ndarray) -> bytes:
    if samples.dtype == np.uint8:
        out = io.BytesIO()
        Image.fromarray(samples).save(out, format='PNG')
        return out.getvalue()
    if samples.ndim == 3 and samples.shape[2] == 2:
        return _gray_alpha_png(samples)
    return cv2.imencode('.png', rgb_first(samples))[1].tobytes()


def _gray_alpha_png(samples: np.ndarray) -> bytes:
    """Grey with alpha at 16 bits, which neither Pillow nor OpenCV writes (PNG specification, Sec. 9: filter Up)."""
    height, width, _ = samples.shape
    lines = np.ascontiguousarray(samples.astype('>u2')).view(np.uint8).reshape(height, -1)
    differences = np.diff(lines, axis=0, prepend=np.zeros_like(lines[:1]))  # of bytes, modulo 256
    filtered = np.concatenate([np.full((height, 1), 2, np.uint8), differences], axis=1)
    header = struct.pack('>IIBBBBB', width, height, 16, 4, 0, 0, 0)
    return b''.join([PNG_SIGNATURE, _chunk(b'IHDR', header), _chunk(b'IDAT', zlib.compress(filtered.tobytes())),
                     _chunk(b'IEND', b'')])


def _with_chunks(bare: bytes, picture: 'Picture') -> bytes:
    """A PNG and the chunks of what the picture carries (PNG specification, Sec. 11.3), colour ahead of all else."""
    chunks = [_chunk(kind, content) for kind, content in picture.color]
    if picture.icc is not None:
        chunks.append(_chunk(b'iCCP', b'icc\x00\x00' + zlib.compress(picture.icc)))
    if picture.dpi is not None:
        chunks.append(_chunk(b'pHYs', struct.pack('>IIB', *(_dots(value) for value in picture.dpi), 1)))
    if picture.exif is not None:
        chunks.append(_chunk(b'eXIf', picture.exif))
    if picture.xmp is not None:
        chunks.append(_chunk(b'iTXt', PNG_XMP + b'\x00\x00\x00\x00' + picture.xmp))
    chunks += [_chunk(kind, content) for kind, content in picture.texts]
    rest = bare[PNG_HEADER:]
    return bare[:PNG_HEADER] + b''.join(chunks) + rest


def _dots(value: float) -> int:
    return min(max(round(value / METER), 1), 2**31 - 1)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))


def _with_segments(bare: bytes, picture: 'Picture') -> bytes:
    """A JPEG and the segments of what the picture carries, behind that of JFIF."""
    marker, _, end = next(jpeg_segments(bare))
    place = end if marker == APP0 else 2
    return b''.join([bare[:place], *_segments(picture), bare[place:]])


def _segments(picture: 'Picture') -> Iterator[bytes]:
    if picture.exif is not None:
        block = picture.exif
        if len(block) + len(EXIF_MARK) > SEGMENT:
            block = orientation_block(picture.orientation)
        yield _segment(APP1, EXIF_MARK + block)
    elif picture.orientation != 1:
        yield _segment(APP1, EXIF_MARK + orientation_block(picture.orientation))
    if picture.xmp is not None and len(picture.xmp) + len(XMP_MARK) <= SEGMENT:
        yield _segment(APP1, XMP_MARK + picture.xmp)
    for part in _split(picture.iptc, PHOTOSHOP_MARK):
        yield _segment(APP13, PHOTOSHOP_MARK + part)
    pieces = _split(picture.icc, ICC_MARK, room=2)
    for number, part in enumerate(pieces if len(pieces) < 256 else (), start=1):
        yield _segment(APP2, ICC_MARK + bytes((number, len(pieces))) + part)
    if picture.comment is not None:
        yield _segment(COM, picture.comment[:SEGMENT])


def _split(content: bytes | None, mark: bytes, *, room: int = 0) -> list[bytes]:
    content, step = content or b'', SEGMENT - len(mark) - room
    return [content[start:start + step] for start in range(0, len(content), step)]


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack('>BBH', 0xFF, marker, len(content) + 2) + content


def _write_tiff(file: BinaryIO, samples: np.ndarray, picture: 'Picture') -> None:
    gray = samples.ndim == 2 or samples.shape[2] == 2
    has_alpha = samples.ndim == 3 and samples.shape[2] in (2, 4)
    tags: list[tuple[int, int, int, object, bool]] = [(ORIENTATION, TIFF_SHORT, 1, picture.orientation, True)]
    tags += [(tag, TIFF_ASCII, 0, text, True) for tag, text in _texts(picture.exif)]
    if picture.xmp is not None:
        tags.append((TIFF_XMP, TIFF_BYTE, len(picture.xmp), picture.xmp, True))
    if picture.iptc is not None:
        tags.append((TIFF_PHOTOSHOP, TIFF_UNDEFINED, len(picture.iptc), picture.iptc, True))
    tifffile.imwrite(
        file, samples, photometric='minisblack' if gray else 'rgb',
        planarconfig='contig' if samples.ndim == 3 else None, extrasamples=['unassalpha'] if has_alpha else None,
        compression='zlib', iccprofile=picture.icc, metadata=None, software=False,
        resolution=picture.dpi, resolutionunit=INCH if picture.dpi else None, extratags=tags)


def _texts(block: bytes | None) -> list[tuple[int, str]]:
    """The texts of an EXIF block's first directory that can be read."""
    exif, found = Image.Exif(), []
    try:
        exif.load(EXIF_MARK + block if block else b'')
    except Exception:  # whatever a broken block makes Pillow raise
        return []
    for tag in TIFF_TEXTS:
        try:
            text = str(exif[tag]).split('\x00')[0]
            text.encode('ascii')
        except Exception:  # not there, broken, or in letters that a TIFF does not hold
            continue
        found.append((tag, text))
    return found
