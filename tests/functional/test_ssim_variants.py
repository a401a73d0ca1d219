"""SSIM's variants against scikit-image, and the tensor form."""
import cv2
import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from isalux_mm.functional import image_quality
from isalux_mm.functional.gt_means import round_to_8_bit
from isalux_mm.functional.ssim_variants import ssim_8_bit, ssim_float, ssim_gray, ssim_uniform

GAUSSIAN = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False)  # as its docs give Wang et al.'s


def pair(seed: int = 0, size: tuple[int, int] = (37, 53)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    gt = cv2.GaussianBlur(rng.uniform(size=(*size, 3)), (0, 0), 2)
    return np.clip(0.8 * gt + 0.05 * rng.standard_normal(gt.shape), 0, 1), gt


@pytest.mark.parametrize('seed', range(3))
def test_they_are_scikit_images(seed):
    pred, gt = pair(seed)
    rounded = [round_to_8_bit(x) for x in (pred, gt)]
    grays = [cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in rounded]
    expected = {
        ssim_float: structural_similarity(pred, gt, data_range=1, channel_axis=2, **GAUSSIAN),
        ssim_8_bit: structural_similarity(*rounded, data_range=255, channel_axis=2, **GAUSSIAN),
        ssim_gray: structural_similarity(*grays, data_range=255, **GAUSSIAN),
        ssim_uniform: structural_similarity(pred, gt, data_range=1, channel_axis=2)}
    values = {function: function(pred, gt) for function in expected}
    assert values == pytest.approx(expected, abs=1e-9)
    assert len(set(values.values())) == 4  # four measures, not one by four names


def test_the_tensor_form_differs_by_its_window_in_float32():
    pred, gt = pair()
    tensors = (torch.from_numpy(x).permute(2, 0, 1)[None] for x in (pred, gt))
    assert ssim_float(pred, gt) == pytest.approx(image_quality.ssim(*tensors).item(), abs=1e-5)


@pytest.mark.parametrize('function', [ssim_float, ssim_8_bit, ssim_gray, ssim_uniform])
def test_equal_pictures(function):
    assert function(*[pair()[1]] * 2) == pytest.approx(1, abs=1e-12)


def test_too_small():
    with pytest.raises(ValueError, match='SSIM needs pictures of at least 11x11 pixels, got 12x10'):
        ssim_float(*pair(size=(10, 12)))
