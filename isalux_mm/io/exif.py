"""EXIF blocks as they lie in a file (CIPA DC-008, TIFF 6.0): read without trust, kept byte for byte.

What cannot be read in one never stops a picture; what can be, its orientation and the place of its thumbnail, is all
that is looked at. So notes of makers, whose offsets a rewritten block would break, stay whole.
"""
import struct

EXIF_MARK = b'Exif\x00\x00'
ORIENTATION = 0x0112
THUMBNAIL_OFFSET, THUMBNAIL_LENGTH = 0x0201, 0x0202
SHORT, LONG = 3, 4
ENTRY = 12  # bytes of an entry
SUB_BLOCKS = (0x8769, 0x8825)  # EXIF and GPS


class ExifError(ValueError):
    """A block that is none, or is cut off."""


def checked_exif(block: bytes) -> bytes:
    """A block without mark and thumbnail, which would show the old picture; otherwise byte for byte.

    Raises:
        ExifError: if its first directory cannot be walked.
    """
    data = bytearray(block.removeprefix(EXIF_MARK))
    order, _, end = _first_directory(data)
    try:
        following, = struct.unpack_from(order + 'I', data, end)
    except struct.error:
        return bytes(data)  # blocks that end right behind their entries are met
    if following == 0:
        return bytes(data)
    struct.pack_into(order + 'I', data, end, 0)
    try:
        values = _entries(data, order, following)[0]
        start, length = (values[tag][2] for tag in (THUMBNAIL_OFFSET, THUMBNAIL_LENGTH))
    except (KeyError, ExifError):
        return bytes(data)
    if end + 4 <= start < len(data):
        data[start:start + length] = bytes(len(data[start:start + length]))
    if start + length >= len(data):
        del data[max(start, end + 4):]
    return bytes(data)


def orientation_of(block: bytes) -> int:
    """The orientation, 1 to 8, that a block states; 1 where it states none, or in another type than readers take."""
    try:
        values = _first_directory(block.removeprefix(EXIF_MARK))[1]
    except ExifError:
        return 1
    kind, _, value = values.get(ORIENTATION, (SHORT, 1, 1))
    return value if kind in (SHORT, LONG) and value in range(1, 9) else 1


def has_sub_blocks(block: bytes) -> bool:
    """Whether a block holds more than the texts of its first directory: EXIF or GPS."""
    try:
        values = _first_directory(block.removeprefix(EXIF_MARK))[1]
    except ExifError:
        return False
    return any(tag in values for tag in SUB_BLOCKS)


def oriented(block: bytes, orientation: int) -> bytes:
    """A block, without mark, that states this orientation: nothing but it where the block has no place for it."""
    block = block.removeprefix(EXIF_MARK)
    if orientation_of(block) == orientation:
        return block
    try:
        order, values, end = _first_directory(block)
    except ExifError:
        return orientation_block(orientation)
    if values.get(ORIENTATION, (LONG, 1, 1))[0] != SHORT:
        return orientation_block(orientation)
    place = end - ENTRY * len(values)
    data = bytearray(block)
    while struct.unpack_from(order + 'H', data, place)[0] != ORIENTATION:
        place += ENTRY
    struct.pack_into(order + 'H', data, place + 8, orientation)
    return bytes(data)


def orientation_block(orientation: int) -> bytes:
    """A block that states an orientation and nothing else."""
    return struct.pack('<2sHIHHHIHHI', b'II', 42, 8, 1, ORIENTATION, SHORT, 1, orientation, 0, 0)


def _first_directory(data: bytes | bytearray) -> tuple[str, dict[int, tuple[int, int, int]], int]:
    """Byte order, entries, and where they end."""
    order = {b'II*\x00': '<', b'MM\x00*': '>'}.get(bytes(data[:4]))
    if order is None or len(data) < 8:
        raise ExifError('no TIFF header')
    return (order, *_entries(data, order, struct.unpack_from(order + 'I', data, 4)[0]))


def _entries(data: bytes | bytearray, order: str, start: int) -> tuple[dict[int, tuple[int, int, int]], int]:
    """Type, count and first value (as SHORT where it is one, else as LONG) by tag, and where the entries end."""
    try:
        number, = struct.unpack_from(order + 'H', data, start)
        values = {}
        for place in range(start + 2, start + 2 + ENTRY * number, ENTRY):
            tag, kind, count = struct.unpack_from(order + 'HHI', data, place)
            value, = struct.unpack_from(order + ('H' if kind == SHORT else 'I'), data, place + 8)
            values[tag] = (kind, count, value)
    except struct.error as error:
        raise ExifError('cut off') from error
    return values, start + 2 + ENTRY * number
