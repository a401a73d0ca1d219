"""Compiled kernels for highlights and frames against the forms in PyTorch, in float64 where these lose digits."""
import numpy as np
import pytest
from kernel_arrays import array, planes

from isalux_mm.functional.compiling import in_rows
from isalux_mm.functional.tone import KNEE, with_soft_highlights

compiled = pytest.importorskip('isalux_mm.functional.compiled_tone', reason='needs Numba (extra [fast])')


@pytest.mark.parametrize('most', [0.9, 1.0, 1.7, 6.0])
def test_highlights_are_softened(threads, most):
    image, low = planes(1, 3, 40, 30) * most * 1.05 - 0.05 * most, planes(1, 3, 40, 30, seed=1) * 0.4
    image[0, :, :2] = KNEE  # exactly at the knee
    white = max(float(image.max()), 1.0)
    expected = with_soft_highlights(image, low)[0].numpy()
    got = array(image[0])
    sums = in_rows(compiled.soften, 40, got, array(low[0]), white)
    np.testing.assert_allclose(got, expected, atol=1e-6)
    weights = np.array([0.299, 0.587, 0.114])[:, None, None]  # ITU-R BT.601
    assert sum(one[0] for one in sums) == pytest.approx((weights * expected).sum(), rel=1e-6)
    assert sum(one[1] for one in sums) == pytest.approx((weights * expected**2).sum(), rel=1e-6)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_frames_become_planes_and_frames_again(threads, dtype):
    top = np.iinfo(dtype).max
    frame = np.random.default_rng(0).integers(0, top, (24, 30, 3), dtype, endpoint=True)
    frame[0, 0], frame[0, 1] = 0, top
    parted, again = np.empty((3, 24, 30), np.float32), np.empty_like(frame)
    in_rows(compiled.unpack, 24, frame, parted)
    np.testing.assert_allclose(parted, frame.transpose(2, 0, 1) / top, atol=1e-7)
    in_rows(compiled.pack, 24, parted, 0.0, again)
    np.testing.assert_array_equal(again, frame)
    in_rows(compiled.pack, 24, parted, -0.3, again)
    x = frame / top
    assert np.abs(again - (x - 0.3 * x * (1 - x)) * top).max() <= 0.51
    in_rows(compiled.pack, 24, np.full((3, 24, 30), 1, np.float32), 0.9, again)
    assert (again == top).all()
