"""Pieces of picture files, made by hand: for files that no library would write."""
import io
import struct
import zlib

import cv2
import numpy as np
from PIL import Image

HEIGHT, WIDTH = 13, 19
RNG = np.random.default_rng(0)
COLORS = cv2.resize(RNG.integers(0, 120, (4, 5, 3), dtype=np.uint8), (WIDTH, HEIGHT))
ALPHA = (np.mgrid[:HEIGHT, :WIDTH][1] * 13).astype(np.uint8)
DEEP = COLORS.astype(np.uint16) * 257
PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type


def saved(image: Image.Image, format_name: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format=format_name, **options)
    return out.getvalue()


def in_mode(mode: str) -> Image.Image:
    if mode == 'F':
        return Image.fromarray(COLORS[..., 0].astype(np.float32) / 255)
    if mode in ('I', 'I;16'):
        return Image.fromarray(DEEP[..., 0].astype(np.int32 if mode == 'I' else np.uint16))
    image = Image.fromarray(np.dstack([COLORS, ALPHA]))
    if mode == 'LAB':
        return Image.merge('LAB', image.split()[:3])
    return image.convert('P').convert(mode) if mode == 'PA' else image.convert(mode)


def base(suffix: str) -> bytes:
    """A good picture in a format."""
    if suffix == '.npy':
        out = io.BytesIO()
        np.save(out, COLORS)
        return out.getvalue()
    names = {
        '.png': 'PNG',
        '.jpg': 'JPEG',
        '.tif': 'TIFF',
        '.webp': 'WEBP',
        '.bmp': 'BMP',
        '.gif': 'GIF',
        '.avif': 'AVIF',
    }
    return saved(Image.fromarray(COLORS), names[suffix])


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))


def png(
    width: int = WIDTH,
    height: int = HEIGHT,
    depth: int = 8,
    color: int = 2,
    *,
    extra: bytes = b'',
    rows: bytes | None = None,
    interlaced: int = 0,
) -> bytes:
    """A PNG by hand; `extra` are chunks ahead of the pixels."""
    if rows is None:
        length = (width * depth * PNG_CHANNELS.get(color, 3) + 7) // 8
        rows = b''.join(b'\x00' + bytes((7 * y + x) % 251 for x in range(length)) for y in range(height))
    head = struct.pack('>IIBBBBB', width, height, depth, color, 0, 0, interlaced)
    return (
        b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + extra + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b'')
    )


def with_tag(tiff: bytes, tag: int, value: int) -> bytes:
    """A little-endian TIFF with another value of a tag."""
    (start,) = struct.unpack_from('<I', tiff, 4)
    (number,) = struct.unpack_from('<H', tiff, start)
    for place in range(start + 2, start + 2 + 12 * number, 12):
        if struct.unpack_from('<H', tiff, place)[0] == tag:
            return tiff[: place + 2] + struct.pack('<HII', 4, 1, value) + tiff[place + 12 :]
    raise KeyError(tag)


def exif(entries: list[tuple[int, int, int, bytes]], *, following: int = 0, more: bytes = b'') -> bytes:
    """An EXIF block: tag, type, count, value."""
    block, data, after = b'II*\x00' + struct.pack('<IH', 8, len(entries)), b'', 14 + 12 * len(entries)
    for tag, kind, count, value in entries:
        if len(value) <= 4:
            block += struct.pack('<HHI', tag, kind, count) + value.ljust(4, b'\x00')
        else:
            block += struct.pack('<HHII', tag, kind, count, after + len(data))
            data += value
    return block + struct.pack('<I', following) + data + more


def with_segment(jpeg: bytes, marker: int, content: bytes) -> bytes:
    return jpeg[:2] + struct.pack('>BBH', 0xFF, marker, len(content) + 2) + content + jpeg[2:]


def webp_with(kind: bytes, content: bytes) -> bytes:
    """A WebP of several chunks, one of them of metadata."""
    pixels = base('.webp')[12:]
    flags = {b'EXIF': 8, b'XMP ': 4, b'ICCP': 32}[kind]
    size = struct.pack('<I', WIDTH - 1)[:3] + struct.pack('<I', HEIGHT - 1)[:3]
    extended = struct.pack('<4sIB3x', b'VP8X', 10, flags) + size
    piece = struct.pack('<4sI', kind, len(content)) + content + b'\x00' * (len(content) % 2)
    parts = [extended, piece, pixels] if kind == b'ICCP' else [extended, pixels, piece]
    body = b'WEBP' + b''.join(parts)
    return b'RIFF' + struct.pack('<I', len(body)) + body


BLOCKS = {
    'garbage': b'This is no EXIF block at all',
    'empty': b'',
    'header': b'II*\x00',
    'cut': b'II*\x00\x08\x00\x00\x00\x28\x00',
    'far': b'II*\x00\xff\xff\xff\x7f',
    'text_orientation': exif([(0x112, 2, 2, b'6\x00')]),
    'two_orientations': exif([(0x112, 3, 2, struct.pack('<2H', 6, 6))]),
    'orientation_0': exif([(0x112, 3, 1, b'\x00\x00')]),
    'orientation_99': exif([(0x112, 3, 1, b'\x63\x00')]),
    'rational_orientation': exif([(0x112, 5, 1, struct.pack('<2I', 6, 1))]),
    'no_type': exif([(0x112, 99, 1, b'\x06\x00')]),
    'endless_count': exif([(0x10F, 2, 2**32 - 1, b'abcde')]),
    'zero_rational': exif([(0x11A, 5, 1, struct.pack('<2I', 72, 0)), (0x128, 3, 1, b'\x02\x00')]),
    'ifd_astray': exif([(0x8769, 4, 1, struct.pack('<I', 60000)), (0x8825, 4, 1, struct.pack('<I', 2))]),
    'ifd_loop': exif([(0x8769, 4, 1, struct.pack('<I', 8))]),
    'ifd_text': exif([(0x8769, 2, 4, b'abc\x00')]),
    'next_loop': exif([(0x112, 3, 1, b'\x06\x00')], following=8),
    'next_far': exif([], following=2**31),
    'many': exif([(0x10F + i % 7, 3, 1, b'\x01\x00') for i in range(3000)]),
    'byte_order': b'MM\x00*' + exif([(0x112, 3, 1, b'\x06\x00')])[4:],
    'maker_note': exif([(0x927C, 7, 40_000, bytes(range(200)) * 200)]),
}
