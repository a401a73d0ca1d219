"""`GradeReference`: drawn anew from numpy's seed, ranges checked, only the reference changed."""
import numpy as np
import pytest
from skimage import data

from isalux_mm.functional.grading import grade
from isalux_mm.registry import TRANSFORMS


@pytest.fixture(scope='module')
def photo() -> np.ndarray:
    return data.astronaut()[::8, ::8].astype(np.float32) / 255


def build(**options):
    return TRANSFORMS.build(dict(type='isalux_mm.GradeReference', **options))


def test_draws_hang_on_numpys_seed(photo):
    transform, found = build(), []
    for seed in (1, 1, 2):
        np.random.seed(seed)
        found.append(transform(dict(gt=photo, gt_path='a.png')))
    assert np.array_equal(found[0]['gt'], found[1]['gt']) and not np.array_equal(found[0]['gt'], found[2]['gt'])
    assert found[0]['gt_path'] == 'a.png' and found[0]['gt'].shape == photo.shape


def test_ranges_of_one_value_are_that_value(photo):
    out = build(contrast=(0.8, 0.8), neutrality=(0.5, 0.5), saturation=(0.6, 0.6),
                brightness=(1.2, 1.2))(dict(gt=photo))['gt']
    np.testing.assert_allclose(out, grade(photo, 0.8, 0.5, 0.6, 1.2), atol=1e-6)


@pytest.mark.parametrize(('options', 'message'), [
    (dict(contrast=(1.0, 0.7)), r'contrast must be \(lowest, highest\) in \[0.2, 5.0\], got \(1.0, 0.7\)'),
    (dict(neutrality=(0.0, 1.5)), r'neutrality must be \(lowest, highest\) in \[0.0, 1.0\], got \(0.0, 1.5\)'),
    (dict(saturation=(0.0, 1.0)), r'saturation must be \(lowest, highest\) in \[0.01, 10.0\], got \(0.0, 1.0\)'),
    (dict(brightness=(0.0, 1.0)), r'brightness must be \(lowest, highest\) in \[0.1, 10.0\], got \(0.0, 1.0\)'),
    (dict(saturation=(1.0, )), r'saturation must be \(lowest, highest\) in \[0.01, 10.0\], got \(1.0,\)'),
])
def test_bad_ranges(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)
