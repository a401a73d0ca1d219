"""`SynthesizeLowLight` in a pipeline: what it adds, and where its chance comes from."""
import numpy as np
import pytest
from skimage import data

from isalux_mm.datasets.synthesis import KeepLuma, SynthesizeLowLight
from isalux_mm.functional.degradation_ranges import CAMERAS, DegradationRanges
from isalux_mm.functional.development import mean_luma
from isalux_mm.registry import TRANSFORMS


@pytest.fixture
def photo():
    """scikit-image's coffee, 400x600."""
    return data.coffee().astype(np.float32) / 255


def test_it_adds_low_and_normalizes_the_reference(photo):
    transform = TRANSFORMS.build(dict(type='isalux_mm.SynthesizeLowLight', base='plain', target_luma=(0.45, 0.0)))
    np.random.seed(0)
    out = transform(dict(gt=photo, gt_path='coffee.png'))
    assert out['low'].shape == out['gt'].shape == photo.shape
    assert out['low'].dtype == out['gt'].dtype == np.float32
    assert mean_luma(out['gt']) == pytest.approx(0.45, abs=0.005)
    assert 0.04 < mean_luma(out['low']) / mean_luma(out['gt']) < 0.35
    assert out['degradation']['stops'] < 0


def test_the_reference_is_left_alone_on_request(photo):
    out = SynthesizeLowLight(dict(lit_share=0.0), luma_band=None)(dict(gt=photo))
    np.testing.assert_array_equal(out['gt'], photo)


def test_a_seed_fixes_each_image_by_its_name(photo):
    transform = SynthesizeLowLight(seed=7)
    first = transform(dict(gt=photo, gt_path='/here/a.png'))
    np.random.seed(99)
    again = transform(dict(gt=photo, gt_path='/elsewhere/a.png'))
    np.testing.assert_array_equal(first['low'], again['low'])
    for other in (transform(dict(gt=photo, gt_path='/here/b.png')),
                  SynthesizeLowLight(seed=8)(dict(gt=photo, gt_path='/here/a.png'))):
        assert other['degradation'] != first['degradation']
    by_index = [transform(dict(gt=photo, sample_idx=k))['degradation'] for k in (0, 1, 0)]
    assert by_index[0] == by_index[2] != by_index[1]


def test_without_a_seed_it_follows_the_state_of_numpy(photo):
    transform, draws = SynthesizeLowLight(), []
    for seed in (0, 0, 1):
        np.random.seed(seed)
        draws.append(transform(dict(gt=photo))['degradation'])
    assert draws[0] == draws[1] != draws[2]
    assert transform(dict(gt=photo))['degradation'] != draws[2]


def test_ranges_come_from_the_config(photo):
    ranges = dict(mean_ratio=None, stops=(-4, -4), jpeg_share=1.0, jpeg_quality=(80, 80))
    out = SynthesizeLowLight(ranges)(dict(gt=photo))
    assert out['degradation']['stops'] == -4 and out['degradation']['jpeg_quality'] == 80


def test_bad_arguments():
    with pytest.raises(KeyError, match='SynthesizeLowLight needs gt in the sample'):
        SynthesizeLowLight()(dict(low=1))
    with pytest.raises(ValueError, match=r'target_luma must be \(mean .*, deviation .*\), got \(45, 4\)'):
        SynthesizeLowLight(target_luma=(45, 4))


def test_the_default_spans_cameras_and_keeps_the_luma_in_a_band(photo):
    transform = SynthesizeLowLight()
    assert transform.ranges == CAMERAS and transform.mixture is None
    np.random.seed(0)
    draws = [transform(dict(gt=0.3 * photo)) for _ in range(12)]
    nights = [out for out in draws if not out['degradation']['own_target']]
    assert len(nights) > 6 and len({out['degradation']['luma_share'] for out in nights}) > 6
    assert all(mean_luma(out['gt']) == pytest.approx(0.34, abs=0.01) for out in nights)


def test_the_plain_base(photo):
    assert SynthesizeLowLight(dict(bits=10), base='plain').ranges == DegradationRanges(bits=10)


def test_charts_take_the_place_of_photographs(photo):
    transform = SynthesizeLowLight(mixture=dict(chart_share=1.0))
    for seed in range(5):
        np.random.seed(seed)
        out = transform(dict(gt=photo))
        assert out['gt'].shape == photo.shape and np.quantile(np.ptp(out['gt'], axis=2), 0.5) < 1e-3


def test_keep_luma_stands_before_the_views(photo):
    dark = TRANSFORMS.build(dict(type='isalux_mm.KeepLuma', band=(0.4, 0.5)))(dict(gt=0.3 * photo))['gt']
    assert mean_luma(dark) == pytest.approx(0.4, abs=0.01)
    with pytest.raises(ValueError, match='band must be'):
        KeepLuma((0.5, 0.4))


@pytest.mark.parametrize('options, message', [
    (dict(base='phone'), "base must be one of .*'cameras', 'lol', 'plain'.*, got 'phone'"),
    (dict(luma_band=(0.7, 0.2)), 'luma_band must be'),
    (dict(mixture=dict(lamp_share=2)), 'lamp_share must be in')])
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        SynthesizeLowLight(**options)
