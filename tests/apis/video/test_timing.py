"""Time stamps by themselves: packets that jump, frames that repeat, go back or have none."""
from fractions import Fraction
from types import SimpleNamespace

import pytest

from isalux_mm.apis.video.timing import Continuity, FrameClock, increasing, possible_dts

TICK = Fraction(1, 1000)


def clock(**options):
    return FrameClock(**{'source_base': TICK, 'target_base': TICK, 'rate': Fraction(25), **options})


@pytest.mark.parametrize(('given', 'expected', 'corrected'), [
    ([0, 40, 80], [0, 40, 80], 0),
    ([7, 40, 95], [7, 40, 95], 0),
    ([None, None, None], [0, 40, 80], 3),
    ([0, None, 80], [0, 40, 80], 1),
    ([0, 0, 80, 80], [0, 20, 80, 100], 2),  # half a step behind the one that they repeat
    ([0, 0, 0, 0, 200], [0, 20, 40, 60, 200], 3),
    ([100, 40, 180], [100, 120, 180], 1),
    ([-80, -40, 0], [-80, -40, 0], 0),
])
def test_times_of_frames_increase(given, expected, corrected):
    found = clock()
    assert [found.tick(pts)[0] for pts in given] == expected and found.corrected == corrected


def test_seconds_are_those_between_the_times_given():
    found = clock()
    assert [found.tick(pts)[1] for pts in (0, 40, 40, None)] == pytest.approx([0, 0.04, 0.02, 0.04])


def test_times_of_decoding_stand_in_for_wrong_ones():
    """FFmpeg's own guess: the times that have been at fault less often; the order is what H.264 in AVI gives."""
    found = clock()
    given = zip([40, 120, 160, 80, 200], [80, 120, 160, 200, 240])
    assert [found.tick(pts, dts)[0] for pts, dts in given] == [40, 120, 160, 200, 240] and found.corrected == 0


def test_a_coarse_clock_counts_on():
    found = clock(target_base=Fraction(1, 25))
    assert [found.tick(pts)[0] for pts in (0, 3, 6, 120)] == [0, 1, 2, 3]


def packet(dts, *, pts=None, index=0, kind='video', duration=40):
    return SimpleNamespace(pts=dts if pts is None else pts, dts=dts, duration=duration, time_base=TICK,
                           stream=SimpleNamespace(index=index, type=kind))


def followed(packets, **options):
    found = Continuity(**options)
    for one in packets:
        found.follow(one)
    return [one.dts for one in packets], found.joins


@pytest.mark.parametrize(('given', 'jumps', 'expected', 'joins'), [
    ([0, 40, 80, 0, 40], True, [0, 40, 80, 120, 160], 1),
    ([0, 40, 20_000, 20_040], True, [0, 40, 80, 120], 1),
    ([0, 40, 20_000, 20_040], False, [0, 40, 20_000, 20_040], 0),  # a still part of a film
    ([5_000, 5_040, 0, 40], False, [5_000, 5_040, 5_080, 5_120], 1),
    ([0, 40, 2**50], False, [0, 40, 80], 1),
    ([0, 80, 40, 120], True, [0, 80, 40, 120], 0),  # too little to be a jump: the frames' clock sees to it
])
def test_jumps_are_closed(given, jumps, expected, joins):
    assert followed(map_packets(given), jumps=jumps) == (expected, joins)


def map_packets(times):
    return [packet(dts) for dts in times]


def test_all_streams_move_by_the_same():
    both = [packet(0), packet(0, index=1, kind='audio'), packet(400), packet(440, index=1, kind='audio'),
            packet(0), packet(0, index=1, kind='audio'), packet(10, index=2, kind='subtitle')]
    assert followed(both, jumps=True) == ([0, 0, 400, 440, 480, 480, 490], 1), 'the sound went on until 480'



@pytest.mark.parametrize(('dts', 'pts', 'last', 'strictly', 'expected', 'changed'), [
    (10, 10, None, True, (10, 10), False),
    (10, 12, 5, True, (10, 12), False),
    (10, 10, 10, True, (11, 11), True),
    (10, 10, 10, False, (10, 10), False),
    (10, 10, 30, False, (30, 30), True),
    (None, 12, 10, True, (12, 12), False),
    (None, None, 10, True, (11, 11), True),
    (None, None, None, True, (0, 0), True),
])
def test_copied_packets_follow_one_another(dts, pts, last, strictly, expected, changed):
    copied = SimpleNamespace(dts=dts, pts=pts)
    assert increasing(copied, last, strictly=strictly) == changed and (copied.dts, copied.pts) == expected


@pytest.mark.parametrize(('dts', 'pts', 'last', 'expected'), [
    (-40, 0, None, -40),
    (6047313954192, 0, None, -40),  # what libx265 has said
    (-6047313954192, 0, None, -40),
    (0, 40, -40, 0),
    (-40, 40, -40, -39),
    (90, 40, -40, -39),
    (None, 40, -40, None),
])
def test_times_of_decoding_that_cannot_be(dts, pts, last, expected):
    assert possible_dts(dts, pts, last, (0, 40)) == expected
