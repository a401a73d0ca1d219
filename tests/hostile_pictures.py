"""Pictures that files of people hold, and that nobody would make on purpose: built here, byte by byte, always the same.

`hostile_pictures` gives name, content and what is to become of each: 'read', 'refused', or 'either' where bytes were
changed at random and a decoder may make something of them.
"""
import io
import pickle
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
import tifffile
from picture_parts import (
    ALPHA,
    BLOCKS,
    COLORS,
    DEEP,
    HEIGHT,
    RNG,
    WIDTH,
    base,
    chunk,
    in_mode,
    png,
    saved,
    webp_with,
    with_segment,
    with_tag,
)
from PIL import Image, ImageCms

PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
SAVED = {  # modes that Pillow writes in a format
    '.png': ('1', 'L', 'LA', 'P', 'RGB', 'RGBA', 'I;16'),
    '.jpg': ('1', 'L', 'RGB', 'CMYK', 'YCbCr'),
    '.tif': ('1', 'L', 'LA', 'P', 'PA', 'RGB', 'RGBA', 'CMYK', 'YCbCr', 'LAB', 'I;16', 'I', 'F'),
    '.webp': ('L', 'RGB', 'RGBA', 'P', 'RGBX'),
    '.bmp': ('1', 'L', 'P', 'RGB', 'RGBA'),
    '.avif': ('L', 'RGB', 'RGBA'),
}
TEXT = b'This is no picture. ' * 20


class Hostile(NamedTuple):
    """A file: its name, its content, and what is to become of it."""

    name: str
    content: bytes
    becomes: str


@cache
def hostile_pictures() -> list[Hostile]:
    """All of them, each name once."""
    makers = (
        modes,
        png_kinds,
        cut_off,
        changed,
        declared_sizes,
        exif_blocks,
        metadata,
        thin,
        no_pictures,
        several,
        other_suffixes,
        tiffs,
        arrays,
        palettes,
    )
    return [hostile for make in makers for hostile in make()]


def modes() -> Iterator[Hostile]:
    names = {'.png': 'PNG', '.jpg': 'JPEG', '.tif': 'TIFF', '.webp': 'WEBP', '.bmp': 'BMP', '.avif': 'AVIF'}
    for suffix, saved_modes in SAVED.items():
        for mode in saved_modes:
            yield Hostile(f'mode_{mode.replace(";", "_")}{suffix}', saved(in_mode(mode), names[suffix]), 'read')


def png_kinds() -> Iterator[Hostile]:
    for color, depths in PNG_DEPTHS.items():
        for depth in depths:
            palette = chunk(b'PLTE', RNG.bytes(3 * 2**depth)) if color == 3 else b''
            yield Hostile(f'png_{color}_{depth}.png', png(depth=depth, color=color, extra=palette), 'read')
            key = {0: b'\x00\x01', 2: b'\x00\x01' * 3, 3: b'\x00\x80'}.get(color)
            if key is not None:
                extra = palette + chunk(b'tRNS', key)
                yield Hostile(f'png_{color}_{depth}_key.png', png(depth=depth, color=color, extra=extra), 'read')
                extra = palette + chunk(b'tRNS', b'\x00' * 300)
                yield Hostile(f'png_{color}_{depth}_long_key.png', png(depth=depth, color=color, extra=extra), 'either')
    for color, depth in ((1, 8), (5, 8), (7, 8), (2, 4), (2, 3), (3, 16), (0, 32), (6, 0)):
        yield Hostile(f'png_no_{color}_{depth}.png', png(depth=depth, color=color), 'refused')
    yield Hostile('png_no_rows.png', png(rows=b''), 'refused')
    yield Hostile('png_too_many_rows.png', png(rows=bytes(10**6)), 'read')
    yield Hostile('png_bad_filter.png', png(rows=b'\x09' * (HEIGHT * (1 + WIDTH * 3))), 'refused')
    yield Hostile('png_no_palette.png', png(color=3), 'either')
    yield Hostile('png_no_end.png', png()[:-12], 'either')
    yield Hostile('png_two_headers.png', png(extra=png()[8:33]), 'either')
    yield Hostile('png_bad_sum.png', png().replace(b'IDAT', b'IDAT', 1)[:-20] + b'\x00' * 20, 'either')


