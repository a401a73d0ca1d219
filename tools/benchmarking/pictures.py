"""Pictures of every format that is timed, telephones' and cameras' among them, as far as a package writes them."""
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image

from isalux_mm.io.whole_file import whole_file

WRITERS = {'heic': 'pillow_heif', 'dng': 'rawpy'}  # what reads them, and for HEIC writes them, too
QUALITY = 90
# camera raw as of Adobe's DNG 1.4: a mosaic of RGGB, and how its numbers are to be understood
CFA, BYTE, ASCII, SHORT, LONG, RATIONAL, SRATIONAL = 32803, 1, 2, 3, 4, 5, 10
BLACK_TO_WHITE, GAMMA = 16383, 2.2
TO_SRGB = (32406, -15372, -4986, -9689, 18758, 415, 557, -2040, 10570)  # from XYZ, ten thousandths; the camera's own
DNG_TAGS = [
    (33421, SHORT, 2, (2, 2), True), (33422, BYTE, 4, bytes((0, 1, 1, 2)), True),
    (50706, BYTE, 4, bytes((1, 4, 0, 0)), True), (50708, ASCII, 0, 'Made by a benchmark', True),
    (50717, LONG, 1, BLACK_TO_WHITE, True),
    (50721, SRATIONAL, 9, [part for value in TO_SRGB for part in (value, 10_000)], True),
    (50728, RATIONAL, 3, [1, 1, 1, 1, 1, 1], True)]


def is_written(suffix: str) -> bool:
    """Whether pictures of a format can be made and read here."""
    return suffix not in WRITERS or find_spec(WRITERS[suffix]) is not None


def written(path: Path, image: np.ndarray) -> Path:
    """Writes an image, (H, W, 3), BGR, in [0, 255]: TIFF in 16 bits, camera raw in 14, others in 8."""
    with whole_file(path) as file:
        if path.suffix == '.dng':
            linear, mosaic = BLACK_TO_WHITE * (image / 255)**GAMMA, np.empty(image.shape[:2], np.uint16)
            for row, column, channel in ((0, 0, 2), (0, 1, 1), (1, 0, 1), (1, 1, 0)):
                mosaic[row::2, column::2] = linear[row::2, column::2, channel].round()
            tifffile.imwrite(file, mosaic, photometric=CFA, metadata=None, extratags=DNG_TAGS)
        elif path.suffix == '.heic':
            import pillow_heif
            shown = Image.fromarray(np.ascontiguousarray(image[..., ::-1].round().astype(np.uint8)))
            pillow_heif.from_pillow(shown).save(file, quality=QUALITY)
        else:
            deep = path.suffix == '.tif'
            samples = np.round(image * 257).astype(np.uint16) if deep else np.round(image).astype(np.uint8)
            file.write(cv2.imencode(path.suffix, samples)[1].tobytes())
    return path
