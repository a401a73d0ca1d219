"""Strength and brightness of results."""
import pytest
import torch

from isalux_mm.functional.illumination import luma
from isalux_mm.functional.tone import blended, with_mean_luma, with_soft_highlights


def test_blending_by_hand(picture):
    enhanced = picture**0.5
    torch.testing.assert_close(blended(picture, enhanced, 0), picture)
    assert blended(picture, enhanced, 1) is enhanced
    torch.testing.assert_close(blended(picture, enhanced, 0.25), 0.75 * picture + 0.25 * enhanced)


@pytest.mark.parametrize('target', [0.15, 0.4, 0.7])
def test_the_mean_luma_is_reached_for_each_image(picture, target):
    images = torch.cat([picture, picture * 0.1, (picture * 0.1 * 255).round() / 255])
    result = with_mean_luma(images, target)
    torch.testing.assert_close(luma(result).mean(dim=(1, 2, 3)), torch.full((3, ), target), atol=1e-3, rtol=0)


def test_black_white_and_order_stay(picture):
    picture[0, :, 0, 0], picture[0, :, 0, 1] = 0, 1
    result = with_mean_luma(picture, 0.7)
    assert result[0, :, 0, 0].tolist() == [0, 0, 0] and result[0, :, 0, 1].tolist() == [1, 1, 1]
    order = picture.flatten().argsort()
    assert (result.flatten()[order].diff() >= -1e-6).all()  # to rounding


def test_a_flat_gray_has_its_exponent_in_closed_form():
    result = with_mean_luma(torch.full((1, 3, 37, 53), 0.25), 0.5)  # 0.25^0.5
    torch.testing.assert_close(result, torch.full((1, 3, 37, 53), 0.5), atol=1e-4, rtol=0)


def test_black_stays_black():
    assert with_mean_luma(torch.zeros(1, 3, 4, 5), 0.5).max() < 0.4  # the exponent is bounded
    assert with_mean_luma(torch.zeros(1, 3, 4, 5), 0.5).isfinite().all()


@pytest.mark.parametrize('call', [
    lambda x: blended(x, x, 1.5), lambda x: with_mean_luma(x, 0.0), lambda x: with_mean_luma(x, 1.0)])
def test_out_of_range(picture, call):
    with pytest.raises(ValueError, match=r'must be in .*, got'):
        call(picture)


def test_soft_highlights_by_hand():
    """Knee 0.5, peak 1.5: T = 2; 1.0 has t = 1 and becomes 0.5 + 0.5 * 1 (1 + 1/4) / 2 = 0.8125; channels at or below
    the knee go a quarter of the way from themselves to themselves times 0.8125."""
    enhanced = torch.tensor([[1.5, 1.5, 1.5], [1.0, 0.5, 0.1], [0.5, 0.3, -0.1]]).T[None, :, None]  # 3 pixels
    result = with_soft_highlights(enhanced, torch.zeros(1, 3, 1, 3), knee=0.5)[0, :, 0].T
    torch.testing.assert_close(result[0], torch.ones(3))
    torch.testing.assert_close(result[1], torch.tensor([0.8125, 0.4765625, 0.0953125]))
    torch.testing.assert_close(result[2], torch.tensor([0.5, 0.3, 0.0]))


def test_images_within_white_stay(picture):
    torch.testing.assert_close(with_soft_highlights(picture, picture * 0.5), picture)


def test_highlights_keep_their_order_and_the_images_their_own_peaks(picture):
    images = torch.cat([picture * 1.7, picture])
    result = with_soft_highlights(images, torch.zeros_like(images))
    assert result.max() <= 1 and result.min() >= 0
    torch.testing.assert_close(result[1:], picture)
    order = images[0].amax(dim=0).flatten().argsort()
    assert (result[0].amax(dim=0).flatten()[order].diff() >= -1e-6).all()
    assert (result[0] == 1).float().mean() < 0.01 < (images[0] >= 1).float().mean()
    with pytest.raises(ValueError, match='knee must be in'):
        with_soft_highlights(picture, picture, knee=1.0)


def test_a_lamp_stays_white_beside_what_is_lifted_further():
    enhanced = torch.tensor([1.1, 1.5]).expand(1, 3, 1, 2)
    image = torch.tensor([1.0, 0.6]).expand(1, 3, 1, 2)
    assert with_soft_highlights(enhanced, image)[0, 0, 0].tolist() == [1, 1]
