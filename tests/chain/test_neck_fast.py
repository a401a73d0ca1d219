"""The neck in fast mode: alone or in a batch, frozen or in training, with the fade, and what stays as it is."""
import pytest
import torch
from mmengine.model import BaseModule

from isalux_mm.chain.neck import ISALuxNeck
from isalux_mm.functional.safeguards import darkness_confidence
from isalux_mm.inference.fast import FastNetwork
from isalux_mm.models.baselines import GammaCurve
from isalux_mm.registry import MODELS

AFFINE = dict(type='AffineNetwork', channels=4, depth=1)
CURVES = dict(type='CurveNetwork', channels=4, iterations=2)
ISALUX = dict(type='ISALux', embed_dims=(8, 16), depths=(1, 1), num_heads=(1, 2), semantic_prior=dict(type='NoPrior'))
SIZES = [(137, 153), (124, 161), (137, 153)]


class Halving(BaseModule):

    def forward(self, image):
        return image[:, :, ::2]


class Watched(BaseModule):
    """A power law, and a record of what was seen."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, image):
        self.seen.append(tuple(image.shape))
        return image.clamp_min(1e-4)**0.5


@pytest.fixture(scope='module', autouse=True)
def _networks():
    for network in (Halving, Watched):
        MODELS.register_module(module=network)


@pytest.fixture
def dark():
    torch.manual_seed(0)
    return 0.15 * torch.rand(1, 3, 137, 153)


@pytest.mark.parametrize('network', [ISALUX, CURVES, AFFINE], ids=['isalux', 'curves', 'affine'])
def test_every_image_gets_the_result_that_it_has_alone(network):
    torch.manual_seed(0)
    neck = ISALuxNeck(network, mode='fast', fade=None).eval()
    images = [torch.rand(3, h, w) * 0.3 for h, w in SIZES]
    batch = torch.full((3, 3, 144, 176), 0.9)  # loud padding: any leak shows
    for place, image in zip(batch, images):
        place[:, :image.shape[1], :image.shape[2]] = image
    with torch.no_grad():
        for out, image, (h, w) in zip(neck(batch, SIZES), images, SIZES):
            torch.testing.assert_close(out[:, :h, :w], neck(image[None])[0], atol=1e-5, rtol=1e-4)
            assert (out[:, h:] == 0).all() and (out[:, :, w:] == 0).all()


@pytest.mark.parametrize(('given', 'seen'), [(None, (64, 71)), (32, (32, 36))])
def test_the_network_sees_a_small_copy(dark, given, seen):
    neck = ISALuxNeck(dict(type='Watched'), mode='fast', work_short_side=given, fade=None)
    assert neck(dark).shape == dark.shape and neck.network.seen == [(1, 3, *seen)]


def test_it_is_fast_mode_of_photographs(dark):
    neck = ISALuxNeck(dict(type='GammaCurve', gamma=0.5), mode='fast', frozen=True, fade=None)
    torch.testing.assert_close(neck(dark), FastNetwork(GammaCurve(0.5))(dark))


def test_what_changes_nothing_changes_nothing(dark):
    assert torch.equal(ISALuxNeck(dict(type='Identity'), mode='fast', fade=None)(dark), dark)


def test_a_bright_picture_passes_bit_for_bit_and_costs_nothing(dark):
    neck = ISALuxNeck(dict(type='Watched'), mode='fast', frozen=True)
    bright = (dark * 6).clamp(0, 1)
    assert torch.equal(neck(bright), bright) and neck.network.seen == []


def test_between_dark_and_bright_it_gets_a_share(dark):
    image = dark * 3.2
    low, high = 0.5 * needed_light(image), 1.5 * needed_light(image)
    whole, some = (ISALuxNeck(dict(type='GammaCurve'), mode='fast', frozen=True, fade=fade)(image)
                   for fade in (None, (low, high)))
    share = darkness_confidence(image, (low, high))
    assert 0.1 < share.item() < 0.9
    torch.testing.assert_close(some, image + share * (whole - image))


def needed_light(image):
    from isalux_mm.functional.safeguards import light
    return light(image).item()


def test_gradients_pass_to_network_and_picture(dark):
    image = dark.clone().requires_grad_()
    neck = ISALuxNeck(CURVES, mode='fast', fade=None)
    neck(image).square().sum().backward()
    assert neck.network.down[0].weight.grad.abs().sum() > 0 and image.grad.abs().sum() > 0


def test_frozen_means_no_gradient_no_graph(dark):
    neck = ISALuxNeck(CURVES, mode='fast', frozen=True).train()
    assert not neck(dark.clone().requires_grad_()).requires_grad and not neck.training


def test_with_gradients_the_result_is_the_same(dark):
    """Noise is removed by other operators where nothing is differentiated."""
    neck = ISALuxNeck(dict(type='GammaCurve'), mode='fast', fade=None)
    with torch.no_grad():
        quick = neck(dark)
    torch.testing.assert_close(neck(dark.clone().requires_grad_()).detach(), quick, atol=2e-5, rtol=1e-4)


def test_clamping_is_an_option(dark):
    for clamp, beyond in ((False, True), (True, False)):
        neck = ISALuxNeck(dict(type='GammaCurve', gamma=0.01), mode='fast', clamp_output=clamp, fade=None)
        assert ((neck(dark) > 1).any().item()) == beyond or not clamp
        assert not clamp or neck(dark).amax() <= 1


@pytest.mark.parametrize(('options', 'message'), [
    (dict(network=dict(type='Identity'), mode='quick'), 'mode'),
    (dict(network=dict(type='Identity'), mode='fast', work_short_side=0), 'work_short_side must be at least 1'),
])
def test_wrong_use(options, message):
    with pytest.raises(ValueError, match=message):
        ISALuxNeck(**options)


def test_a_network_that_changes_the_size_is_an_error(dark):
    with pytest.raises(ValueError, match='keep the size: .* went in, .* came out of Halving'):
        ISALuxNeck(dict(type='Halving'), mode='fast', fade=None)(dark)
