"""Draws: slopes, ratios, casts and noise as they were asked for, determinism, what every draw keeps to."""
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from skimage import data

from isalux_mm.functional import degradation as deg
from isalux_mm.functional import degradation_draw as draw
from isalux_mm.functional import development
from isalux_mm.functional.degradation_ranges import CAMERAS, LOL, Degradation, DegradationRanges
from isalux_mm.functional.development import LUMA, linear_to_srgb, mean_luma, process, srgb_to_linear, unprocess
from isalux_mm.functional.pair_statistics import pair_statistics

PLAIN_JPEG = DegradationRanges(jpeg_share=0.5)
QUIET = dict(gain_jitter=0.0, shot=(1e-9, 1e-9), blurred_share=0.0, correlated_share=0.0)


@pytest.fixture
def ramp():
    """A grey ramp over [0.05, 0.95], (64, 512, 3)."""
    return np.repeat(np.tile(np.linspace(0.05, 0.95, 512, dtype=np.float32), (64, 1))[..., None], 3, axis=2)


@pytest.fixture(scope='module')
def coffee():
    """scikit-image's coffee, 200x300."""
    return cv2.resize(data.coffee().astype(np.float32) / 255, (300, 200), interpolation=cv2.INTER_AREA)


def slope_of(low, reference):
    """Regression of log low on log reference between the percentiles at which the slope is defined."""
    luma = reference[0] @ LUMA
    middle = (luma >= np.quantile(luma, 0.1)) & (luma <= min(np.quantile(luma, 0.9), 0.85))
    return np.polyfit(np.log(luma[middle]), np.log((low[0] @ LUMA)[middle]), 1)[0]


@pytest.mark.parametrize('slope, ratio', [(1.2, 0.3), (1.4, 0.06), (1.9, 0.15), (2.1, 0.1), (2.6, 0.05)])
def test_solved_slope_and_ratio_are_measured_on_the_ramp(slope, ratio, ramp):
    """Measured on LOL: slopes of 1.3 to 2.7 at ratios of 0.06 to 0.27."""
    drawn = draw.solve_development(ramp, Degradation(stops=0.0, reference_toe=1.1, bits=12), slope, ratio)
    low = deg.degrade(ramp, drawn, np.random.default_rng(0))
    assert mean_luma(low) / mean_luma(ramp) == pytest.approx(ratio, rel=0.03)
    assert slope_of(low, ramp) == pytest.approx(slope, abs=0.25)
    anchors = draw.log_slope(drawn, float(np.quantile(ramp, 0.1)), 0.85)
    assert anchors == pytest.approx(slope, abs=0.02)


def test_stops_are_kept_where_no_ratio_is_given(ramp):
    ranges = DegradationRanges(mean_ratio=None, stops=(-3, -3), slope=None, reference_toe=(1, 1), **QUIET)
    drawn = draw.sample_degradation(ramp, ranges, np.random.default_rng(0))
    assert (drawn.stops, drawn.toe) == (-3, 1)
    low = deg.degrade(ramp, drawn, np.random.default_rng(0))
    np.testing.assert_allclose(low, linear_to_srgb(srgb_to_linear(ramp) / 8), atol=0.6 / 255)


def test_read_noise_follows_brooks_et_al(ramp):
    """log read variance = 2.18 log shot + 1.20 (Brooks et al., 2019, Sec. 3.1): shot 1e-3 gives 9.4e-7."""
    ranges = DegradationRanges(shot=(1e-3, 1e-3), read_spread=0.0, noise_left=(0.5, 0.5))
    drawn = draw.sample_degradation(ramp, ranges, np.random.default_rng(0))
    assert drawn.shot == pytest.approx(0.25e-3)
    assert drawn.read**2 == pytest.approx(0.25 * np.exp(1.20) * 1e-3**2.18, rel=1e-4)


