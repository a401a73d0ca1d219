"""Noise measured, and removed where its level is known."""
import pytest
import torch

from isalux_mm.functional.noise_removal import (
    CALM,
    FEWEST,
    _by_level,
    colors,
    differences,
    noise_at,
    noise_levels,
    removed,
)


@pytest.mark.parametrize('deviation', [0.004, 0.02])
def test_the_noise_of_a_flat_picture_is_measured(deviation):
    """Independent in R, G and B, the luma's is 0.669 of each channel's; the calmest quarter lies a tenth lower."""
    torch.manual_seed(0)
    image = 0.3 + deviation * torch.randn(1, 3, 320, 320)
    assert noise_levels([image], 8).allclose(torch.tensor(0.669 * deviation), rtol=0.15)


def test_each_lightness_has_its_own_noise():
    torch.manual_seed(0)
    image = torch.full((1, 3, 200, 400), 0.02)
    image[..., 200:] = 0.6
    image += torch.randn(image.shape) * torch.where(image > 0.1, 0.02, 0.002)
    levels = noise_levels([image], 8)[0]
    assert levels[0] < 0.002 < 0.01 < levels[-1]
    assert levels[-1] == levels[-2], 'a lightness that does not occur has its neighbour\'s'


def test_a_picture_too_small_to_tell_has_none():
    assert not noise_levels([torch.rand(2, 3, 5, 300)], 8).any()


def _plain_levels(deviation, level, levels):
    """The same in plain words: by level the calmest quarter of its blocks; a rare one has what the nearest has."""
    found = {}
    for k in range(levels):
        own = sorted(d for d, at in zip(deviation, level) if at == k)
        if len(own) >= FEWEST:
            found[k] = own[int(CALM * len(own))]
    if not found:
        return [0.0] * levels
    return [found[min(found, key=lambda at: (abs(k - at), at))] for k in range(levels)]


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('size', [(10, 42), (42, 90), (90, 202)], ids=['of 5', 'of 55', 'of 275 blocks'])
def test_levels_are_those_of_the_plain_rule(monkeypatch, seed, size):
    blocks = {}
    monkeypatch.setattr('isalux_mm.functional.noise_removal._by_level',
                        lambda *found: blocks.update(zip(('deviation', 'level', 'levels'), found)) or _by_level(*found))
    torch.manual_seed(seed)
    image = torch.rand(2, 1, *size).expand(2, 3, *size) * torch.linspace(0, 1, size[1])**2
    for found, deviation, level in zip(noise_levels([image], 8), blocks['deviation'], blocks['level']):
        assert found.tolist() == _plain_levels(deviation.tolist(), level.tolist(), 8)


def test_between_two_levels_noise_is_interpolated():
    found = noise_at(torch.tensor([[0.0, 1.0, 3.0]]), torch.tensor([[[[0.0, 0.25, 0.5, 0.75, 1.0, 1.5]]]]))
    assert found.flatten().tolist() == [0.0, 0.5, 1.0, 2.0, 3.0, 3.0]


def test_color_differences_and_back():
    torch.manual_seed(0)
    image = torch.rand(2, 3, 16, 24)
    torch.testing.assert_close(colors(differences(image)), image)


@pytest.mark.parametrize('deviation', [0.0, 0.05, 10.0])
def test_what_is_removed_is_gray_where_the_picture_is(deviation):
    torch.manual_seed(0)
    image = torch.rand(1, 1, 64, 64).expand(1, 3, -1, -1)
    noise = removed(image, torch.full((1, 1, 64, 64), deviation))
    assert (noise.amax(dim=1) - noise.amin(dim=1)).max() < 1e-6
    assert bool(noise.any()) is (deviation > 0)


def test_under_noise_without_bound_the_top_of_the_pyramid_is_left():
    torch.manual_seed(0)
    image = torch.rand(1, 3, 64, 64)
    left = image - removed(image, torch.full((1, 1, 64, 64), 10.0))
    torch.testing.assert_close(left.mean(dim=(2, 3)), image.mean(dim=(2, 3)), atol=5e-3, rtol=0)
    assert left.std() < 0.15 * image.std()