def cut_off() -> Iterator[Hostile]:
    for suffix in ('.png', '.jpg', '.tif', '.webp', '.bmp', '.gif', '.avif', '.npy'):
        content = base(suffix)
        for part in range(1, 9):
            named = '.png' if suffix == '.gif' else suffix
            yield Hostile(f'cut_{part}_{suffix[1:]}{named}', content[: len(content) * part // 9], 'either')


def changed() -> Iterator[Hostile]:
    """Bytes changed at random places, in the header above all."""
    rng = np.random.default_rng(1)
    for suffix in ('.png', '.jpg', '.tif', '.webp', '.bmp', '.gif', '.avif', '.npy'):
        for trial in range(9):
            content = bytearray(base(suffix))
            reach = min(len(content), 60 if trial < 5 else len(content))
            for place in rng.integers(0, reach, 1 + trial % 3):
                content[place] = rng.integers(0, 256)
            named = '.png' if suffix == '.gif' else suffix
            yield Hostile(f'changed_{trial}_{suffix[1:]}{named}', bytes(content), 'either')


def declared_sizes() -> Iterator[Hostile]:
    for width, height in (
        (65535, 65535),
        (2**31 - 1, 2**31 - 1),
        (2**31 - 1, 1),
        (1, 2**31 - 1),
        (0, 5),
        (5, 0),
        (2**32 - 1, 7),
        (1_000_001, 1),
        (50_000, 5_001),
    ):
        yield Hostile(f'size_{width}_{height}.png', png(width, height, rows=b''), 'refused')
    yield Hostile('size_in_limits.png', png(6000, 6000, rows=bytes(1000)), 'refused')
    jpeg = base('.jpg')
    place = jpeg.index(b'\xff\xc0')
    for size in ((65535, 65535), (65500, 65500), (0, 0), (0, WIDTH)):
        content = jpeg[: place + 5] + struct.pack('>HH', *size) + jpeg[place + 9 :]
        yield Hostile(f'size_{size[0]}_{size[1]}.jpg', content, 'refused')
    for size in ((2**31 - 1, 2**31 - 1), (2**31 - 1, 3), (-5, 4), (60_000, 60_000)):
        content = base('.bmp')
        yield Hostile(
            f'size_{size[0]}_{size[1]}.bmp', content[:18] + struct.pack('<ii', *size) + content[26:], 'refused'
        )
    content = base('.gif')
    yield Hostile('size_gif.png', content[:6] + struct.pack('<HH', 65535, 65535) + content[10:], 'refused')
    for tag, value in ((256, 4_000_000), (257, 4_000_000), (256, 0), (257, 0)):
        yield Hostile(f'size_{tag}_{value}.tif', with_tag(base('.tif'), tag, value), 'refused')
    for shape in ('(100000, 100000, 3)', '(5, 7, 9999999999)', '(-1, 5, 3)', '(0, 5, 3)', '(9999999999999, 2, 3)'):
        text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + '\n'
        content = b'\x93NUMPY\x01\x00' + struct.pack('<H', len(text)) + text.encode() + bytes(1000)
        yield Hostile(f'size_{shape.strip("()").replace(", ", "_")}.npy', content, 'refused')


def exif_blocks() -> Iterator[Hostile]:
    for name, block in BLOCKS.items():
        yield Hostile(f'exif_{name}.jpg', with_segment(base('.jpg'), 0xE1, b'Exif\x00\x00' + block), 'read')
        yield Hostile(f'exif_{name}.png', png(extra=chunk(b'eXIf', block)), 'read')
        yield Hostile(f'exif_{name}.webp', webp_with(b'EXIF', block), 'read')


def metadata() -> Iterator[Hostile]:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    bomb = zlib.compress(bytes(40 * 2**20), 9)
    pieces = {
        'text_2mb': chunk(b'zTXt', b'Comment\x00\x00' + zlib.compress(bytes(2 * 2**20))),
        'text_bomb': chunk(b'zTXt', b'Comment\x00\x00' + bomb),
        'text_broken': chunk(b'zTXt', b'Comment\x00\x00abc'),
        'text_no_key': chunk(b'tEXt', b''),
        'itxt_broken': chunk(b'iTXt', b'XML:com.adobe.xmp\x00\x01\x00\x00'),
        'xmp_bomb': chunk(b'iTXt', b'XML:com.adobe.xmp\x00\x01\x00\x00\x00' + bomb),
        'profile_bomb': chunk(b'iCCP', b'icc\x00\x00' + bomb),
        'profile_broken': chunk(b'iCCP', b'icc\x00\x00xyz'),
        'profile_no_name': chunk(b'iCCP', b'xyz'),
        'profile_garbage': chunk(b'iCCP', b'a\x00\x00' + zlib.compress(TEXT)),
        'profile_half': chunk(b'iCCP', b'a\x00\x00' + zlib.compress(profile[:200])),
        'gamma': chunk(b'gAMA', struct.pack('>I', 100000)),
        'gamma_0': chunk(b'gAMA', bytes(4)),
        'gamma_short': chunk(b'gAMA', b'\x01'),
        'primaries': chunk(b'cHRM', bytes(32)),
        'cicp': chunk(b'cICP', b'\x09\x10\x00\x01'),
        'srgb_99': chunk(b'sRGB', b'\x63'),
        'dots_0': chunk(b'pHYs', bytes(9)),
        'dots_short': chunk(b'pHYs', b'ab'),
        'dots_many': chunk(b'pHYs', b'\xff' * 8 + b'\x01'),
        'time': chunk(b'tIME', b'\xff' * 7),
        'private': chunk(b'prVt', TEXT),
        'bad_sum': chunk(b'tEXt', TEXT)[:-4] + b'abcd',
        'frames': chunk(b'acTL', struct.pack('>II', 2**31, 0)),
        'hex_exif': chunk(b'tEXt', b'Raw profile type exif\x00\nexif\n 4\nzz'),
    }
    for name, extra in pieces.items():
        yield Hostile(f'chunk_{name}.png', png(extra=extra), 'read')
    segments = {
        'xmp': (0xE1, b'http://ns.adobe.com/xap/1.0/\x00' + TEXT),
        'xmp_more': (0xE1, b'http://ns.adobe.com/xmp/extension/\x00' + TEXT),
        'profile_cut': (0xE2, b'ICC_PROFILE\x00\x01\x03' + profile[:300]),
        'profile_0': (0xE2, b'ICC_PROFILE\x00'),
        'profile_garbage': (0xE2, b'ICC_PROFILE\x00\x01\x01' + TEXT),
        'mpf': (0xE2, b'MPF\x00' + TEXT),
        'iptc': (0xED, b'Photoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x00\x00\x05abcde\x00'),
        'iptc_cut': (0xED, b'Photoshop 3.0\x008BIM\x04\x04\x00\x00\xff\xff\xff\xff'),
        'iptc_garbage': (0xED, b'Photoshop 3.0\x00' + TEXT),
        'comment': (0xFE, b'\xff\xfe\x00' + TEXT),
        'app0': (0xE0, b'JFIF\x00\x01\x01\x01\x00\x00\x00\x00\x00\x00'),
        'app11': (0xEB, b'JP\x00\x01' + TEXT),
        'adobe_short': (0xEE, b'Adobe'),
        'empty': (0xE5, b''),
    }
    for name, (marker, content) in segments.items():
        yield Hostile(f'segment_{name}.jpg', with_segment(base('.jpg'), marker, content), 'read')
    for name, content in (('garbage', TEXT), ('half', profile[:100]), ('whole', profile)):
        yield Hostile(f'profile_{name}.webp', webp_with(b'ICCP', content), 'read')
        image = Image.fromarray(COLORS).convert('CMYK')
        yield Hostile(f'profile_{name}_cmyk.jpg', saved(image, 'JPEG', icc_profile=content), 'read')
    yield Hostile('xmp.webp', webp_with(b'XMP ', b'\xff' * 100_000), 'read')


def thin() -> Iterator[Hostile]:
    for width, height in ((1, 1), (2, 1), (1, 2), (1, 3000), (3000, 1), (5000, 2), (3, 1500), (7, 7)):
        image = Image.fromarray(cv2.resize(COLORS, (width, height)))
        for name, suffix in (('PNG', '.png'), ('JPEG', '.jpg'), ('TIFF', '.tif'), ('WEBP', '.webp')):
            yield Hostile(f'thin_{width}_{height}{suffix}', saved(image, name), 'read')


class Opened:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self) -> tuple:
        return exec, ("raise SystemExit('a file was run')",)


def no_pictures() -> Iterator[Hostile]:
    for suffix in ('.png', '.jpg', '.tif', '.webp', '.bmp', '.npy', '.avif', '.heic', '.jxl', '.dng', '.cr2', '.jfif'):
        yield Hostile(f'empty{suffix}', b'', 'refused')
        yield Hostile(f'text{suffix}', TEXT, 'refused')
    objects = io.BytesIO()
    np.save(objects, np.array([Opened()], dtype=object), allow_pickle=True)
    contents = {
        'objects.npy': objects.getvalue(),
        'pickle.npy': pickle.dumps(Opened()),
        'html.jpg': b'<!DOCTYPE html><html>',
        'svg.png': b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        'pdf.tif': b'%PDF-1.4\n' + TEXT,
        'eps.png': b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n',
        'zip.jpg': b'PK\x03\x04' + TEXT,
        'signature.png': b'\x89PNG\r\n\x1a\n',
        'signature.jpg': b'\xff\xd8\xff',
        'signature.tif': b'II*\x00',
        'signature.webp': b'RIFF\x00\x00\x00\x00WEBP',
        'signature.jxl': b'\xff\x0a',
        'signature.heic': b'\x00\x00\x00\x18ftypheic' + bytes(40),
        'zeros.png': bytes(5000),
        'ones.jpg': b'\xff' * 5000,
    }
    for name, content in contents.items():
        yield Hostile(name, content, 'refused')


def several() -> Iterator[Hostile]:
    frames = [Image.fromarray(np.roll(COLORS, i, axis=1)) for i in range(3)]
    options = dict(save_all=True, append_images=frames[1:])
    for name, named in (
        ('GIF', 'several_gif.png'),
        ('PNG', 'several.png'),
        ('WEBP', 'several.webp'),
        ('TIFF', 'several.tif'),
        ('MPO', 'several.jpg'),
        ('AVIF', 'several.avif'),
    ):
        yield Hostile(named, saved(frames[0], name, **options), 'read')


def other_suffixes() -> Iterator[Hostile]:
    suffixes = ('.png', '.jpg', '.webp', '.bmp', '.tif', '.avif')
    for content in suffixes:
        for suffix in (*suffixes, '.JPG', '.Jfif', '.heic'):
            if suffix != content:
                yield Hostile(f'{content[1:]}_named{suffix}', base(content), 'read')


def tiffs() -> Iterator[Hostile]:
    def made(samples: np.ndarray, **options: object) -> bytes:
        out = io.BytesIO()
        tifffile.imwrite(out, samples, **options)
        return out.getvalue()

    unit = COLORS.astype(np.float32) / 255
    holed = unit.copy()
    holed[0, 0, 0] = np.nan
    kinds = {
        'big8': (made(COLORS, bigtiff=True, photometric='rgb'), 'read'),
        'big16': (made(DEEP, bigtiff=True, photometric='rgb'), 'read'),
        'rgb16': (made(DEEP, photometric='rgb'), 'read'),
        'float': (made(unit, photometric='rgb'), 'read'),
        'half': (made(unit.astype(np.float16), photometric='rgb'), 'read'),
        'double': (made(unit.astype(float), photometric='rgb'), 'read'),
        'float_255': (made(unit * 255, photometric='rgb'), 'refused'),
        'nan': (made(holed, photometric='rgb'), 'refused'),
        'planar': (made(np.moveaxis(DEEP, -1, 0), photometric='rgb', planarconfig='separate'), 'read'),
        'white_is_zero': (made(DEEP[..., 0], photometric='miniswhite'), 'read'),
        'tiled': (made(COLORS, tile=(16, 16), photometric='rgb'), 'read'),
        'deflate': (made(DEEP, compression='zlib', photometric='rgb'), 'read'),
        'uint32': (made(DEEP.astype(np.uint32), photometric='rgb'), 'read'),
        'uint32_wide': (made(DEEP.astype(np.uint32) * 65537, photometric='rgb'), 'refused'),
        'int16': (made(DEEP.astype(np.int16), photometric='rgb'), 'refused'),
        'complex': (made(unit[..., 0].astype(np.complex64)), 'refused'),
        'bands': (made(np.zeros((9, 9, 7), np.uint8), photometric='minisblack', planarconfig='contig'), 'refused'),
        'big_endian': (made(DEEP, byteorder='>', photometric='rgb'), 'read'),
        'volume': (made(np.zeros((4, 9, 9), np.uint16)), 'read'),
        'lzw': (saved(Image.fromarray(COLORS), 'TIFF', compression='tiff_lzw'), 'read'),
        'jpeg': (saved(Image.fromarray(COLORS), 'TIFF', compression='jpeg'), 'read'),
        'orientation': (made(COLORS, photometric='rgb', extratags=[(274, 3, 1, 99, True)]), 'read'),
        'orientation_text': (made(DEEP, photometric='rgb', extratags=[(274, 2, 0, 'six', True)]), 'read'),
        'loop': (base('.tif')[:-4] + struct.pack('<I', 8), 'either'),
        'xmp': (made(COLORS, photometric='rgb', extratags=[(700, 1, 5, b'\xff' * 5, True)]), 'read'),
    }
    for name, (content, becomes) in kinds.items():
        yield Hostile(f'tiff_{name}.tif', content, becomes)
    for tag, value in ((258, 0), (258, 99), (259, 7777), (262, 99), (273, 2**31), (277, 200), (279, 2**31), (278, 0)):
        yield Hostile(f'tiff_tag_{tag}_{value}.tif', with_tag(base('.tif'), tag, value), 'either')


def arrays() -> Iterator[Hostile]:
    unit = COLORS / 255
    kinds = {
        'uint8': (COLORS, 'read'),
        'uint16': (DEEP, 'read'),
        'float64': (unit, 'read'),
        'float16': (unit.astype(np.float16), 'read'),
        'gray': (COLORS[..., 0], 'read'),
        'rgba': (np.dstack([COLORS, ALPHA]), 'read'),
        'bool': (COLORS > 50, 'read'),
        'big_endian': (DEEP.astype('>u2'), 'read'),
        'fortran': (np.asfortranarray(COLORS), 'read'),
        'int64': (COLORS.astype(int), 'refused'),
        'text': (np.array(['a', 'b']), 'refused'),
        'one_axis': (np.zeros(9), 'refused'),
        'four_axes': (np.zeros((2, 2, 2, 3)), 'refused'),
        'empty': (np.zeros((0, 5, 3), np.uint8), 'refused'),
        'scalar': (np.array(3), 'refused'),
        'nan': (unit * np.nan, 'refused'),
        'infinite': (unit + np.inf, 'refused'),
        'beyond': (unit * 300, 'refused'),
        'complex': (unit.astype(complex), 'refused'),
    }
    for name, (samples, becomes) in kinds.items():
        out = io.BytesIO()
        np.save(out, samples)
        yield Hostile(f'array_{name}.npy', out.getvalue(), becomes)
    for trial in range(3):  # several arrays, a compressed archive, records
        out = io.BytesIO()
        if trial < 2:
            (np.savez, np.savez_compressed)[trial](out, a=COLORS)
        else:
            np.save(out, np.zeros(4, [('a', 'u1'), ('b', 'f4')]))
        yield Hostile(f'array_kind_{trial}.npy', out.getvalue(), 'refused')


def palettes() -> Iterator[Hostile]:
    image = Image.fromarray(COLORS).convert('P', palette=Image.Palette.ADAPTIVE, colors=16)
    for name, transparency in (('index', 3), ('bytes', bytes(range(0, 160, 10))), ('far', 255)):
        yield Hostile(f'palette_{name}.png', saved(image, 'PNG', transparency=transparency), 'read')
        yield Hostile(f'palette_{name}_gif.png', saved(image, 'GIF', transparency=3), 'read')
    for entries in (1, 7, 300):
        yield Hostile(f'palette_{entries}.png', png(color=3, extra=chunk(b'PLTE', RNG.bytes(3 * entries))), 'either')
    yield Hostile('palette_odd.png', png(color=3, extra=chunk(b'PLTE', b'abcd')), 'either')