def test_same_seed_same_picture(ramp):
    ranges = DegradationRanges(jpeg_share=0.5)
    first, second, third, other = (
        draw.synthesize_pair(ramp, ranges, (0.45, 0.04), deg.seeded_generator(seed, name))
        for seed, name in ((3, 'a'), (3, 'a'), (4, 'a'), (3, 'b')))
    for kind in (0, 1):
        np.testing.assert_array_equal(first[kind], second[kind])
    assert first[2] == second[2]
    assert np.abs(first[0] - third[0]).max() > 0.01 and np.abs(first[0] - other[0]).max() > 0.01


def test_chance_does_not_depend_on_the_picture(ramp):
    """A repaired or resized photograph keeps the noise and gains of its draw."""
    draws = [draw.sample_degradation(image, DegradationRanges(), np.random.default_rng(5))
             for image in (ramp, ramp[:, :100] * 0.5)]
    assert draws[0] != draws[1]
    assert replace(draws[0], stops=0, toe=1) == replace(draws[1], stops=0, toe=1)


def test_draws_lie_in_their_ranges_and_cover_them(ramp):
    ranges, rng = DegradationRanges(jpeg_share=1.0), np.random.default_rng(0)
    slopes, ratios = [], []
    for _ in range(60):
        drawn = draw.sample_degradation(ramp, ranges, rng)
        assert 70 <= drawn.jpeg_quality <= 95 and 1 <= drawn.reference_toe <= 1.2
        assert ranges.noise_left[0]**2 * 1e-4 <= drawn.shot <= ranges.noise_left[1]**2 * 1.2e-2
        clean = replace(drawn, gains=(1, 1, 1), shot=0.0, read=0.0, jpeg_quality=0, blur_sigma=0.0, bits=12)
        low = deg.degrade(ramp, clean, rng)
        slopes.append(slope_of(low, ramp))
        ratios.append(mean_luma(low) / mean_luma(ramp))
    assert 1.0 < min(slopes) < 1.4 and 2.3 < max(slopes) < 2.9
    assert 0.04 < min(ratios) < 0.07 and 0.24 < max(ratios) < 0.33


@pytest.mark.parametrize('value', [0.0, 1.0, 0.5])
def test_flat_pictures_are_no_trouble(value):
    flat = np.full((9, 7, 3), value, np.float32)
    low, reference, _ = draw.synthesize_pair(flat, DegradationRanges(), (0.45, 0.04), np.random.default_rng(0))
    assert np.isfinite(low).all() and np.isfinite(reference).all()
    assert low.mean() <= max(reference.mean(), 0.05)


def test_a_picture_of_lol_size_is_fast_enough_to_train_on(ramp, monkeypatch):
    """About 0.04 CPU seconds at 600 x 400: neither loops in Python nor values in powers grow with the picture."""
    curve, before, costs = development.tone_curve, sys.getprofile(), []
    for size in ((60, 40), (600, 400)):
        image, calls, values = cv2.resize(ramp, size), [], []
        monkeypatch.setattr(development, 'tone_curve',
                            lambda x, toe, seen=values: (seen.append(np.size(x)), curve(x, toe))[1])
        sys.setprofile(lambda frame, event, _, seen=calls: seen.append(event) if event == 'call' else None)
        try:
            draw.synthesize_pair(image, DegradationRanges(), (0.45, 0.04), np.random.default_rng(0))
        finally:
            sys.setprofile(before)
        costs.append((len(calls), sum(values)))
    (few, small), (many, large) = costs
    assert large < 2 * small and many < few + 100  # of a hundred times the pixels


@pytest.mark.parametrize('options, message', [
    (dict(slope=(2.0, 1.0)), r'slope must be \(lowest, highest\), got \(2.0, 1.0\)'),
    (dict(shot=(0.0, 1e-3)), 'shot must be positive'),
    (dict(jpeg_share=1.5), r'jpeg_share must be in \[0, 1\], got 1.5'),
    (dict(bits=16), r'bits must be in \[1, 12\], got 16'),
])
def test_bad_ranges(options, message):
    with pytest.raises(ValueError, match=message):
        DegradationRanges(**options)


