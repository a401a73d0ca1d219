"""Linear light and missing stops: against IEC's figures, numpy's form, and exposures that are known."""
import numpy as np
import pytest
import torch
from skimage import data

from isalux_mm.functional.development import linear_to_srgb, srgb_to_linear
from isalux_mm.functional.exposure import MOST_STOPS, expose, missing_stops, to_linear, to_srgb
from isalux_mm.functional.illumination import luma


@pytest.fixture(scope='module')
def photo() -> torch.Tensor:
    return torch.from_numpy(data.astronaut().copy()).permute(2, 0, 1)[None].double() / 255


def stops_of(count: float) -> torch.Tensor:
    return torch.full((1, 1, 1, 1), float(count), dtype=torch.float64)


def test_linear_light_is_srgbs():
    code = torch.tensor([0.0, 0.04, 0.0405, 0.2, 0.5, 1.0], dtype=torch.float64)
    # IEC 61966-2-1 by hand: below the knee a 12.92th, above ((x + .055) / 1.055)^2.4
    by_hand = [0.0, 0.04 / 12.92, (0.0955 / 1.055)**2.4, (0.255 / 1.055)**2.4, 0.21404114, 1.0]
    assert to_linear(code).tolist() == pytest.approx(by_hand, abs=1e-8)
    torch.testing.assert_close(to_srgb(to_linear(code)), code, atol=1e-6, rtol=0)
    every = np.linspace(0, 1, 1001, dtype=np.float32)
    np.testing.assert_allclose(to_linear(torch.from_numpy(every)), srgb_to_linear(every), atol=1e-6)
    np.testing.assert_allclose(to_srgb(torch.from_numpy(every)), linear_to_srgb(every), atol=1e-6)


@pytest.mark.parametrize('stops', [0.5, 1, 3, 6.3, 8])
def test_stops_taken_away_are_found_missing(photo, stops):
    target = luma(photo).mean().item()
    dark = expose(photo, stops_of(-stops))
    assert missing_stops(dark, target).item() == pytest.approx(stops, abs=0.1)
    torch.testing.assert_close(expose(dark, stops_of(stops)), photo, atol=1e-6, rtol=0)


def test_each_picture_of_a_batch_is_seen_alone(photo):
    dark = expose(photo, stops_of(-4))
    batch = missing_stops(torch.cat([photo, dark]), 0.4)
    assert batch.shape == (2, 1, 1, 1)
    torch.testing.assert_close(batch[1:], missing_stops(dark, 0.4))
    assert batch[0].item() == pytest.approx(missing_stops(photo, 0.4).item())


def test_bright_pictures_miss_nothing_and_black_ones_everything(photo):
    bright = torch.full((1, 3, 9, 9), 0.6)
    assert missing_stops(bright, 0.5).item() == 0
    assert missing_stops(torch.zeros(1, 3, 9, 9), 0.3).item() == MOST_STOPS
    assert expose(torch.zeros(1, 3, 2, 2), torch.full((1, 1, 1, 1), 12.0)).abs().max() == 0
    assert expose(bright, torch.full((1, 1, 1, 1), 12.0)).max().item() == pytest.approx(1, abs=1e-6)


def test_the_gradient_is_a_number_everywhere():
    image = torch.tensor([0.0, 1e-6, 0.04045, 0.5, 1.0]).view(1, 1, 1, 5).repeat(1, 3, 1, 1).requires_grad_()
    expose(image, missing_stops(image.detach(), 0.4)).sum().backward()
    assert image.grad.isfinite().all()
