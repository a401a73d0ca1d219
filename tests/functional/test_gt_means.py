"""GT-means: by hand, and against OpenCV and the tensor form."""
import cv2
import numpy as np
import pytest
import torch

from isalux_mm.functional.gt_means import GT_MEANS, round_to_8_bit, scale_to_mean
from isalux_mm.functional.image_quality import gt_mean

# one colour each, levels of 255
RESULT, REFERENCE = (50, 100, 200), (100, 150, 40)
# grey: 14.95 + 58.7 + 22.8 and 29.9 + 88.05 + 4.56; weights turned round: 5.7 + 58.7 + 59.8 and 11.4 + 88.05 + 11.96
RATIOS = dict(gray=122.51 / 96.45, bgr=111.41 / 124.2, channels=290 / 350)
RATIOS['8bit'] = 123 / 96  # both greys rounded


def flat(levels, size=(5, 7)) -> np.ndarray:
    return np.broadcast_to(np.array(levels) / 255, (*size, 3)).copy()


def pair(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    gt = rng.uniform(size=(13, 17, 3))
    return np.clip(0.4 * gt + 0.05 * rng.uniform(size=gt.shape), 0, 1), gt


@pytest.mark.parametrize('name', GT_MEANS)
def test_by_hand(name):
    scaled = scale_to_mean(flat(RESULT), flat(REFERENCE), name, clip=False)
    np.testing.assert_allclose(scaled * 255, flat(RESULT) * RATIOS[name] * 255, atol=1e-9)


def test_clipping_is_an_option():
    """200 * 123 / 96 = 256.25 is beyond white."""
    pictures = flat(RESULT), flat(REFERENCE)
    assert scale_to_mean(*pictures, '8bit').max() == 1
    assert scale_to_mean(*pictures, '8bit', clip=False).max() * 255 == pytest.approx(256.25)


def test_the_default_is_the_tensor_form():
    pred, gt = pair()
    expected = gt_mean(*(torch.from_numpy(x).permute(2, 0, 1)[None] for x in (pred, gt)))[0].permute(1, 2, 0)
    np.testing.assert_allclose(scale_to_mean(pred, gt), expected, atol=1e-12)


def test_turned_round_is_what_opencv_makes_of_rgb_taken_for_bgr():
    """As Retinexformer's and GLARE's code calls it, in float32 as there."""
    pred, gt = pair()
    ratio = np.divide(*(cv2.cvtColor(x.astype(np.float32), cv2.COLOR_BGR2GRAY).mean() for x in (gt, pred)))
    np.testing.assert_allclose(scale_to_mean(pred, gt, 'bgr'), np.clip(pred * ratio, 0, 1), atol=1e-6)


def test_rounded_grays_are_opencvs():
    """As HVI-CIDNet's measure.py: pictures of 8 bits, float products."""
    pred, gt = pair()
    own, other = round_to_8_bit(pred), round_to_8_bit(gt)
    ratio = cv2.cvtColor(other, cv2.COLOR_RGB2GRAY).mean() / cv2.cvtColor(own, cv2.COLOR_RGB2GRAY).mean()
    np.testing.assert_allclose(scale_to_mean(pred, gt, '8bit') * 255, np.clip(own * ratio, 0, 255), atol=1e-9)


@pytest.mark.parametrize('name', GT_MEANS)
def test_black_stays_black(name):
    assert not scale_to_mean(np.zeros((3, 4, 3)), flat(REFERENCE, (3, 4)), name).any()


def test_an_unknown_definition():
    with pytest.raises(ValueError, match="definition must be one of .*'bgr'.*got 'luma'"):
        scale_to_mean(*pair(), 'luma')