def test_the_plain_base_draws_what_it_always_drew(ramp):
    """Figures of the first release: data sets made by seed stay what they are."""
    low, _, drawn = draw.synthesize_pair(ramp, PLAIN_JPEG, (0.45, 0.04), np.random.default_rng(5))
    assert (drawn.stops, drawn.toe, drawn.read) == pytest.approx((-3.928467, 1.574537, 3.7899e-4), rel=1e-5)
    assert drawn.gains == pytest.approx((0.966841, 0.952913, 1.044925), rel=1e-5)
    np.testing.assert_allclose(low[10, [50, 250, 450]] * 255, [[0, 0, 0], [6, 6, 6], [29, 30, 32]], atol=1.01)


def only(**changes):
    """A camera with nothing but what a test asks for: a ratio of .15 and a slope of 1.5, no noise."""
    quiet = dict(QUIET, mean_ratio=(0.15, 0.15), slope=(1.5, 1.5), reference_toe=(1.0, 1.0))
    return DegradationRanges(**quiet | changes)


@pytest.mark.parametrize('share', [0.0, 0.5, 1.0])
@pytest.mark.parametrize('casts, tolerance', [((1.25, 0.65), 0.1), ((0.8, 1.05), 0.1), ((2.2, 1.5), 0.25)])
def test_casts_come_out_as_drawn(casts, tolerance, share, coffee):
    red, blue = casts
    ranges = only(red_cast=(red, red), blue_cast=(blue, blue), luma_share=(share, share))
    low, reference, _ = draw.synthesize_pair(coffee, ranges, None, np.random.default_rng(0))
    found = pair_statistics(low, reference)
    assert (found.red_cast, found.blue_cast) == pytest.approx(casts, rel=tolerance)
    assert found.mean_ratio == pytest.approx(0.15, rel=0.05)


@pytest.mark.parametrize('options', [
    dict(camera_share=1.0), dict(saturation=(2.0, 2.0)), dict(black=(0.1, 0.1)), dict(black=(-0.2, -0.2)),
    dict(luma_share=(1.0, 1.0)), dict(highlight_share=1.0, highlights=(3.0, 3.0)),
    dict(slope=(0.2, 0.2), luma_share=(0.5, 0.5))])
@pytest.mark.parametrize('ratio', [0.15, 0.03])
def test_the_mean_ratio_holds_for_every_camera(options, ratio, coffee):
    ranges = only(**options | dict(mean_ratio=(ratio, ratio), bits=12))
    low, reference, _ = draw.synthesize_pair(coffee, ranges, None, np.random.default_rng(3))
    assert mean_luma(low) / mean_luma(reference) == pytest.approx(ratio, rel=0.08)


def test_the_curve_on_the_luma_keeps_saturation_and_that_on_the_channels_raises_it(coffee):
    pale = (0.4 * coffee + 0.6 * (coffee @ LUMA)[..., None]).astype(np.float32)
    ratios = [pair_statistics(*draw.synthesize_pair(pale, only(luma_share=(share, share), slope=(2.6, 2.6)), None,
                                                    np.random.default_rng(0))[:2]).saturation for share in (0, 0.5, 1)]
    assert ratios[0] > 1.3 and 0.9 < ratios[2] < 1.15 and ratios[0] > ratios[1] > ratios[2]


def test_a_black_level_clips_and_a_pedestal_lifts(coffee):
    pairs = [draw.synthesize_pair(coffee, only(black=(black, black)), None, np.random.default_rng(0))[:2]
             for black in (0.15, 0, -0.3)]
    clipped = [(low == 0).mean() for low, _ in pairs]
    slopes = [pair_statistics(*pair).slope for pair in pairs]
    assert clipped[0] > clipped[1] + 0.02 and clipped[2] == 0
    assert slopes[0] > slopes[1] > slopes[2]


