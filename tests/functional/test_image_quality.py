"""PSNR and SSIM against scikit-image on photographs; MS-SSIM against pytorch_msssim; GT-mean against its formula."""
import numpy as np
import pytest
import pytorch_msssim
import torch
from skimage import data, metrics
from skimage.filters import gaussian
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from isalux_mm.functional.image_quality import (
    MS_SSIM_MINIMUM,
    MS_SSIM_WEIGHTS,
    check_pair,
    gt_mean,
    ms_ssim,
    psnr,
    ssim,
)
from isalux_mm.io.images import read_image

PHOTOGRAPHS = ('astronaut', 'chelsea', 'coffee', 'rocket')
# the arguments under which scikit-image computes Wang et al.'s SSIM; its mean leaves out a border of 5 pixels, half the
# window (truncate=3.5 of sigma 1.5 makes it 11), and so covers just what 'valid' covers; channels are averaged
SKIMAGE_SSIM = dict(channel_axis=2, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)


def batch(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).permute(2, 0, 1)[None]


def photograph(name: str) -> np.ndarray:
    return getattr(data, name)() / 255


def distorted(image: np.ndarray, how: str) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 0.08, image.shape)
    return dict(
        dark=0.3 * image**1.5, noise=(image + noise).clip(0, 1), blur=gaussian(image, 2, channel_axis=2),
        negative=1 - image)[how]


@pytest.mark.parametrize('how', ['dark', 'noise', 'blur', 'negative'])
@pytest.mark.parametrize('name', PHOTOGRAPHS)
def test_agrees_with_scikit_image(name, how):
    gt = photograph(name)[:155, :201]
    pred = distorted(gt, how)
    expected_psnr = metrics.peak_signal_noise_ratio(gt, pred, data_range=1)
    expected_ssim = metrics.structural_similarity(gt, pred, **SKIMAGE_SSIM)
    for dtype, tolerance in ((np.float64, 1e-9), (np.float32, 1e-4)):
        pair = [batch(image.astype(dtype)) for image in (pred, gt)]
        assert psnr(*pair).item() == pytest.approx(expected_psnr, abs=tolerance)
        assert ssim(*pair).item() == pytest.approx(expected_ssim, abs=2e-5)  # pytorch_msssim's window is float32


@pytest.mark.parametrize('pred_file', ['low/{}.png', 'published_outputs/{}_retinexformer.png'])
@pytest.mark.parametrize('name', ['v2real_00733', 'v2synth_r13073518t'])
def test_agrees_with_scikit_image_on_real_pairs(shared_data, name, pred_file):
    root = shared_data / 'lol' / 'fullres_pairs'
    pred, gt = read_image(root / pred_file.format(name)), read_image(root / 'high' / f'{name}.png')
    pair = batch(pred), batch(gt)
    assert psnr(*pair).item() == pytest.approx(metrics.peak_signal_noise_ratio(gt, pred, data_range=1), abs=1e-4)
    assert ssim(*pair).item() == pytest.approx(metrics.structural_similarity(gt, pred, **SKIMAGE_SSIM), abs=1e-4)


def test_psnr_of_a_known_error():
    gt = torch.zeros(2, 3, 4, 5)
    pred = gt + torch.tensor([0.1, 0.01]).view(2, 1, 1, 1)
    torch.testing.assert_close(psnr(pred, gt), torch.tensor([20., 40.]))  # -10 log10(e^2)


@pytest.mark.parametrize('measure', [psnr, ssim])
def test_data_range_scales(measure):
    gt = batch(photograph('coffee')[:64, :64])
    pred = batch(distorted(photograph('coffee')[:64, :64], 'noise'))
    torch.testing.assert_close(measure(pred * 255, gt * 255, data_range=255), measure(pred, gt), rtol=1e-6, atol=1e-9)


def test_equal_images_are_perfect(picture):
    assert psnr(picture, picture).item() == float('inf')
    assert ssim(picture, picture).item() == pytest.approx(1)
    assert ms_ssim(picture, picture, auto_scales=True).item() == pytest.approx(1)


@pytest.mark.parametrize('measure', [psnr, ssim, ms_ssim])
def test_one_value_per_image(measure):
    image = photograph('coffee')[:180, :200]
    gt, *preds = (batch(x).float() for x in (image, distorted(image, 'dark'), distorted(image, 'noise')))
    together = measure(torch.cat(preds), gt.expand(2, -1, -1, -1))
    torch.testing.assert_close(together, torch.cat([measure(pred, gt) for pred in preds]))
    assert together[0] != together[1]


@pytest.mark.parametrize('size', [(10, 30), (30, 10)])
def test_ssim_needs_its_window(size):
    image = torch.rand(1, 3, *size)
    with pytest.raises(ValueError, match=r'at least 11x11 pixels, got \(\d0, \d0\)'):
        ssim(image, image)
    window = torch.rand(1, 3, 11, 11)
    assert ssim(window, window).item() == pytest.approx(1)


