"""Pictures that benchmarks make: every format that can be written here is read as what it is."""
import numpy as np
import pytest
from loading import load_tool

from isalux_mm.io.picture_file import read_picture

load_tool('benchmark_whole')  # whose folder its package lies in

from benchmarking.pictures import is_written, written  # noqa: E402


@pytest.mark.parametrize(('suffix', 'depth', 'most'), [
    ('jpg', 'uint8', 0.02), ('png', 'uint8', 0.003), ('tif', 'uint16', 2e-5), ('webp', 'uint8', 0.02),
    ('avif', 'uint8', 0.02), ('heic', 'uint8', 0.02), ('dng', 'uint16', 0.02)])
def test_what_is_written_is_read(tmp_path, suffix, depth, most):
    if not is_written(suffix):
        pytest.skip(f'no package here writes and reads {suffix}')
    y, x = np.mgrid[:64, :96].astype(np.float32)
    image = np.stack([60 + x / 4, 90 + y / 2, 120 - x / 3], axis=-1)  # BGR
    picture = read_picture(written(tmp_path / f'a.{suffix}', image))
    assert picture.depth == depth and picture.image.shape == (64, 96, 3)
    assert np.abs(picture.image - image[..., ::-1] / 255)[4:-4, 4:-4].mean() < most