def test_very_dark_reds_fall_to_zero():
    """A black level of a tenth of the mean light: red of .004 of it is gone, grey stays."""
    image = np.full((40, 40, 3), 0.5, np.float32)
    image[:10] = (0.03, 0.02, 0.02)
    low = draw.synthesize_pair(image, only(black=(0.1, 0.1)), None, np.random.default_rng(0))[0]
    assert low[:10].max() == 0 and low[10:].min() > 0.03


def test_highlights_shine_beyond_white(coffee):
    image = coffee.copy()
    image[:60, :60] = 1.0
    drawn = draw.sample_degradation(image, only(highlight_share=1.0, highlights=(12.0, 12.0)), np.random.default_rng(0))
    low = deg.degrade(image, drawn, np.random.default_rng(0))
    assert low[:50, :50].mean() > 0.95 and mean_luma(low[100:]) < 0.15


@pytest.mark.parametrize('levels', [1.0, 3.0])
def test_noise_has_the_levels_that_were_drawn(levels):
    """A grey field: its mean luma is its only one. Levels of 8 bits; rounding to them adds 1 / 12."""
    field = np.full((200, 200, 3), 0.45, np.float32)
    ranges = DegradationRanges(mean_ratio=(0.15, 0.15), gain_jitter=0.0, noise_levels=(levels, levels), bits=12,
                               correlated_share=0.0, blurred_share=0.0)
    low = draw.synthesize_pair(field, ranges, None, np.random.default_rng(0))[0]
    assert 255 * low.std() == pytest.approx(levels, rel=0.06)


def test_red_and_blue_are_as_noisy_as_drawn():
    """A grey field has all channels at one level, so the curve's slope is one."""
    field = np.full((200, 200, 3), 0.45, np.float32)
    ranges = DegradationRanges(mean_ratio=(0.2, 0.2), gain_jitter=0.0, noise_levels=(3.0, 3.0), bits=12,
                               correlated_share=0.0, blurred_share=0.0, red_noise=(1.7, 1.7), blue_noise=(1.2, 1.2))
    low, _, drawn = draw.synthesize_pair(field, ranges, None, np.random.default_rng(0))
    assert drawn.channel_noise == pytest.approx((1.7, 1.0, 1.2))
    red, green, blue = low.std((0, 1))
    assert (red / green, blue / green) == pytest.approx((1.7, 1.2), rel=0.05)
    assert 255 * np.sqrt((low.std((0, 1))**2).mean()) == pytest.approx(3.0, rel=0.06)


def test_noise_of_the_channels_leaves_the_other_draws_alone(coffee):
    """Another noise, the same exposure, curve and colours."""
    with_it, without = (draw.sample_degradation(coffee, ranges, np.random.default_rng(3))
                        for ranges in (CAMERAS, replace(CAMERAS, red_noise=(1.0, 1.0), blue_noise=(1.0, 1.0))))
    assert replace(with_it, channel_noise=(1.0, 1.0, 1.0)) == without
    assert with_it.channel_noise != without.channel_noise == (1.0, 1.0, 1.0)


def test_shadows_lose_the_channel_whose_black_level_is_higher(coffee):
    """What is left of red there, against the picture without; the cast of the whole picture stays."""
    quiet = replace(LOL, tinted_share=0.0, extreme_share=0.0, lit_share=0.0, exposed_share=0.0, black=(0.0, 0.0),
                    camera_share=0.0, saturation=(1.0, 1.0), noise_levels=(0.1, 0.1), slope=(1.5, 1.5),
                    mean_ratio=(0.2, 0.2), red_cast=(1.0, 1.0), blue_cast=(1.0, 1.0), highlight_share=0.0, bits=12)
    plain, red, blue = (
        pair_statistics(*draw.synthesize_pair(coffee, ranges, None, np.random.default_rng(0))[:2])
        for ranges in (quiet, replace(quiet, red_black=(0.05, 0.05)), replace(quiet, blue_black=(0.05, 0.05))))
    assert red.red_shadows < 0.95 * plain.red_shadows and red.blue_shadows > 0.98 * plain.blue_shadows
    assert blue.blue_shadows < 0.95 * plain.blue_shadows and blue.red_shadows > 0.98 * plain.red_shadows
    for found in (red, blue):
        assert (found.red_cast, found.blue_cast) == pytest.approx((plain.red_cast, plain.blue_cast), rel=0.15)


