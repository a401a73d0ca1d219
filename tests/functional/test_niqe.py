"""NIQE against figures of mmagic 1.2.0, and its behaviour."""
import math

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from skimage.filters import gaussian

from isalux_mm.functional.niqe import halve_bicubic, niqe


def load(name: str) -> torch.Tensor:
    array = data.stereo_motorcycle()[0] if name == 'motorcycle' else getattr(data, name)()
    return torch.from_numpy(array.copy()).permute(2, 0, 1)[None] / 255


# Figures of mmagic 1.2.0's niqe_core on scikit-image's photographs: luma by mmcv.bgr2ycbcr(y_only=True), rounded, given
# in float64. `resized` is with its MATLABLikeResize as shipped (in float32), `exact` with the same in float64,
# `shipped` is its function niqe(image, crop_border=0, convert_to='y') as it stands, all in float32.
@pytest.mark.parametrize('name, exact, resized, shipped', [
    ('coffee', 4.115331588269, 4.115331477, 4.115244),
    ('chelsea', 2.625526679827, 2.625526559, 2.625527),
    ('rocket', 6.970949396702, 6.970949358, 6.969171),
])
def test_figures_of_mmagic(name, exact, resized, shipped):
    value = niqe(load(name)).item()
    assert value == pytest.approx(exact, abs=1e-9)
    assert value == pytest.approx(resized, abs=2e-7)
    assert value == pytest.approx(shipped, abs=2e-3)


@pytest.mark.parametrize('name, resized, shipped', [
    ('astronaut', 3.100446900, 3.076923),
    ('motorcycle', 2.672373547, 2.672488),
    ('retina', 6.270503200, 6.291033),  # blocks wholly black: their shape is the first of the table, as in MATLAB
])
def test_figures_of_mmagic_with_flat_regions(name, resized, shipped):
    """Where the picture is perfectly flat the features are rounding noise, so fewer digits agree."""
    value = niqe(load(name)).item()
    assert value == pytest.approx(resized, abs=1.5e-3)
    assert value == pytest.approx(shipped, abs=0.03)


def test_remainder_at_right_and_bottom_is_cropped():
    image = load('chelsea')
    whole = niqe(image[..., :288, :384])
    assert niqe(image[..., :300, :451]).item() == whole.item() != niqe(image[..., 5:293, :384]).item()


def test_one_value_per_image():
    image = load('coffee')[..., :192, :288]
    pair = torch.cat([image, image.flip(3)])
    together = niqe(pair)
    assert together.shape == (2, ) and together.dtype == torch.float64
    assert together.tolist() == [niqe(image).item(), niqe(image.flip(3)).item()]


def test_noise_and_blur_are_worse():
    image = load('chelsea')
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 1, image.shape)).float()
    blurred = torch.from_numpy(gaussian(image[0].numpy(), 2, channel_axis=0))[None]
    clean, noisy, noisier, soft = (
        niqe(x.clamp(0, 1)).item() for x in (image, image + 0.05 * noise, image + 0.2 * noise, blurred))
    assert clean < noisy < noisier
    assert clean < soft


@pytest.mark.parametrize('size', [(96, 191), (191, 96), (95, 960)])
def test_needs_two_blocks(size):
    with pytest.raises(ValueError, match=rf'two blocks of 96x96 pixels for NIQE, got size \({size[0]}, {size[1]}\)'):
        niqe(torch.rand(1, 3, *size))


def test_two_blocks_suffice():
    assert math.isfinite(niqe(load('coffee')[..., 100:196, 100:292]).item())


@pytest.mark.parametrize('image', [torch.zeros(1, 3, 192, 192), torch.ones(1, 3, 192, 192)])
def test_without_texture_there_is_no_value(image):
    assert math.isnan(niqe(image).item())


@pytest.mark.parametrize('image, error, message', [
    (torch.rand(3, 192, 192), ValueError, r'image must have axes \(B 3 H W\), got shape \(3, 192, 192\)'),
    (torch.zeros(1, 3, 192, 192, dtype=torch.uint8), TypeError, 'image must be floating point'),
    (torch.full((1, 3, 192, 192), math.nan), ValueError, 'image must be finite, got 110592 NaN'),
])
def test_input_is_checked(image, error, message):
    with pytest.raises(error, match=message):
        niqe(image)


def test_halving_is_pillows_bicubic_inside():
    """Pillow's antialiased bicubic has the same kernel; at borders it renormalizes instead of mirroring."""
    image = np.random.default_rng(0).uniform(0, 255, (48, 64))
    expected = np.asarray(Image.fromarray(image.astype(np.float32)).resize((32, 24), Image.Resampling.BICUBIC))
    halved = halve_bicubic(image)
    assert halved.shape == (24, 32)
    np.testing.assert_allclose(halved[2:-2, 2:-2], expected[2:-2, 2:-2], atol=1e-3)
    assert np.abs(halved - expected).max() > 1


def test_halving_mirrors_the_border():
    image = np.random.default_rng(0).uniform(0, 255, (16, 12))
    mirrored = np.block([[image[::-1, ::-1], image[::-1]], [image[:, ::-1], image]])
    np.testing.assert_allclose(halve_bicubic(mirrored)[8:, 6:], halve_bicubic(image), rtol=1e-12)
