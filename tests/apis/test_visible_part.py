"""Pictures that are seen in part: transparent pixels, black bars."""
import numpy as np
import pytest

from isalux_mm.apis import EnhanceInferencer

DARK = (np.random.default_rng(0).random((37, 53, 3)) * 40).astype(np.uint8)


@pytest.fixture(scope='module')
def inferencer():
    return EnhanceInferencer(show_progress=False, device='cpu')


@pytest.mark.parametrize('options', [{}, dict(reference_brightness=0.5)])
@pytest.mark.parametrize('shape', ['frame', 'oval'])
def test_what_is_hidden_takes_no_part_and_stays(inferencer, shape, options):
    """Hidden black, white or noise gives the same to the bit; a frame gives what its inside gives alone."""
    inside = np.zeros((60, 80), bool)
    inside[11:48, 15:68] = True
    if shape == 'oval':
        y, x = np.mgrid[:60, :80]
        inside &= ((y - 29) / 18)**2 + ((x - 41) / 26)**2 <= 1
    results = []
    for hidden in (0, 255, np.random.default_rng(1).integers(0, 256, (60, 80, 3))):
        samples = np.zeros((60, 80, 4), np.uint8)
        samples[..., :3] = hidden
        samples[11:48, 15:68, :3] = np.where(inside[11:48, 15:68, None], DARK, samples[11:48, 15:68, :3])
        samples[..., 3] = inside * 255
        result = inferencer([samples, DARK], batch_size=2, **options)['predictions'][0]
        np.testing.assert_array_equal(result[~inside], samples[~inside])
        results.append(result[inside])
    assert (results[0] == results[1]).all() and (results[0] == results[2]).all()
    if shape == 'frame':
        alone = inferencer(DARK, **options)['predictions'][0]
        np.testing.assert_array_equal(results[0][:, :3].reshape(DARK.shape), alone)


def test_black_bars_take_no_part(inferencer):
    """A film's picture in a wider frame comes out as it does without the frame, the bars stay black."""
    barred = np.zeros((61, 53, 3), np.uint8)
    barred[12:49] = DARK
    result = inferencer(barred)['predictions'][0]
    np.testing.assert_array_equal(result[12:49], inferencer(DARK)['predictions'][0])
    assert not result[:12].any() and not result[49:].any()


def test_a_picture_of_which_nothing_is_seen_stays(inferencer):
    samples = np.dstack([DARK, np.zeros_like(DARK[..., 0])])
    np.testing.assert_array_equal(inferencer(samples)['predictions'][0], samples)


def test_explanations_leave_out_what_is_hidden(inferencer):
    samples = np.dstack([DARK, np.zeros_like(DARK[..., 0])])
    samples[5:30, 7:40, 3] = 255
    samples[20:25, 9:20, 3] = 0
    first, second = (inferencer(np.where(samples[..., 3:] > 0, samples, hidden).astype(np.uint8),
                          return_explanation=True)['visualization'][0]
                     for hidden in (np.uint8([0, 0, 0, 0]), np.uint8([255, 255, 255, 0])))
    np.testing.assert_array_equal(first, second)
