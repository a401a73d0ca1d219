"""Samples of pictures as arrays: of every mode that Pillow knows, upright or stored; one way for files and memory."""
import io

import numpy as np
from PIL import Image, ImageCms

GRAY_MODES = ('1', 'L', 'LA', 'La')
ALPHA_MODES = ('LA', 'La', 'PA', 'RGBA', 'RGBa')
PREMULTIPLIED = {'RGBa': 'RGBA', 'La': 'LA'}
MOST_DEEP = 65535  # of 32-bit whole numbers, which are 16 bits in a wider type


def samples_of(image: Image.Image, icc: bytes | None = None) -> np.ndarray:
    """Samples of a Pillow image of any mode, as they lie in it: grey or RGB, then alpha where there is one.

    Args:
        image: loaded or not.
        icc: its colour profile, by which CMYK becomes sRGB.

    Returns:
        (H, W), (H, W, 2), (H, W, 3) or (H, W, 4): uint8, uint16 (modes I and I;16) or float32 (mode F).

    Raises:
        ValueError: if whole numbers of 32 bits leave 16.
    """
    if image.mode.startswith('I'):
        samples = np.asarray(image)
        if samples.dtype.itemsize > 2 and (samples.min() < 0 or samples.max() > MOST_DEEP):
            raise ValueError(f'values of mode {image.mode} must lie in 0 to {MOST_DEEP}, '
                             f'got {samples.min()} to {samples.max()}')
        samples = samples.astype(np.uint16)
        key = image.info.get('transparency')
        opaque = None if not isinstance(key, int) else np.where(samples == key, 0, MOST_DEEP).astype(np.uint16)
        return samples if opaque is None else np.dstack([samples, opaque])
    if image.mode == 'F':
        return np.asarray(image)
    if image.mode == 'CMYK':
        return np.asarray(_from_cmyk(image, icc))
    if image.mode in PREMULTIPLIED:  # Pillow unmultiplies to the same kind alone
        image = image.convert(PREMULTIPLIED[image.mode])
    if image.mode == '1':
        image = image.convert('L')
    has_alpha = image.mode in ALPHA_MODES or 'transparency' in image.info
    mode = ('LA' if has_alpha else 'L') if image.mode in GRAY_MODES else ('RGBA' if has_alpha else 'RGB')
    return np.asarray(image if image.mode == mode else image.convert(mode))


def to_upright(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Stored samples (H, W, ...) as they are to be seen, by the EXIF orientation (CIPA DC-008, tag 274)."""
    if orientation in (2, 3, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7):
        samples = samples[::-1]
    if orientation in (5, 7):
        return samples.swapaxes(0, 1)
    return np.rot90(samples, {6: -1, 8: 1}.get(orientation, 0))


def to_stored(samples: np.ndarray, orientation: int) -> np.ndarray:
    """The inverse of `to_upright`."""
    return np.ascontiguousarray(to_upright(samples, {6: 8, 8: 6}.get(orientation, orientation)))


def rgb_first(samples: np.ndarray) -> np.ndarray:
    """OpenCV's order to RGB and back, alpha stays last."""
    if samples.ndim == 2:
        return samples
    return samples[..., [2, 1, 0, 3][:samples.shape[2]]] if samples.shape[2] > 2 else samples


def _from_cmyk(image: Image.Image, icc: bytes | None) -> Image.Image:
    """sRGB by the profile; by Pillow's formula where there is none or a broken one."""
    if icc:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile('sRGB'), outputMode='RGB')
            return image.convert('RGB') if converted is None else converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            return image.convert('RGB')
    return image.convert('RGB')
