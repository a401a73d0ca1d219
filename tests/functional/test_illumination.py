"""Prior maps and pyramid against hand computations."""
import pytest
import torch

from isalux_mm.functional import illumination


@pytest.mark.parametrize('compute, expected', [
    (illumination.max_channel_prior, 1 - 0.8),
    (illumination.mean_channel_prior, 1 - (0.2 + 0.4 + 0.8) / 3),
    (illumination.luma_prior, 1 - (0.299 * 0.2 + 0.587 * 0.4 + 0.114 * 0.8)),
])
def test_prior_of_one_pixel(compute, expected):
    pixel = torch.tensor([0.2, 0.4, 0.8]).view(1, 3, 1, 1)
    torch.testing.assert_close(compute(pixel), torch.full((1, 1, 1, 1), expected))


def test_pyramid_is_means_of_cells_also_at_odd_sizes():
    prior = torch.arange(15.).view(1, 1, 3, 5)
    level = illumination.prior_pyramid(prior, 3)
    assert [tuple(x.shape[-2:]) for x in level] == [(3, 5), (2, 3), (1, 2)]
    # rows 0-4, 5-9, 10-14: the first cell is (0 + 1 + 5 + 6) / 4, the last the single value 14
    torch.testing.assert_close(level[1][0, 0], torch.tensor([[3., 5., 6.5], [10.5, 12.5, 14.]]))
    torch.testing.assert_close(level[2][0, 0], torch.tensor([[(3 + 5 + 10.5 + 12.5) / 4, (6.5 + 14) / 2]]))


def test_pyramid_of_one_pixel():
    assert [x.shape[-2:] for x in illumination.prior_pyramid(torch.ones(1, 1, 1, 1), 3)] == [(1, 1)] * 3
