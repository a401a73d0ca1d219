"""Dark pictures for the tests of the page."""
import numpy as np
from PIL import Image, ImageCms

from isalux_mm.io.picture_file import Picture, write_picture

BRIGHT = np.kron(np.random.default_rng(0).integers(60, 220, (5, 7, 3), dtype=np.uint8), np.ones((24, 24, 1), np.uint8))
DARK = (BRIGHT * 0.12).astype(np.uint8)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()


def save(path, samples=DARK, **options):
    Image.fromarray(samples).save(path, **options)
    return path


def save_deep(path):
    """16 bits, alpha, a profile."""
    generator = np.random.default_rng(1)
    write_picture(path, Picture((DARK / np.float32(255)) * generator.uniform(0.9, 1, DARK.shape).astype(np.float32),
                                generator.random(DARK.shape[:2], dtype=np.float32), 'uint16', icc=PROFILE))
    return path
