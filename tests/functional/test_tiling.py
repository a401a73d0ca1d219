"""Spans cover an axis, weights sum to one, a window is a part of the whole interpolation."""
import pytest
import torch
import torch.nn.functional as F

from isalux_mm.functional.tiling import Window, blend_weights, interpolate_axis, interpolate_window, round_up, split


@pytest.mark.parametrize('size', [1, 5, 12, 37, 53, 100, 401, 999])
@pytest.mark.parametrize('tile, overlap, multiple', [(12, 4, 4), (12, 0, 1), (10, 3, 1), (37, 8, 4), (64, 21, 1)])
def test_spans_cover_the_axis(size, tile, overlap, multiple):
    spans = split(size, tile, overlap, multiple=multiple)
    assert spans[0].start == 0 and spans[-1].stop == size and spans[0].before == spans[-1].after == 0
    seen = torch.zeros(size)
    for span in spans:
        assert span.start % multiple == 0 and 0 < span.stop - span.start <= round_up(tile, multiple)
        seen[span.start:span.stop] += 1
    assert seen.min() == 1 and seen.max() <= 2
    for a, b in zip(spans, spans[1:]):
        assert a.stop - b.start == a.after == b.before == round_up(overlap, multiple)


@pytest.mark.parametrize('size, tile, overlap', [(53, 16, 4), (53, 16, 5), (401, 96, 32), (20, 30, 10)])
def test_weights_sum_to_one(size, tile, overlap):
    total = torch.zeros(size)
    for span in split(size, tile, overlap):
        weights = blend_weights(span, total)
        assert weights.min() >= 0
        total[span.start:span.stop] += weights
    torch.testing.assert_close(total, torch.ones(size))


def test_the_outer_quarter_of_an_overlap_counts_nothing():
    first, second = split(92, 50, 8)[:2]
    assert blend_weights(first, torch.ones(1))[-2:].tolist() == [0, 0]
    weights = blend_weights(second, torch.ones(1))
    assert weights[:8].tolist() == [0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1]  # a ramp over the inner four


@pytest.mark.parametrize('arguments, message', [
    ((0, 8, 2), 'size, tile and multiple must be at least 1, got 0, 8 and 1'),
    ((10, 0, 0), 'size, tile and multiple must be at least 1'),
    ((10, 9, 4), r'overlap must be in \[0, 3\], a third of the tile, got 4'),
    ((10, 9, -1), r'overlap must be in \[0, 3\].*got -1'),
])
def test_bad_numbers(arguments, message):
    with pytest.raises(ValueError, match=message):
        split(*arguments)


@pytest.mark.parametrize('size', [(37, 53), (5, 7), (3, 2), (1, 1)])
def test_a_window_is_a_part_of_the_whole(size):
    """Against torch's own interpolation, enlarging and reducing."""
    x = torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    whole = F.interpolate(x, size=size, mode='bilinear', align_corners=False)
    torch.testing.assert_close(interpolate_window(x, size, Window(0, size[0], 0, size[1])), whole)
    top, left = size[0] // 3, size[1] // 2
    part = interpolate_window(x, size, Window(top, size[0], left, size[1]))
    torch.testing.assert_close(part, whole[..., top:, left:], rtol=1e-5, atol=1e-6)


def test_an_axis_can_be_written_in_place():
    x, out = torch.randn(4, 6), torch.empty(9, 6)
    interpolate_axis(x, 0, 9, out=out)
    torch.testing.assert_close(out, interpolate_axis(x, 0, 9))
    expected = F.interpolate(x.t()[None], size=9, mode='linear', align_corners=False)[0].t()
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-6)
