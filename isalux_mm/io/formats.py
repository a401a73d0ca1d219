"""The one table of picture formats: by suffix, what a file can hold and what its result is written as."""
from dataclasses import dataclass
from pathlib import Path

KEPT_IN_PIECES = ('exif', 'icc', 'xmp')


@dataclass(frozen=True)
class Format:
    """What a picture format is to this package.

    Attributes:
        name: as Pillow knows it; 'RAW' and 'NPY' are not Pillow's.
        suffixes: of its files, lower case.
        depths: of its samples when it is written.
        alpha: whether it holds alpha when it is written.
        keeps: which of a `Picture`'s possessions are written: 'exif', 'icc', 'xmp', 'iptc', 'comment', 'texts', 'color'
            (PNG's chunks of colour), 'dpi', 'orientation'.
        longest: most pixels of a side when it is written, `None` for no limit of its own.
        result: suffix of a result whose input has this format, where that is another one.
        extra: of this package, that brings what reads it.
    """
    name: str
    suffixes: tuple[str, ...]
    depths: tuple[str, ...] = ('uint8', )
    alpha: bool = False
    keeps: tuple[str, ...] = ()
    longest: int | None = None
    result: str | None = None
    extra: str | None = None


PNG = Format('PNG', ('.png', '.apng'), ('uint8', 'uint16'), True,
             (*KEPT_IN_PIECES, 'texts', 'color', 'dpi', 'orientation'), 2**31 - 1)
JPEG = Format('JPEG', ('.jpg', '.jpeg', '.jpe', '.jfif', '.jif'),
              keeps=(*KEPT_IN_PIECES, 'iptc', 'comment', 'dpi', 'orientation'), longest=65500)  # libjpeg's limit
BMP = Format('BMP', ('.bmp', '.dib'), keeps=('dpi', ))
TIFF = Format('TIFF', ('.tif', '.tiff'), ('uint8', 'uint16', 'float32'), True,
              (*KEPT_IN_PIECES, 'iptc', 'dpi', 'orientation'), 2**31 - 1)
WEBP = Format('WEBP', ('.webp', ), alpha=True, keeps=(*KEPT_IN_PIECES, 'orientation'), longest=16383)
AVIF = Format('AVIF', ('.avif', ), alpha=True, keeps=(*KEPT_IN_PIECES, 'orientation'), longest=65535)
HEIF = Format('HEIF', ('.heic', '.heif', '.hif'), depths=(), result='.jpg', extra='heif')
JXL = Format('JXL', ('.jxl', ), depths=(), result='.png', extra='jxl')
RAW = Format('RAW', ('.dng', '.cr2', '.cr3', '.crw', '.nef', '.nrw', '.arw', '.sr2', '.raf', '.orf', '.rw2', '.pef',
                     '.srw', '.3fr', '.iiq', '.rwl'), depths=(), result='.tif', extra='raw')
ARRAY = Format('NPY', ('.npy', ), ('uint8', 'uint16', 'float32'), True)

FORMATS = (PNG, JPEG, BMP, TIFF, WEBP, AVIF, HEIF, JXL, RAW, ARRAY)
# what is opened whatever the suffix says: telephones write HEIC named .jpg
OPENED = ('PNG', 'JPEG', 'MPO', 'BMP', 'DIB', 'TIFF', 'WEBP', 'AVIF', 'HEIF', 'JXL', 'GIF', 'JPEG2000', 'PPM')
# Pillow's modules that read them; HEIF and JXL are read by other packages
READERS = ('Png', 'Jpeg', 'Mpo', 'Bmp', 'Tiff', 'WebP', 'Avif', 'Gif', 'Jpeg2K', 'Ppm')
BY_SUFFIX = {suffix: one for one in FORMATS for suffix in one.suffixes}
ARRAY_SUFFIX = '.npy'
IMAGE_SUFFIXES = tuple(suffix for suffix in BY_SUFFIX if suffix != ARRAY_SUFFIX)
SUFFIXES = tuple(BY_SUFFIX)
WRITTEN_SUFFIXES = tuple(suffix for suffix, one in BY_SUFFIX.items() if one.depths)
# ours: of other files; what is named so, or as a picture, is meant as a file and not as a folder
OTHER_SUFFIXES = ('.gif', '.jp2', '.j2k', '.jpf', '.jpx', '.ppm', '.pgm', '.pbm', '.pnm', '.tga', '.exr', '.hdr',
                  '.psd', '.svg', '.ico', '.pdf', '.txt', '.csv', '.json', '.zip', '.mp4', '.mov', '.mkv',
                  '.avi', '.webm')


def format_of(path: str | Path) -> Format | None:
    """The format of a suffix, upper or lower case; `None` where it is no picture's."""
    return BY_SUFFIX.get(Path(path).suffix.lower())


def result_name(path: Path) -> Path:
    """The name of the result of an input of this name: `IMG_1.heic` gives `IMG_1.jpg`, what can be written stays."""
    known = format_of(path)
    return path if known is None or known.result is None else path.with_suffix(known.result)
