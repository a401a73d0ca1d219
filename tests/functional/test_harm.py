"""Pictures that are to be left alone, and what is measured on them, by hand."""
import pytest
import torch

from isalux_mm.functional.development import linear_to_srgb, srgb_to_linear
from isalux_mm.functional.harm import (
    channel_spread,
    chroma_factor,
    constants,
    distance_from_center,
    expose,
    exposure_gains,
    glow,
    lamp,
    mean_chroma,
    ramps,
)


def flat(*values):
    return torch.tensor(values).view(1, 3, 1, 1).expand(1, 3, 4, 6).contiguous()


def test_chroma_factor_by_hand():
    # Y = .587 .4 + .413 .2 = .3174; Cb = .564 (.2 - Y), Cr = .713 (.2 - Y): length .10673
    green = flat(0.2, 0.4, 0.2)
    assert mean_chroma(green).item() == pytest.approx(0.1174 * (0.564**2 + 0.713**2)**0.5, rel=1e-5)
    # half the distance from the same grey: half the chroma, mean luma as it was
    dull = 0.3174 + (green - 0.3174) / 2
    assert chroma_factor(dull, green).item() == pytest.approx(2, rel=1e-5)
    # GT-mean takes brightness out first: the same picture at half its brightness has the right colour
    assert chroma_factor(green / 2, green).item() == pytest.approx(1, rel=1e-5)
    assert mean_chroma(flat(0.3, 0.3, 0.3)).item() < 1e-7


def test_exposure_is_a_gain_in_linear_light_rounded_to_levels():
    image = torch.rand(1, 3, 5, 7, dtype=torch.float64)
    expected = linear_to_srgb(srgb_to_linear(image.numpy()) / 8)
    assert (expose(image, 1 / 8, levels=None) - torch.from_numpy(expected)).abs().max() < 1e-6
    assert (expose(image, 1 / 8) * 255).round().allclose(torch.from_numpy(expected * 255).round())
    assert expose(flat(1.0, 1.0, 1.0), 4).max() == 1
    assert expose(flat(0.2, 0.4, 0.6), 1, levels=None).flatten(2)[0, :, 0].tolist() == pytest.approx([0.2, 0.4, 0.6])


def test_gains_lie_evenly_in_stops():
    gains = exposure_gains()
    assert len(gains) == 10 and gains[0] == 1 and gains[-1] == pytest.approx(1 / 128)
    assert gains[3] == pytest.approx(128**(-1 / 3))


def test_cards():
    assert constants(3, 4).mean(dim=(1, 2, 3)).tolist() == [0, 0.5, 1]
    ramp = ramps(5, (1.0, 0.2))
    assert ramp.shape == (2, 3, 5, 5)
    assert ramp[1, 2, 3].tolist() == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])
    picture = lamp(64, 8)
    assert set(picture.unique().tolist()) == {0, 1}
    assert picture[0, 0].sum().item() == pytest.approx(3.1416 * 64, rel=0.05)


def test_glow_counts_beyond_the_distance_alone():
    distance = distance_from_center(96)
    near, far = (distance <= 8 + 16), (distance > 8 + 16)
    assert glow(near.float().expand(1, 3, -1, -1)).item() == 0
    assert glow((0.2 * far).expand(1, 3, -1, -1)).item() == pytest.approx(0.2)


def test_channel_spread():
    image = torch.full((2, 3, 3, 3), 0.5)
    image[1, 2, 1, 1] = 0.8
    assert channel_spread(image).tolist() == pytest.approx([0, 0.3])