def test_noise_stays_below_the_picture():
    field = np.full((200, 200, 3), 0.45, np.float32)
    ranges = DegradationRanges(mean_ratio=(0.01, 0.01), gain_jitter=0.0, noise_levels=(9.0, 9.0), bits=12)
    drawn = draw.sample_degradation(field, ranges, np.random.default_rng(0))
    light = unprocess(np.float32(0.45), drawn.reference_toe) * np.float32(2.0**drawn.stops)
    clean = process(light, drawn.toe)
    noisy = process(light + np.float32(np.sqrt(drawn.shot * light + drawn.read**2)), drawn.toe)
    assert (noisy - clean) / clean == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize('ratio', [0.9, 1.0, 1.15])
def test_a_well_lit_picture_is_its_own_target(ratio, coffee):
    ranges = replace(CAMERAS, lit_share=1.0, lit_ratio=(ratio, ratio), extreme_share=0.0)
    low, target, drawn = draw.synthesize_pair(coffee, ranges, None, np.random.default_rng(0))
    assert drawn.own_target and drawn.matrix is None and drawn.gains == (1, 1, 1) and drawn.blur_sigma == 0
    assert mean_luma(target) / mean_luma(coffee) == pytest.approx(ratio, abs=0.02)
    assert np.sqrt(((low - target)**2).mean()) < 0.01  # noise of a fourth of 3.3 levels at most
    if ratio == 1:
        np.testing.assert_allclose(target, coffee, atol=0.02)


def test_marks_of_the_night_fade_towards_full_light(coffee):
    """Half way between .35 and .85 in the logarithm, at .545, half of a cast is left, as a power: sqrt(2) of 2."""
    ranges = replace(CAMERAS, lit_share=1.0, lit_ratio=(0.5454, 0.5454), extreme_share=0.0, tinted_share=0.0,
                     red_cast=(2.0, 2.0), blue_cast=(1.0, 1.0), saturation=(1.0, 1.0), camera_share=0.0,
                     black=(0.0, 0.0), slope=(1.0, 1.0), noise_levels=(0.1, 0.1), highlight_share=0.0)
    low, reference, drawn = draw.synthesize_pair(coffee, ranges, None, np.random.default_rng(0))
    assert not drawn.own_target and reference is coffee
    assert pair_statistics(low, reference).red_cast == pytest.approx(2**0.5, rel=0.1)


@pytest.mark.parametrize('ratio', [0.06, 0.25, 0.5])
def test_a_camera_may_expose_less_and_do_nothing_else(ratio, coffee):
    """Its low image is a gain in linear light, by the curve of IEC 61966-2-1."""
    ranges = replace(CAMERAS, exposed_share=1.0, lit_share=0.0, extreme_share=0.0, mean_ratio=(ratio, ratio),
                     reference_toe=(1.0, 1.0), noise_levels=(0.01, 0.01), correlated_share=0.0, highlight_share=0.0)
    low, reference, drawn = draw.synthesize_pair(coffee, ranges, None, np.random.default_rng(0))
    assert reference is coffee and not drawn.own_target
    expected = linear_to_srgb(srgb_to_linear(coffee) * 2.0**drawn.stops)
    np.testing.assert_allclose(low, expected, atol=1.01 / 255)
    assert mean_luma(low) / mean_luma(reference) == pytest.approx(ratio, rel=0.03)


