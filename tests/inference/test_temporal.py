"""Frames of a video: smoothing over time, its beginning at cuts, and the measure of flicker."""
import math

import pytest
import torch

from isalux_mm.inference.prepare import prepare_for_inference
from isalux_mm.inference.temporal import RunningMeans, TemporalEnhancer, flicker, frame_difference
from isalux_mm.registry import MODELS

SEMANTIC = dict(type='SegmentationPrior', module='torch.nn.Conv2d', num_classes=5,
                module_args=dict(in_channels=3, out_channels=5, kernel_size=8, stride=8, padding=4))


def build(**changes):
    torch.manual_seed(0)
    network = MODELS.build({**dict(type='ISALux', embed_dims=(8, 16), depths=(1, 1), num_heads=(1, 2),
                                   semantic_prior=SEMANTIC, brightened_input=True), **changes}).eval()
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return network


def frames(count=4, scene=0, noise=0.02):
    """Noisy pictures of one static scene."""
    generator = torch.Generator().manual_seed(scene)
    still = 0.3 * torch.nn.functional.interpolate(torch.rand(1, 3, 5, 7, generator=generator), size=(37, 53))
    return [(still + noise * torch.randn(still.shape, generator=generator)).clamp(0, 1) for _ in range(count)]


@pytest.mark.parametrize('prepared', [True, False])
@pytest.mark.parametrize('safeguards', [(), ('fade', 'gray', 'black')], ids=['plain', 'safeguards'])
@torch.no_grad()
def test_first_frame_is_a_still_picture_and_zero_switches_off(prepared, safeguards):
    network = build(safeguards=safeguards)
    network = prepare_for_inference(network) if prepared else network
    clip = frames()
    temporal, off = TemporalEnhancer(network), TemporalEnhancer(network, time_constant=0)
    for i, frame in enumerate(clip):
        alone, smoothed = network(frame), temporal(frame, 0.04)
        assert torch.equal(off(frame, 0.04), alone)
        assert torch.equal(smoothed, alone) == (i == 0)
    assert torch.equal(network(clip[0]), TemporalEnhancer(network)(clip[0], 0.0)), 'nothing stays behind'


def test_running_means_by_hand():
    means = RunningMeans()
    means.memory = 0.75
    assert means.exchange('a', torch.tensor(8.0)) == 8
    assert means.exchange('a', torch.tensor(4.0)) == 7  # 0.75 * 8 + 0.25 * 4
    assert means.exchange('b', torch.tensor(1.0)) == 1
    means.memory = 0.5
    assert means.exchange('a', torch.tensor(1.0)) == 4


def test_memory_follows_the_time_between_frames():
    temporal = TemporalEnhancer(build(), time_constant=0.2)
    for seconds in (0.0, 0.1, 0.4):
        temporal(frames(1)[0], seconds)
        assert temporal.means.memory == pytest.approx(math.exp(-seconds / 0.2))


@torch.no_grad()
def test_statistics_vary_less_than_frame_by_frame():
    """By the formula for independent frames, (1 - m) / (1 + m) of the variance remains, m = exp(-0.04 / 0.5): 4%."""
    network, seen = build(), {True: [], False: []}
    clip = frames(30)
    for smooth in seen:
        temporal = TemporalEnhancer(network, time_constant=0.5)
        for frame in clip:
            if not smooth:
                temporal.reset()
            temporal(frame, 0.04)
            seen[smooth].append({k: v.clone() for k, v in temporal.means.known.items()})
    for name in seen[True][0]:
        if name != 'semantics':
            spread = {s: torch.stack([k[name] for k in seen[s][10:]]).var(dim=0).sum() for s in seen}
            assert spread[True] < 0.5 * spread[False], name
    assert len(seen[True][0]) == 7  # three blocks: a Gram matrix and pooled features each; the class map


@torch.no_grad()
def test_a_cut_begins_a_scene():
    network = build()
    temporal = TemporalEnhancer(network)
    first, second = frames(3), [0.5 - frame for frame in frames(2, scene=9)]
    for frame in first:
        temporal(frame, 0.04)
    assert temporal.cuts == 0
    assert torch.equal(temporal(second[0], 0.04), network(second[0])) and temporal.cuts == 1
    assert not torch.equal(temporal(second[1], 0.04), network(second[1]))
    assert temporal.cuts == 1


def test_what_counts_as_a_cut():
    still = frames(2, noise=0.05)
    small = [torch.nn.functional.adaptive_avg_pool2d(f, 16) for f in still]
    assert frame_difference(*small) < 0.1, 'noise'
    bright = torch.full((1, 3, 16, 16), 0.4)
    assert frame_difference(bright, bright / 2) == pytest.approx(1 / 3, abs=0.01)
    assert frame_difference(bright, 0.9 * bright) < 0.06
    assert frame_difference(bright * 0, bright * 0 + 1 / 255) < 0.25, 'black frames'
    assert frame_difference(bright, bright) == 0


def test_networks_without_statistics():
    network = MODELS.build(dict(type='GammaCurve')).eval()
    temporal = TemporalEnhancer(network)
    for frame in frames(2):
        assert torch.equal(temporal(frame, 0.04), network(frame))


def test_flicker_by_hand():
    assert flicker(torch.tensor([1.0, 2.0, 2.0])) == pytest.approx(0.25)  # ratios 2 and 1
    assert flicker(torch.full((5, ), 0.3)) == 0
    with pytest.raises(ValueError, match='three frames or more'):
        flicker(torch.ones(2))


@pytest.mark.parametrize('options, message', [
    (dict(time_constant=-1), 'time_constant must be at least 0 seconds, got -1'),
    (dict(time_constant=float('nan')), 'time_constant'),
    (dict(cut_threshold=0), r'cut_threshold must be in \(0, 1\], got 0'),
])
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        TemporalEnhancer(build(), **options)
