"""The packaged prior: geometry of its network and map, any size, frozen, weights and licence in the package."""
import numpy as np
import pytest
import torch
from skimage import data
from torchvision.models import mobilenet_v2

from isalux_mm.functional.exposure import expose, missing_stops
from isalux_mm.functional.illumination import luma
from isalux_mm.inference.prepare import prepare_for_inference
from isalux_mm.models.deeplab import (
    PACKAGED,
    DarkAffine,
    DeepLabMobileNetV2,
    PackagedSemanticPrior,
    convolutions,
    run_layers,
)
from isalux_mm.registry import MODELS

MIB = 2**20


@pytest.fixture(scope='module')
def prior() -> PackagedSemanticPrior:
    built = MODELS.build(dict(type='PackagedSemanticPrior'))
    built.init_weights()
    return built


def label_at(prior: PackagedSemanticPrior, image: torch.Tensor, row: float, column: float) -> str:
    """Class at a place of the picture, as shares of its height and width."""
    found = prior(image)[0].argmax(0)
    return prior.classes[found[int(row * found.shape[0]), int(column * found.shape[1])]]


def photograph(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize(('width', 'weights'), [(1.0, 2_097_013), (0.5, 688_357)])  # of google-coral's TFLite files
def test_number_of_weights(width, weights):
    network = DeepLabMobileNetV2(width)
    assert sum(p.numel() for c in convolutions(network) for p in c.parameters()) == weights
    affine = sum(p.numel() for m in network.modules() if isinstance(m, DarkAffine) for p in m.parameters())
    assert affine == 2 * sum(c.out_channels for c in convolutions(network)[:-1])  # behind all but the classifier


def test_backbone_is_torchvisions_where_nothing_is_dilated():
    ours, theirs = DeepLabMobileNetV2(), mobilenet_v2()
    shapes = [m.weight.shape for m in convolutions(theirs.features[:-1])]
    assert [m.weight.shape for m in convolutions(ours.features)] == shapes
    assert [m.stride for m in convolutions(ours.features) if m.stride != (1, 1)] == [(2, 2)] * 4
    assert sum(m.dilation == (2, 2) for m in convolutions(ours)) == 3


def test_output_belongs_to_every_sixteenth_pixel():
    """Output (4, 7) of the layers up to stride 16 sees evenly around pixel (64, 112)."""
    layers = DeepLabMobileNetV2(0.5).features[:8].double()
    for convolution in convolutions(layers):
        torch.nn.init.constant_(convolution.weight, 1 / convolution.weight[0].numel())  # means
    image = torch.full((1, 3, 161, 193), 0.1, dtype=torch.float64, requires_grad=True)
    layers(image)[0, :, 4, 7].sum().backward()
    rows, columns = (torch.nonzero(image.grad[0, 0].sum(axis)).flatten() for axis in (1, 0))
    assert (rows[0] + rows[-1]).item() == 2 * 64 and (columns[0] + columns[-1]).item() == 2 * 112
    assert len(rows) == len(columns) == 75  # 1 + 2 (1 + 2 + 2 + 4 + 4 + 8 + 8 + 8), the strides ahead of eight 3x3s


@pytest.mark.parametrize('size', [(1, 1), (1, 40), (16, 17), (37, 53), (64, 300), (400, 600)])
def test_any_size(prior, size):
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    found = prior(image)
    height, width = prior.working_size(*size)
    assert height % 16 == width % 16 == 1 and min(height, width) <= 257
    assert found.shape == (2, 21, (height - 1) // 8, (width - 1) // 8)
    torch.testing.assert_close(found.sum(1), torch.ones(found[:, 0].shape))
    assert torch.equal(found, prior(image))


def test_map_lies_on_the_picture():
    """Logits that are linear in the place stay so at the centres of the cells, as of a picture resized to the map."""
    rows, columns = torch.meshgrid(torch.arange(5.), torch.arange(4.), indexing='ij')  # of 65 x 49 pixels
    known = torch.stack([16 * rows + 0.5, 16 * columns + 0.5])[None]  # middle of the pixels that they belong to
    prior = PackagedSemanticPrior()
    prior.network.forward = lambda image, darkness: known
    found = prior.logits(torch.rand(1, 3, 65, 49))[0]
    expected_rows, expected_columns = (torch.arange(0.5, n) * s / n for n, s in ((8, 65), (6, 49)))
    torch.testing.assert_close(found[0], expected_rows[:, None].expand(8, 6))
    torch.testing.assert_close(found[1], expected_columns.expand(8, 6))


def told(prior: PackagedSemanticPrior, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The image and the darkness that the prior's network gets."""
    seen = []
    prior.network.forward = lambda image, darkness: seen.append((image, darkness)) or torch.zeros(1, 21, 3, 3)
    prior.logits(image)
    return seen[0][0] * prior.std + prior.mean, seen[0][1]


def test_dark_pictures_are_exposed_bright_ones_stay():
    prior = PackagedSemanticPrior()
    image = 0.5 * torch.rand(1, 3, 33, 33, generator=torch.Generator().manual_seed(0)) + 0.1  # mean 0.35
    shown, darkness = told(prior, image)
    assert torch.equal(shown, (image - prior.mean) / prior.std * prior.std + prior.mean)
    assert darkness.shape == (1, 1, 1, 1) and darkness.item() == 0
    for stops in (1, 3, 7):
        dark = expose(image, torch.full((1, 1, 1, 1), -float(stops)))
        lacking = missing_stops(dark, 0.3).item()
        assert lacking == pytest.approx(stops - 0.4, abs=0.4)
        shown, darkness = told(prior, dark)
        torch.testing.assert_close(shown, expose(dark, torch.full((1, 1, 1, 1), lacking + min(lacking, 1))))
        assert darkness.item() == pytest.approx(min(lacking / 8, 1)**1.5, abs=1e-5)
        assert luma(shown).mean() > 0.35  # as bright as most photographs
    lamp = torch.zeros(1, 3, 33, 33)
    lamp[..., 0, 0] = 1
    shown, darkness = told(prior, lamp)
    assert shown.min() == pytest.approx(0, abs=1e-6) and shown.max() == pytest.approx(1, abs=1e-6)
    assert darkness.item() == 1


def test_without_a_least_luma_every_picture_is_a_bright_one():
    prior = PackagedSemanticPrior(least_luma=0)
    image = torch.rand(1, 3, 33, 33) / 50
    shown, darkness = told(prior, image)
    torch.testing.assert_close(shown, image)
    assert darkness is None
    with pytest.raises(ValueError, match=r'least_luma must be in \[0, 1\], got 35'):
        PackagedSemanticPrior(least_luma=35)


def test_affines_change_nothing_in_the_light():
    torch.manual_seed(0)
    network, image = DeepLabMobileNetV2(0.5).eval(), torch.rand(2, 3, 49, 33)
    with torch.no_grad():
        before = network(image)
        for module in network.modules():
            if isinstance(module, DarkAffine):
                torch.nn.init.normal_(module.scale, std=0.3)
                torch.nn.init.normal_(module.shift, std=0.3)
        darkness = torch.tensor([0.0, 0.7]).view(2, 1, 1, 1)
        after = network(image, darkness)
    torch.testing.assert_close(network(image), before)
    torch.testing.assert_close(after[0], before[0])
    assert (after[1] - before[1]).abs().max() > 0.1


def test_affine_by_hand():
    affine = DarkAffine(2)
    affine.scale.data[:, 0, 0] = torch.tensor([1.0, -0.5])
    affine.shift.data[:, 0, 0] = torch.tensor([0.2, 4.0])
    x, darkness = torch.full((1, 2, 1, 1), 3.0), torch.full((1, 1, 1, 1), 0.5)
    assert affine(x, darkness).flatten().tolist() == pytest.approx([3 * 1.5 + 0.1, 3 * 0.75 + 2.0])
    assert affine(x) is x


def test_layers_run_as_torchvisions():
    torch.manual_seed(0)
    layers, image = DeepLabMobileNetV2(0.5).features, torch.rand(1, 3, 33, 33)
    torch.testing.assert_close(run_layers(layers, image, None), layers(image))


def test_frozen_whatever_is_asked():
    prior = PackagedSemanticPrior().train()
    assert not any(m.training for m in prior.modules()) and not any(p.requires_grad for p in prior.parameters())
    image = torch.rand(1, 3, 33, 33, requires_grad=True)
    assert not prior(image).requires_grad
    prior.scores(image).sum().backward()  # the picture's gradient passes where it is asked for
    assert image.grad.abs().max() > 0 and all(p.grad is None for p in prior.parameters())


def test_names_what_it_sees(prior):
    assert label_at(prior, photograph(data.astronaut()), 0.4, 0.45) == 'person'
    assert label_at(prior, photograph(data.chelsea()), 0.5, 0.5) == 'cat'


def test_checkpoint_of_an_enhancer_holds_the_weights(prior):
    config = dict(type='ISALux', embed_dims=(8, ), depths=(1, ), num_heads=(1, ),
                  semantic_prior=dict(type='PackagedSemanticPrior'))
    network = MODELS.build(config)
    network.init_weights()
    again = MODELS.build(config)
    again.load_state_dict(network.state_dict())
    image = torch.rand(1, 3, 40, 56)
    torch.testing.assert_close(again.semantic_prior(image), prior(image))
    assert network(image).shape == image.shape


def test_strips_and_tiles_take_it_from_the_whole_picture():
    """The engine of inference, and a tile of the picture with what `whole` took from all of it."""
    torch.manual_seed(0)
    network = MODELS.build(dict(type='ISALux', embed_dims=(8, 12), depths=(1, 1), num_heads=(1, 2),
                                semantic_prior=dict(type='PackagedSemanticPrior'))).eval()
    network.init_weights()
    image = photograph(data.astronaut()[::4, ::3]) / 8
    with torch.no_grad():
        expected = network(image)
        torch.testing.assert_close(prepare_for_inference(network)(image), expected, rtol=1e-4, atol=1e-4)
        whole = network.whole(image)
        features = network.prior_features(image, whole)[0][1]
        part = image[..., 32:96, 64:128]
        there = network.prior_features(part, whole._replace(top=32, left=64))[0][1]
    inner = (..., slice(4, 60), slice(4, 60))
    torch.testing.assert_close(there[inner], features[..., 32:96, 64:128][inner], rtol=1e-4, atol=1e-5)


def test_package_holds_weights_and_license():
    notice = PACKAGED.with_name('semantic_prior.LICENSE.txt')
    assert PACKAGED.stat().st_size + notice.stat().st_size <= 8 * MIB
    text = notice.read_text()
    for part in ('Apache License, Version 2.0', 'google-coral', 'Changes'):
        assert part in text


def test_unknown_width():
    with pytest.raises(ValueError, match=r'width must be one of \[0.5, 1.0\], got 0.75'):
        DeepLabMobileNetV2(0.75)


@pytest.mark.parametrize(('options', 'message'), [
    (dict(force=0), 'force must be positive, got 0'),
    (dict(force=-1.5), 'force must be positive, got -1.5'),
    (dict(force=float('nan')), 'force must be positive, got nan'),
    (dict(force='1'), "force must be positive, got '1'"),
    (dict(short_side=2.5), 'short_side must be a whole number of 1 or more, got 2.5'),
    (dict(short_side='257'), "short_side must be a whole number of 1 or more, got '257'"),
])
def test_numbers_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        PackagedSemanticPrior(**options)
