"""Frames in fast mode: which of them the network sees, maps that follow in time, cuts."""
import math

import pytest
import torch
from test_temporal import build, frames

from isalux_mm.inference.fast import FastNetwork
from isalux_mm.inference.fast_temporal import CHANGE, EVERY, LEAST, FastTemporalEnhancer
from isalux_mm.inference.temporal import frame_difference


@pytest.fixture(scope='module')
def network():
    return FastNetwork(build())


def asked_at(temporal, clip, seconds=0.04):
    """Places of the frames that the network saw."""
    places = []
    for place, frame in enumerate(clip):
        before = temporal.asked
        temporal(frame, seconds if place else 0.0)
        places += [place] if temporal.asked > before else []
    return places


def maps_of(temporal):
    return temporal._maps.grid.clone()


@torch.no_grad()
def test_the_first_frame_is_a_still_picture_and_zero_switches_off(network):
    temporal, off = FastTemporalEnhancer(network), FastTemporalEnhancer(network, time_constant=0)
    for i, frame in enumerate(frames()):
        alone = network(frame)
        assert torch.equal(off(frame, 0.04), alone)
        assert torch.equal(temporal(frame, 0.04), alone) == (i == 0)
    assert off.asked == 4 and temporal.asked == 1


@pytest.mark.parametrize('every', [1, 2, EVERY])
def test_every_so_many_frames_where_nothing_changes(network, every):
    assert asked_at(FastTemporalEnhancer(network, every=every), frames(18)) == list(range(0, 18, every))


def test_sooner_where_something_changes(network):
    still, = frames(1)
    changed = (still * 1.2).clamp(0, 1)
    assert frame_difference(still, changed) > CHANGE
    assert asked_at(FastTemporalEnhancer(network), [still, *[changed] * 9]) == [0, LEAST]
    moving = [still.roll(9 * i, dims=3) for i in range(10)]
    assert asked_at(FastTemporalEnhancer(network, cut_threshold=1.0), moving) == list(range(0, 10, LEAST))


def test_trembling_exposure_is_no_change(network):
    still, = frames(1)
    clip = [(still * (1.02 if i % 2 else 0.98)) for i in range(EVERY)]
    assert asked_at(FastTemporalEnhancer(network), clip) == [0]


@torch.no_grad()
def test_a_cut_begins_a_scene(network):
    temporal = FastTemporalEnhancer(network)
    first, second = frames(3), [0.5 - frame for frame in frames(2, scene=9)]
    assert asked_at(temporal, first) == [0] and temporal.cuts == 0
    assert torch.equal(temporal(second[0], 0.04), network(second[0]))
    assert temporal.cuts == 1 and temporal.asked == 2


@torch.no_grad()
def test_maps_follow_without_a_jump(network):
    """Between two frames that the network sees they go its newest way by 1 - exp(-t / tau) of what is left of it."""
    temporal, still = FastTemporalEnhancer(network, every=4), frames(8, noise=0.01)
    seen = []
    for frame in still:
        temporal(frame, 0.04)
        seen.append((maps_of(temporal), temporal._newest.grid.clone()))
    assert torch.equal(*seen[0]) and torch.equal(seen[3][0], seen[3][1]), 'nothing new'
    left = [(maps - newest).norm() for maps, newest in seen[4:]]
    jump = (seen[4][1] - seen[3][0]).norm()
    memory = math.exp(-0.04 / temporal.time_constant)
    assert jump > 0
    for i, distance in enumerate(left):
        assert float(distance / jump) == pytest.approx(memory**(i + 1), rel=1e-3)


@torch.no_grad()
def test_maps_of_another_moment_are_left_sooner(network):
    """A light that is turned up: after as long, less is left of the dark scene's maps than in one that stays."""
    left = {}
    for gain in (1.0, 1.4):
        temporal, (still, ) = FastTemporalEnhancer(network, every=1), frames(1)
        temporal(still, 0.0)
        before = maps_of(temporal)
        for _ in range(4):
            temporal((gain * still).clamp(0, 1) + 1e-4, 0.04)
        goal = temporal._newest.grid
        left[gain] = float((maps_of(temporal) - goal).norm() / (before - goal).norm())
    assert left[1.4] < 0.8 * left[1.0]


def test_bad_options(network):
    with pytest.raises(ValueError, match='every must be at least 1 frame, got 0'):
        FastTemporalEnhancer(network, every=0)
