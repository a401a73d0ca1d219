"""The tone: checked when it is made, and applied as the pure functions are."""
from dataclasses import FrozenInstanceError

import pytest
import torch

from isalux_mm.apis import Tone
from isalux_mm.functional.illumination import luma
from isalux_mm.functional.tone import white_level, with_soft_highlights


@pytest.mark.parametrize(('options', 'message'), [
    (dict(strength=1.1), r'strength must be in \[0, 1\], got 1.1'),
    (dict(strength=float('nan')), 'strength must be in'),
    (dict(reference_brightness=1), r'reference_brightness must be in \(0, 1\), got 1'),
    (dict(reference_brightness=0.0), r'reference_brightness must be in \(0, 1\), got 0'),
    (dict(highlights='hard'), "highlights must be one of .* got 'hard'"),
])
def test_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        Tone(**options)


def test_it_cannot_be_changed_past_its_check():
    with pytest.raises(FrozenInstanceError):
        Tone().strength = 2


def test_what_it_does(picture):
    enhanced = 3 * picture
    soft = with_soft_highlights(enhanced, picture)
    assert torch.equal(Tone().apply(enhanced, picture), soft)
    assert torch.equal(Tone(highlights='clip').apply(enhanced, picture), enhanced.clamp(0, 1))
    torch.testing.assert_close(Tone(0.25).apply(enhanced, picture), 0.75 * picture + 0.25 * soft)
    torch.testing.assert_close(Tone(0).apply(enhanced, picture), picture)
    assert luma(Tone(0.5, 0.4).apply(enhanced, picture)).mean() == pytest.approx(0.4, abs=1e-3)


def test_the_halves_make_the_whole_and_white_may_be_told(picture):
    enhanced, tone = 3 * picture, Tone(0.5, 0.4)
    assert torch.equal(tone.mixed(tone.within_white(enhanced, picture), picture), tone.apply(enhanced, picture))
    white = white_level(enhanced) + 1
    assert torch.equal(tone.within_white(enhanced, picture, white=white),
                       with_soft_highlights(enhanced, picture, white=white))


def test_a_large_picture_is_worked_in_blocks_of_rows(monkeypatch):
    """In little memory, with one white level and one mean for all."""
    torch.manual_seed(0)
    enhanced, low = torch.rand(1, 3, 37, 53) * 1.7, torch.rand(1, 3, 37, 53) * 0.2
    tones = [Tone(), Tone(0.4, 0.6), Tone(highlights='clip')]
    expected = [tone.apply(enhanced, low) for tone in tones]
    monkeypatch.setattr('isalux_mm.apis.tone.BLOCK', 5 * 53)
    for tone, whole in zip(tones, expected):
        torch.testing.assert_close(tone.apply(enhanced, low), whole, atol=0, rtol=0)


@pytest.mark.parametrize('highlights', ['soft', 'clip'])
@pytest.mark.parametrize('strength', [0.5, 1])
def test_in_the_memory_of_the_result_it_is_the_same(picture, monkeypatch, highlights, strength):
    monkeypatch.setattr('isalux_mm.apis.tone.MANY_PIXELS', 1)  # as of a large picture
    enhanced, low = (3 * x.expand(2, 3, -1, -1) for x in (picture, picture / 3))
    enhanced = torch.cat([enhanced[:1], 0.2 * enhanced[1:]])  # each with a white of its own
    tone, memory = Tone(strength, highlights=highlights), enhanced.clone()
    expected = tone.apply(enhanced, low)
    got = tone.apply(memory, low, in_place=True)
    assert got.data_ptr() == memory.data_ptr()
    torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)