def test_exposures_of_the_whole_range_are_drawn(ramp):
    ranges = replace(CAMERAS, extreme_share=0.5, lit_share=0.25, lit_ratio=(0.7, 1.2))
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(150):
        drawn = draw.sample_degradation(ramp, ranges, rng)
        quiet = replace(drawn, shot=0.0, read=0.0, bits=12)
        ratios.append(mean_luma(deg.degrade(ramp, quiet, rng)) / mean_luma(ramp))
    assert min(ratios) < 0.008 and max(ratios) > 1.1
    assert np.mean(np.array(ratios) > 0.69) == pytest.approx(0.25 + 0.5 * np.log(1.2 / 0.69) / np.log(240), abs=0.1)


@pytest.mark.parametrize('options, message', [
    (dict(black=(-2.0, 0.0)), r'black must be in \[-1, 1\], got \(-2.0, 0.0\)'),
    (dict(luma_share=(0.0, 1.5)), r'luma_share must be in \[0, 1\], got \(0.0, 1.5\)'),
    (dict(extreme_share=0.6, lit_share=0.5), 'at most 1 together, got 0.6 and 0.5'),
    (dict(red_cast=(0.0, 1.0)), 'red_cast must be positive'),
])
def test_bad_cameras(options, message):
    with pytest.raises(ValueError, match=message):
        DegradationRanges(**options)


@pytest.fixture(scope='module')
def pale(coffee):
    """The same in faint colours, which have room to become stronger."""
    luma = (coffee @ LUMA)[..., None]
    return luma + np.float32(0.35) * (coffee - luma)


def trends(image, ranges, count=40):
    """What an e-fold of the mean ratio adds to slope and log saturation, over an image made dark by seed."""
    drawn = [pair_statistics(*draw.synthesize_pair(image, ranges, None, np.random.default_rng(seed))[:2])
             for seed in range(count)]
    light = np.log([one.mean_ratio for one in drawn])
    return tuple(np.polyfit(light, values, 1)[0]
                 for values in ([one.slope for one in drawn], np.log([one.saturation for one in drawn])))


def test_less_light_makes_slope_and_colors_stronger_where_asked(pale):
    dim = only(mean_ratio=(0.04, 0.3), slope=(1.8, 1.8), saturation=(1.5, 1.5))
    slope, saturation = trends(pale, dim)
    assert abs(slope) < 0.15 and abs(saturation) < 0.15
    assert trends(pale, replace(dim, slope_by_ratio=-0.6))[0] < slope - 0.2
    assert trends(pale, replace(dim, saturation_by_ratio=-0.4))[1] < saturation - 0.2


def test_a_reference_of_more_contrast_gets_a_flatter_slope_where_asked(ramp):
    """Per e-fold of contrast between the anchors, and none at a contrast of 3."""
    ranges = only(slope=(1.8, 1.8), slope_by_contrast=-0.5)
    for darkest, brightest in ((0.1, 0.2), (0.2, 0.6), (0.1, 0.8)):
        image = darkest + (brightest - darkest) * (ramp - 0.05) / 0.9
        drawn = draw.sample_degradation(image, ranges, np.random.default_rng(0))
        low, high = np.quantile(image @ LUMA, (0.1, 0.9))
        assert draw.log_slope(drawn, low, high) == pytest.approx(1.8 - 0.5 * np.log(high / low / 3), abs=0.03)


def test_the_trends_of_lol_v1_can_be_drawn(pale):
    """Of 135 pairs of LOL-v1: slope -.48 and log saturation -.50 per e-fold of the mean ratio."""
    dark = replace(LOL, lit_share=0.0, extreme_share=0.0, exposed_share=0.0, tinted_share=0.0)
    slope, saturation = trends(pale, dark, count=80)
    assert abs(slope) < 0.2 and abs(saturation) < 0.2
    slope, saturation = trends(pale, replace(dark, slope=(1.6, 2.5), slope_by_ratio=-0.9, slope_by_contrast=-0.5,
                                             saturation=(1.5, 3.0), saturation_by_ratio=-0.9), count=80)
    assert -0.7 < slope < -0.3 and -0.7 < saturation < -0.3
