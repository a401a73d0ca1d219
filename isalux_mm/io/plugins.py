"""Formats that a package beside Pillow reads: HEIC, JPEG XL, camera raw. Absent, the error names the extra."""
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ImageCms

from isalux_mm.io.carried import Carried
from isalux_mm.io.formats import HEIF, JXL, Format
from isalux_mm.io.limits import ImageReadError, PictureLimits

# package of a format's extra; all are imported where such a file is met, not before
MODULES = {'heif': 'pillow_heif', 'jxl': 'pillow_jxl', 'raw': 'rawpy'}
HEIF_BRANDS = (b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'mif1', b'msf1')
JXL_SIGNATURES = (b'\xff\x0a', b'\x00\x00\x00\x0cJXL \r\n\x87\n')
TURNED = (5, 6)  # LibRaw's flips that swap width and height
SRGB_CURVE = (2.4, 12.92)  # power and slope of its linear part (IEC 61966-2-1)


def sniffed(head: bytes) -> Format | None:
    """The format that a file's first 32 bytes tell, of those that need a package: whatever its suffix says."""
    if head[4:8] == b'ftyp' and head[8:12] in HEIF_BRANDS and b'avif' not in head[8:32]:
        return HEIF
    return JXL if head.startswith(JXL_SIGNATURES) else None


def make_readable(one: Format | None) -> None:
    """Makes Pillow read a format of an extra, where it is one.

    Raises:
        ImageReadError: if its package is missing; names the extra.
    """
    if one is not None and one.extra is not None:
        _registered(one.extra)


def read_raw_size(path: Path) -> tuple[int, int]:
    """(H, W) of a developed camera raw, upright, without developing it."""
    with _raw_module().imread(str(path)) as raw:
        sizes = raw.sizes
        return (sizes.width, sizes.height) if sizes.flip in TURNED else (sizes.height, sizes.width)


def read_raw(path: Path, limits: PictureLimits) -> tuple[np.ndarray, Carried]:
    """A developed camera raw, (H, W, 3), uint16, sRGB, upright: the camera's white balance, no brightening of its own.

    Raises:
        ImageReadError: if rawpy is missing, or the picture is too large.
    """
    with _raw_module().imread(str(path)) as raw:
        limits.check(raw.sizes.width, raw.sizes.height)
        samples = raw.postprocess(use_camera_wb=True, no_auto_bright=True, output_bps=16, gamma=SRGB_CURVE)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    return samples, Carried(icc=profile, lost=("the camera's EXIF", ))


@cache
def _registered(extra: str) -> None:
    module = _module(extra)
    if extra == 'heif':
        module.register_heif_opener(thumbnails=False)  # a picture's rotation comes applied


def _raw_module() -> Any:
    return _module('raw')


def _module(extra: str) -> Any:
    try:
        return import_module(MODULES[extra])
    except ImportError as error:
        raise ImageReadError(f"{MODULES[extra]} is needed to read it: pip install 'isalux-mm[{extra}]'") from error