@pytest.mark.parametrize('how, tolerance', [('noise', 5e-4), ('blur', 5e-5), ('dark', 7e-3)])
def test_ms_ssim_is_close_to_pytorch_msssim(how, tolerance):
    """The rest is pytorch_msssim's power per channel instead of over all, which luminance errors show most."""
    gt = photograph('chelsea')[:192, :208].astype(np.float32)
    pair = batch(distorted(gt, how).astype(np.float32)), batch(gt)
    theirs = pytorch_msssim.ms_ssim(*pair, data_range=1)
    assert ms_ssim(*pair).item() == pytest.approx(theirs.item(), abs=tolerance)


@pytest.mark.parametrize('height, width', [(181, 200), (112, 112), (45, 63), (37, 53)])
def test_ms_ssim_is_that_of_torchmetrics(height, width):
    """In value and gradient; torchmetrics keeps the exponents in float32, hence the tolerance."""
    gt = batch(photograph('chelsea')[:height, :width]).double()
    noise = 0.1 * torch.randn(gt.shape, generator=torch.Generator().manual_seed(0), dtype=gt.dtype)
    scales = sum(min(height, width) >= minimum for minimum in MS_SSIM_MINIMUM)
    weights = tuple(weight / sum(MS_SSIM_WEIGHTS[:scales]) for weight in MS_SSIM_WEIGHTS[:scales])
    results = []
    for measure in (
            lambda x: ms_ssim(x, gt, auto_scales=True),
            lambda x: multiscale_structural_similarity_index_measure(
                x, gt, data_range=1.0, betas=weights, normalize='relu', reduction='none')):
        pred = (gt + noise).requires_grad_()
        value = measure(pred)
        results.append((value.view(1), torch.autograd.grad(value.sum(), pred)[0] * gt.numel()))
    for own, theirs in zip(*results):
        torch.testing.assert_close(own, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('scales', [1, 2, 3, 4, 5])
def test_shorter_pyramid_takes_the_scales_there_is_room_for(scales):
    """A luminance error alone: the contrast terms are near one, so the last weight shows how long the pyramid is."""
    side = MS_SSIM_MINIMUM[scales - 1]
    gt = torch.full((1, 3, side, side), 0.8)
    luminance = (2 * 0.2 * 0.8 + 1e-4) / (0.2**2 + 0.8**2 + 1e-4)  # Wang et al., 2003, Eq. 1 with C1 = 0.01^2
    weight = MS_SSIM_WEIGHTS[scales - 1] / sum(MS_SSIM_WEIGHTS[:scales])
    value = ms_ssim(gt / 4, gt, auto_scales=True)
    assert value.item() == pytest.approx(luminance**weight, abs=1e-3)


@pytest.mark.parametrize('auto_scales, side, minimum', [(False, 175, 176), (True, 10, 11)])
def test_ms_ssim_names_its_minimum(auto_scales, side, minimum):
    image = torch.rand(1, 3, side, 300)
    with pytest.raises(ValueError, match=rf'at least {minimum}x{minimum} pixels, got \({side}, 300\)'):
        ms_ssim(image, image, auto_scales=auto_scales)


def test_gt_mean_is_the_fields_formula():
    """As KinD's and HVI-CIDNet's scripts: clip(pred * mean(grey(gt)) / mean(grey(pred)), 0, 1)."""
    gt = photograph('coffee')[:101, :77]
    pred = distorted(gt, 'dark')
    gray = np.array([0.299, 0.587, 0.114])
    expected = (pred * ((gt @ gray).mean() / (pred @ gray).mean())).clip(0, 1)
    torch.testing.assert_close(gt_mean(batch(pred), batch(gt)), batch(expected))


def test_gt_mean_undoes_exposure_of_each_image_alone():
    gt = 0.9 * torch.rand(2, 3, 9, 7, dtype=torch.float64)
    torch.testing.assert_close(gt_mean(gt * torch.tensor([0.1, 0.5]).view(2, 1, 1, 1), gt), gt)


def test_gt_mean_clips_and_leaves_black_black():
    gt = torch.ones(1, 3, 4, 4)
    pred = torch.cat([torch.full((1, 3, 4, 2), 0.1), torch.full((1, 3, 4, 2), 0.4)], dim=3)
    scaled = gt_mean(pred, gt)  # factor 1 / 0.25
    torch.testing.assert_close(scaled[..., 0], torch.full((1, 3, 4), 0.4))
    assert scaled.max() == 1
    assert gt_mean(gt * 0, gt).abs().max() == 0


@pytest.mark.parametrize('pred, gt, error, message', [
    (torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 9), ValueError, r'share one shape, got \(1, 3, 8, 8\) and'),
    (torch.rand(3, 8, 8), torch.rand(3, 8, 8), ValueError, r'pred must have axes \(B 3 H W\), got shape \(3, 8, 8\)'),
    (torch.rand(1, 3, 8, 8), torch.rand(1, 1, 8, 8), ValueError, r'gt must have axes .* got shape \(1, 1, 8, 8\)'),
    (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.rand(1, 3, 8, 8), TypeError, 'pred must be floating point'),
])
def test_pairs_are_checked(pred, gt, error, message):
    for function in (check_pair, psnr, gt_mean):
        with pytest.raises(error, match=message):
            function(pred, gt)
