"""`AffineNetwork`: a power law at the start, maps of colour that it learns, safeguards, any size."""
import pytest
import torch
import torch.nn.functional as F

from isalux_mm.functional.safeguards import SAFEGUARDS
from isalux_mm.inference.prepare import prepare_for_inference
from isalux_mm.inference.tiled import enhance_tiled
from isalux_mm.models.affine_network import AffineNetwork
from isalux_mm.models.isalux import gamma_brightened
from isalux_mm.models.statistics import weighing
from isalux_mm.registry import MODELS


def network(**options):
    """With maps that are not zero."""
    torch.manual_seed(0)
    found = AffineNetwork(8, 2, **options)
    torch.nn.init.normal_(found.to_maps.weight, std=0.1)
    return found.eval()


@pytest.fixture
def dark():
    torch.manual_seed(1)
    return 0.2 * torch.rand(2, 3, 37, 53)


def test_it_starts_as_a_power_law(dark):
    found = MODELS.build(dict(type='AffineNetwork'))
    torch.testing.assert_close(found(dark), gamma_brightened(dark))
    assert sum(p.numel() for p in found.parameters()) == 108_021  # 7*48*9+48 + 5 * (48*48*9+48) + 48*21+21


@pytest.mark.parametrize('size', [(1, 1), (2, 3), (37, 53), (64, 85)])
def test_any_size(size):
    found = network()(torch.rand(1, 3, *size))
    assert found.shape == (1, 3, *size) and found.isfinite().all()


def test_an_image_of_a_batch_is_as_alone(dark):
    found = network(safeguards=SAFEGUARDS)
    torch.testing.assert_close(found(dark)[1:], found(dark[1:]))


def test_it_learns_a_cast_by_place():
    """The left half redder: what no power law gives."""
    torch.manual_seed(0)
    found, low = AffineNetwork(8, 2), 0.2 * torch.rand(4, 3, 32, 32)
    wanted = gamma_brightened(low)
    wanted[:, 0, :, :16] *= 1.3
    optimizer = torch.optim.Adam(found.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        losses.append(F.l1_loss(found(low), wanted))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0] / 3


def test_safeguards_hold():
    found = network(safeguards=SAFEGUARDS)
    gray = (0.1 * torch.rand(1, 1, 37, 53)).expand(1, 3, -1, -1)
    out = found(gray)
    assert (out.amax(dim=1) - out.amin(dim=1)).max() < 1e-6
    assert torch.equal(found(torch.zeros(1, 3, 37, 53)), torch.zeros(1, 3, 37, 53))
    bright = 0.5 + 0.5 * torch.rand(1, 3, 37, 53)
    torch.testing.assert_close(found(bright), bright)


def test_tiles_agree_with_the_whole():
    torch.manual_seed(2)
    image, found = 0.2 * torch.rand(1, 3, 160, 200), prepare_for_inference(network())
    whole, tiled = found(image), enhance_tiled(found, image, tile=96)
    assert (whole - tiled).abs().mean() < 2e-3


def test_hidden_pixels_do_not_count():
    torch.manual_seed(3)
    found, image = network(), 0.2 * torch.rand(1, 3, 32, 32)
    visible = torch.ones(1, 1, 32, 32)
    visible[..., 16:] = 0
    other = image.clone()
    other[..., 16:] = 0.9
    with weighing(found, visible):
        a, b = found.whole(image), found.whole(other)
    assert torch.equal(a.exponent, b.exponent)
    assert not torch.equal(found.whole(image).exponent, found.whole(other).exponent)


@pytest.mark.parametrize(('options', 'message'), [
    (dict(channels=0), 'must be at least 1, got 0 and 4'), (dict(depth=0), 'must be at least 1, got 48 and 0'),
    (dict(safeguards=('green', )), 'safeguards')])
def test_wrong_use(options, message):
    with pytest.raises(ValueError, match=message):
        AffineNetwork(**options)
