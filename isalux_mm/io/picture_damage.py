"""Damage inside a picture's file that a decoder passes over: PNG's checksums, and the order of JPEG's markers.

A JPEG decoder fills what is missing with grey and says nothing. Here its data are followed from the header to the end
marker; zeros in the place of data are within the format, and not found.
"""
import zlib

PNG_START, PNG_END = b'\x89PNG\r\n\x1a\n', b'IEND'
JPEG_START, MARK = b'\xff\xd8', 0xFF
END, SCAN, STUFFED = 0xD9, 0xDA, 0x00
RESTARTS = range(0xD0, 0xD8)
ALONE = (0x01, 0xD8, *RESTARTS)  # markers without a segment
HEADS = range(0xC0, 0x100)  # the markers that a file has beside these; 0xFF fills
ANCILLARY = 0x20  # of the first letter of a chunk that a picture can be read without
LENGTH, CHUNK = 2, 12  # bytes of a segment's length, and of a chunk beside its data


def damage(data: bytes) -> str | None:
    """What is wrong with the content of a PNG or JPEG file; `None` where nothing is, or it is of another format."""
    if data.startswith(PNG_START):
        return png_damage(data)
    return jpeg_damage(data) if data.startswith(JPEG_START) else None


def png_damage(data: bytes) -> str | None:
    """What is wrong with a PNG file: a chunk whose checksum is another, or a missing end."""
    view, place = memoryview(data), len(PNG_START)
    while place + CHUNK <= len(data):
        length = int.from_bytes(view[place:place + 4], 'big')
        end = place + CHUNK + length
        if end > len(data):
            break
        kind = bytes(view[place + 4:place + 8])
        wrong = zlib.crc32(view[place + 4:end - 4]) != int.from_bytes(view[end - 4:end], 'big')
        if wrong and not kind[0] & ANCILLARY:  # texts and profiles stop no pixels
            return f'the checksum of its part {kind!r} at byte {place} is wrong'
        if kind == PNG_END:
            return None
        place = end
    return 'it is cut off'


def jpeg_damage(data: bytes) -> str | None:
    """What is wrong with a JPEG file: a marker that cannot stand where it is, or a missing end."""
    place = len(JPEG_START)
    while True:
        if place + 1 >= len(data):
            return 'it is cut off'
        marker = data[place + 1]
        if data[place] != MARK or marker not in ALONE and marker not in HEADS:
            return f'its data are broken at byte {place}'
        if marker == MARK:  # filling
            place += 1
        elif marker == END:
            return None
        elif marker in ALONE:
            place += 2
        else:
            place += 2 + max(int.from_bytes(data[place + 2:place + 2 + LENGTH], 'big'), LENGTH)
            if marker == SCAN:
                place = end_of_scan(data, place)


def end_of_scan(data: bytes, place: int) -> int:
    """Where the next marker stands behind coded data that begin at a place."""
    while True:
        place = data.find(MARK, place)
        if place < 0 or place + 1 >= len(data):
            return len(data)
        if data[place + 1] != STUFFED and data[place + 1] not in RESTARTS:
            return place
        place += 2
