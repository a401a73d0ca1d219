"""What a picture carries beside its pixels, read off the file's own pieces, each under its own error handling.

PNG chunks and JPEG segments are walked here, not by a decoder: what is broken or large in them is left out and named,
the pixels are handed on without any of it.
"""
import mmap
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from isalux_mm.io.exif import EXIF_MARK, ExifError, checked_exif, orientation_of

Bytes = bytes | mmap.mmap

PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
PNG_PIXELS = (b'IHDR', b'PLTE', b'tRNS', b'IDAT', b'IEND')
PNG_COLOR = (b'gAMA', b'cHRM', b'sRGB', b'cICP', b'mDCV', b'mDCv', b'cLLI', b'cLLi')
PNG_TEXTS = (b'tEXt', b'zTXt', b'iTXt')
PNG_UNTOLD = (b'sBIT', b'bKGD', b'hIST', b'sPLT', b'tIME')  # of the samples before, or of the file before
PNG_FRAMES = (b'acTL', b'fcTL', b'fdAT')
PNG_XMP = b'XML:com.adobe.xmp\x00'
JPEG_SIGNATURE = b'\xff\xd8\xff'
XMP_MARK, XMP_MORE = b'http://ns.adobe.com/xap/1.0/\x00', b'http://ns.adobe.com/xmp/extension/\x00'
ICC_MARK, PHOTOSHOP_MARK = b'ICC_PROFILE\x00', b'Photoshop 3.0\x00'
JPEG_STANDALONE = (0x01, *range(0xD0, 0xD8))
JPEG_FRAMES = (0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
SOS, EOI, COM, APP0, APP1, APP2, APP13, APP14, APP15 = 0xDA, 0xD9, 0xFE, 0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xEF
JFIF_BYTES, ADOBE_BYTES = 14, 12
RESOURCE_THUMBNAILS = (1033, 1036)  # of Photoshop's resources: they would show the old picture
MOST_BYTES = 2**24  # ours: of one inflated piece; what inflates further is left out
METER = 0.0254  # of an inch


@dataclass(frozen=True, kw_only=True)
class Carried:
    """What a picture carries.

    Attributes:
        exif: EXIF block, without mark and thumbnail.
        icc: colour profile.
        xmp: XMP packet.
        iptc: Photoshop's resources, IPTC among them, without thumbnails.
        comment: a JPEG's.
        texts: a PNG's chunks of text, name and content, as they lie in the file.
        color: a PNG's chunks of colour, likewise.
        dpi: horizontal and vertical resolution.
        lossless: whether a WebP was written without loss.
        orientation: EXIF orientation (1 to 8) in which the pixels are stored.
        lost: what the file held and this does not.
    """
    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    comment: bytes | None = None
    texts: tuple[tuple[bytes, bytes], ...] = ()
    color: tuple[tuple[bytes, bytes], ...] = ()
    dpi: tuple[float, float] | None = None
    lossless: bool = False
    orientation: int = 1
    lost: tuple[str, ...] = ()

    def with_exif(self, block: bytes) -> 'Carried':
        """With an EXIF block and its orientation; without it, and said so, where it is broken."""
        try:
            exif = checked_exif(block)
        except ExifError as error:
            return self.without(f'EXIF ({error})')
        return replace(self, exif=exif, orientation=orientation_of(exif))

    def without(self, what: str) -> 'Carried':
        """With one more thing that is lost, named once."""
        return self if what in self.lost else replace(self, lost=(*self.lost, what))


@dataclass
class _JpegPieces:
    """Pieces of a profile by number, while a JPEG is walked."""
    icc: dict[int, bytes] = field(default_factory=dict)
    icc_number: int = 0
    resources: bytes = b''


def png_parts(data: Bytes) -> tuple[bytes, Carried]:
    """A PNG's chunks of pixels, as a PNG, and what it carries beside them."""
    bare, found = [PNG_SIGNATURE], Carried()
    for kind, start, end in png_chunks(data):
        if kind in PNG_PIXELS:
            bare.append(data[start - 8:end + 4])
        else:
            found = _with_chunk(found, kind, data[start:end])
    return b''.join(bare), found


def png_chunks(data: Bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of every chunk's content, up to IEND or where the file is cut off."""
    place = len(PNG_SIGNATURE)
    while place + 8 <= len(data):
        length, kind = struct.unpack_from('>I4s', data, place)
        yield kind, place + 8, min(place + 8 + length, len(data))
        if kind == b'IEND':
            return
        place += length + 12


def jpeg_parts(data: Bytes) -> tuple[bytes, Carried]:
    """A JPEG without what it carries, and that."""
    bare, found, pieces, pixels = [b'\xff\xd8'], Carried(), _JpegPieces(), 2
    for marker, start, end in jpeg_segments(data):
        pixels = end
        if marker == SOS:
            pixels = start - 4
            break
        if _is_of_pixels(marker, data[start:end]):
            bare.append(data[start - 4:end])
        else:
            found = _with_segment(found, pieces, marker, data[start:end])
    if pieces.icc:
        whole = len(pieces.icc) == pieces.icc_number
        icc = b''.join(pieces.icc[i] for i in sorted(pieces.icc))
        found = replace(found, icc=icc) if whole else found.without('colour profile (cut off)')
    if pieces.resources:
        found = with_resources(found, pieces.resources)
    return b''.join([*bare, data[pixels:]]), found


def jpeg_segments(data: Bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of every segment's content, up to the first scan or where the file makes no sense."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF or marker in JPEG_STANDALONE:  # filling
            place += 1 if marker == 0xFF else 2
            continue
        length, = struct.unpack_from('>H', data, place + 2)
        end = place + 2 + length
        if marker == EOI or length < 2 or end > len(data):
            return
        yield marker, place + 4, end
        if marker == SOS:
            return
        place = end


def png_size(data: Bytes) -> tuple[int, int]:
    """Width and height that a PNG's header states; 0 and 0 where it has none."""
    return struct.unpack_from('>II', data, 16) if len(data) >= 24 and data[12:16] == b'IHDR' else (0, 0)


def jpeg_size(data: Bytes) -> tuple[int, int]:
    """Width and height that a JPEG's frame states; 0 and 0 where it has none."""
    for marker, start, end in jpeg_segments(data):
        if marker in JPEG_FRAMES and end - start >= 6:
            height, width = struct.unpack_from('>HH', data, start + 1)
            return width, height
    return 0, 0


def is_lossless_webp(data: Bytes) -> bool:
    """Whether the first picture of a WebP is stored without loss (RFC 9649)."""
    place = 12
    while place + 8 <= len(data):
        kind, length = struct.unpack_from('<4sI', data, place)
        if kind in (b'VP8L', b'VP8 ', b'ANMF'):
            return kind == b'VP8L'
        place += 8 + length + length % 2
    return False


def inflated(data: bytes) -> bytes:
    """What zlib packed, as far as it is no bomb.

    Raises:
        zlib.error: if it is broken or inflates beyond 16 MiB.
    """
    unpacker = zlib.decompressobj()
    out = unpacker.decompress(data, MOST_BYTES)
    if unpacker.unconsumed_tail:
        raise zlib.error('too large')
    return out


def _with_chunk(found: Carried, kind: bytes, content: bytes) -> Carried:
    if kind in PNG_COLOR:
        return replace(found, color=(*found.color, (kind, content)))
    if kind == b'eXIf':
        return found.with_exif(content)
    if kind == b'iTXt' and content.startswith(PNG_XMP):
        return _with_png_xmp(found, content)
    if kind in PNG_TEXTS:
        if content.startswith((b'Raw profile type exif\x00', b'Raw profile type APP1\x00')):
            return _with_hex_exif(found, kind, content)
        return replace(found, texts=(*found.texts, (kind, content)))
    if kind == b'iCCP':
        try:
            return replace(found, icc=inflated(content[content.index(b'\x00') + 2:]))
        except (ValueError, zlib.error):
            return found.without('colour profile (broken)')
    if kind == b'pHYs' and len(content) == 9 and content[8] == 1:
        dots = struct.unpack('>II', content[:8])
        return replace(found, dpi=(dots[0] * METER, dots[1] * METER)) if min(dots) else found
    if kind in PNG_FRAMES:
        return found.without('all frames but the first')
    return found if kind in PNG_UNTOLD or kind == b'pHYs' else found.without(f'chunk {kind.decode("latin-1")!r}')


def _with_png_xmp(found: Carried, content: bytes) -> Carried:
    """PNG 11.3.3.4: keyword, packed or not, method, language, translated keyword, text."""
    packed = content[len(PNG_XMP):len(PNG_XMP) + 1] == b'\x01'
    parts = content[len(PNG_XMP) + 2:].split(b'\x00', 2)
    try:
        return replace(found, xmp=inflated(parts[2]) if packed else parts[2])
    except (IndexError, zlib.error):
        return found.without('XMP (broken)')


def _with_hex_exif(found: Carried, kind: bytes, content: bytes) -> Carried:
    """ImageMagick's way before PNG had a chunk for EXIF: a name, a length, hexadecimal digits."""
    try:
        text = content[content.index(b'\x00') + 1:]
        text = inflated(text[1:]) if kind == b'zTXt' else text
        return found if found.exif else found.with_exif(bytes.fromhex(b''.join(text.split()[2:]).decode('ascii')))
    except (ValueError, zlib.error):
        return found.without('EXIF (broken)')


def _is_of_pixels(marker: int, content: bytes) -> bool:
    """Whether a decoder needs a segment: tables, frames, JFIF's, and Adobe's, which tells how colours are stored."""
    if marker == APP0:
        return content.startswith(b'JFIF\x00') and len(content) >= JFIF_BYTES
    if marker == APP14:
        return content.startswith(b'Adobe') and len(content) >= ADOBE_BYTES
    return not (APP0 <= marker <= APP15 or marker == COM)


def _with_segment(found: Carried, pieces: _JpegPieces, marker: int, content: bytes) -> Carried:
    if marker == COM:
        return replace(found, comment=content)
    if marker == APP1 and content.startswith(EXIF_MARK[:5]):
        return found if found.exif else found.with_exif(content[6:])
    if marker == APP1 and content.startswith(XMP_MARK):
        return replace(found, xmp=content[len(XMP_MARK):])
    if marker == APP1 and content.startswith(XMP_MORE):
        return found.without('extended XMP')
    if marker == APP2 and content.startswith(ICC_MARK) and len(content) > len(ICC_MARK) + 2:
        number, pieces.icc_number = content[len(ICC_MARK):len(ICC_MARK) + 2]
        pieces.icc[number] = content[len(ICC_MARK) + 2:]
        return found
    if marker == APP2 and content.startswith(b'MPF\x00'):
        return found.without('further pictures in the file (gain map, depth or preview)')
    if marker == APP13 and content.startswith(PHOTOSHOP_MARK):
        pieces.resources += content[len(PHOTOSHOP_MARK):]
        return found
    if marker in (APP0, APP14):
        return found
    name = content[:12].split(b'\x00')[0].decode('latin-1')
    return found.without(f'segment APP{marker - APP0}' + (f' ({name})' if name.isprintable() and name else ''))


def with_resources(found: Carried, data: bytes) -> Carried:
    """Photoshop's resources without thumbnails (Adobe Photoshop File Formats: Image Resource Blocks)."""
    kept, place = [], 0
    while place < len(data):
        try:
            mark, number, name = struct.unpack_from('>4sHB', data, place)
            start = place + 6 + (name + 2) // 2 * 2
            length, = struct.unpack_from('>I', data, start)
        except struct.error:
            return found.without('IPTC (cut off)')
        end = start + 4 + length
        if mark != b'8BIM' or end > len(data):
            return found.without('IPTC (broken)')
        end += length % 2
        if number not in RESOURCE_THUMBNAILS:
            kept.append(data[place:end])
        place = end
    return replace(found, iptc=b''.join(kept)) if kept else found
