"""Affine maps of colour in a bilateral grid: fitted, looked up, applied."""
import pytest
import torch

from isalux_mm.functional.bilateral_grid import COEFFICIENTS, LEVELS, change_of, fit_grid, gain_of, lightness, sliced


def scene(height: int = 64, width: int = 96) -> torch.Tensor:
    torch.manual_seed(0)
    return 0.02 + 0.3 * torch.rand(1, 3, height, width)


def carried(low: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    return low + change_of(low, sliced(grid, lightness(low)))


def test_an_affine_map_of_color_is_found():
    """Off the diagonal, too: what a gain of each channel cannot do."""
    matrix = torch.tensor([[1.8, 0.3, -0.1], [0.2, 1.5, 0.1], [-0.2, 0.4, 2.0]])
    low = scene()
    enhanced = torch.einsum('ij,bjhw->bihw', matrix, low) + torch.tensor([0.02, -0.01, 0.03]).view(3, 1, 1)
    grid = fit_grid(low, enhanced)
    assert grid.shape == (1, COEFFICIENTS, LEVELS, 8, 12)
    torch.testing.assert_close(carried(low, grid), enhanced, atol=5e-3, rtol=0)
    gain = gain_of(sliced(grid, lightness(low)))
    torch.testing.assert_close(gain.mean(), (matrix.diagonal().mean() - 1), atol=0.02, rtol=0)


def test_two_sides_of_an_edge_have_their_own_maps():
    """In one cell: dark is doubled, bright is left as it is."""
    low = scene() * 0.3
    low[..., 4::8] = 0.9
    enhanced = torch.where(low > 0.5, low, 2 * low)
    torch.testing.assert_close(carried(low, fit_grid(low, enhanced)), enhanced, atol=0.02, rtol=0)


def test_pixels_of_no_weight_tell_nothing():
    low = scene()
    enhanced, weights = 2 * low, torch.ones(1, 1, 64, 96)
    expected = carried(low, fit_grid(low, enhanced))
    enhanced[..., 48:], weights[..., 48:] = 0, 0
    torch.testing.assert_close(carried(low, fit_grid(low, enhanced, weights=weights)), expected, atol=5e-3, rtol=0)


@pytest.mark.parametrize('rows', [1, 7, 64])
def test_strips_have_the_maps_of_the_whole(rows):
    low = scene()
    grid, guide = fit_grid(low, low.sqrt()), lightness(low)
    strips = [sliced(grid, part, height=64, first=first)
              for first, part in zip(range(0, 64, rows), guide.split(rows, dim=2))]
    torch.testing.assert_close(torch.cat(strips, dim=2), sliced(grid, guide), atol=1e-5, rtol=1e-5)


def test_gradients_are_those_of_differences():
    low = scene(12, 12).double()
    enhanced = (2 * low + 0.1 * low**2).requires_grad_()
    assert torch.autograd.gradcheck(lambda y: carried(low, fit_grid(low, y, levels=3, cell=6)), enhanced, atol=1e-4)
