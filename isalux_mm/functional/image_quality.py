"""Full-reference image quality: PSNR, SSIM, MS-SSIM and the GT-mean correction; one value per image.

All take (B, 3, H, W) of any floating dtype and compute in it; figures are best taken in float64.
SSIM (Wang et al., 2004: Gaussian window of 11 pixels, sigma 1.5, valid part only, mean over R, G and B) is
pytorch_msssim's; it agrees with scikit-image to 1e-5, PSNR to rounding. MS-SSIM is defined as torchmetrics', which
takes pyramids of any number of scales and halves odd sizes without dark borders; computed with a separated window, in
a fraction of the time, it agrees to rounding. It takes the terms' powers over all channels at once where pytorch_msssim
takes them channel by channel: 1e-4 apart on noise, up to 7e-3 on pictures much too dark.
"""
import torch
import torch.nn.functional as F
from pytorch_msssim import ssim as _ssim
from torch import Tensor

from isalux_mm.functional.checks import check_image
from isalux_mm.functional.constants import constants
from isalux_mm.functional.illumination import luma

WINDOW, SIGMA = 11, 1.5  # Wang et al., 2004
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al., 2003, Sec. 3.2
C1, C2 = 0.01**2, 0.03**2  # Wang et al., 2004, for values in [0, 1]
MS_SSIM_MINIMUM = (11, 22, 44, 99, 176)  # smallest side that torchmetrics takes for 1 to 5 scales
EPS = 1e-8


def psnr(pred: Tensor, gt: Tensor, data_range: float = 1.0) -> Tensor:
    """Peak signal-to-noise ratio in dB over all pixels and channels; (B,).

    Equal images give infinity; whoever averages decides what it is worth.

    Args:
        pred: (B, 3, H, W).
        gt: (B, 3, H, W).
        data_range: the peak.
    """
    check_pair(pred, gt)
    return -10 * torch.log10(((pred - gt) / data_range).pow(2).mean(dim=(1, 2, 3)))


def ssim(pred: Tensor, gt: Tensor, data_range: float = 1.0) -> Tensor:
    """Structural similarity in [-1, 1]; (B,).

    Args:
        pred: (B, 3, H, W).
        gt: (B, 3, H, W).
        data_range: width of the range of values.

    Raises:
        ValueError: if an image is smaller than the window of 11 pixels.
    """
    check_pair(pred, gt)
    if min(pred.shape[-2:]) < WINDOW:
        raise ValueError(f'SSIM needs images of at least {WINDOW}x{WINDOW} pixels, got {tuple(pred.shape[-2:])}')
    # pytorch_msssim's own window, but made where the images are
    window = _window(pred.shape[1], pred.device, torch.float32)
    return _ssim(pred, gt, data_range=data_range, size_average=False, win=window)


def ms_ssim(pred: Tensor, gt: Tensor, *, auto_scales: bool = False) -> Tensor:
    """Multi-scale structural similarity (Wang et al., 2003); (B,). Negative terms count as zero.

    Args:
        pred: (B, 3, H, W).
        gt: (B, 3, H, W).
        auto_scales: for images too small for five scales, take the finest ones there is room for, their weights
            scaled to sum to one, instead of raising.

    Raises:
        ValueError: if the images are too small for five scales (176 pixels), or with `auto_scales` for one (11).
    """
    check_pair(pred, gt)
    side, full = min(pred.shape[-2:]), len(MS_SSIM_WEIGHTS)
    scales = sum(side >= minimum for minimum in MS_SSIM_MINIMUM)
    if scales == 0 or (scales < full and not auto_scales):
        minimum = MS_SSIM_MINIMUM[0 if auto_scales else -1]
        raise ValueError(f'MS-SSIM needs images of at least {minimum}x{minimum} pixels, got {tuple(pred.shape[-2:])}'
                         + ('' if auto_scales else ' (auto_scales=True takes fewer than five scales)'))
    if scales == 1:
        return ssim(pred, gt).clamp_min(0)
    total = sum(MS_SSIM_WEIGHTS[:scales])
    weights = tuple(weight / total for weight in MS_SSIM_WEIGHTS[:scales])
    terms = []
    for scale in range(scales):
        coarsest = scale == scales - 1
        terms.append(_structure_term(pred, gt, coarsest=coarsest).relu())
        if not coarsest:
            pred, gt = F.avg_pool2d(pred, 2), F.avg_pool2d(gt, 2)
    return (torch.stack(terms)**constants(weights, pred).view(-1, 1)).prod(dim=0)


def _structure_term(pred: Tensor, gt: Tensor, *, coarsest: bool) -> Tensor:
    """Means over an image of contrast times structure, at the coarsest scale times luminance too; (B,).

    As torchmetrics: the former over the valid part alone, the latter over images that are reflected at their borders.
    """
    if coarsest:
        pred, gt = (F.pad(x, [WINDOW // 2] * 4, mode='reflect') for x in (pred, gt))
    maps = _blur(torch.cat([pred, gt, pred * pred, gt * gt, pred * gt], dim=1))
    mean_pred, mean_gt, square_pred, square_gt, product = maps.contiguous().chunk(5, dim=1)
    squares, means_product = mean_pred**2 + mean_gt**2, mean_pred * mean_gt
    variances = (square_pred - mean_pred**2).clamp_min(0) + (square_gt - mean_gt**2).clamp_min(0)
    term = (2 * (product - means_product) + C2) / (variances + C2)
    if coarsest:
        term = term * ((2 * means_product + C1) / (squares + C1))
    return term.mean(dim=(1, 2, 3))


def _blur(x: Tensor) -> Tensor:
    """The Gaussian window on (B, C, H, W), valid part, down and then across; channels-last, which a CPU does best."""
    channels = x.shape[1]
    window = _window(channels, x.device, x.dtype)
    x = F.conv2d(x.contiguous(memory_format=torch.channels_last), window.transpose(2, 3), groups=channels)
    return F.conv2d(x, window, groups=channels)


def _window(channels: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The Gaussian window for every channel, (channels, 1, 1, 11), of sum one."""
    places = torch.arange(WINDOW, dtype=dtype, device=device) - WINDOW // 2
    window = (-(places**2) / (2 * SIGMA**2)).exp()
    return (window / window.sum()).repeat(channels, 1, 1, 1)


def gt_mean(pred: Tensor, gt: Tensor) -> Tensor:
    """Scales each image to its reference's mean grey value, then clips to [0, 1]: the "GT-mean" of the field's tables.

    Introduced by KinD (Zhang et al., 2019). Grey is .299 R + .587 G + .114 B in float; HVI-CIDNet's published
    measurement is the same on greys rounded to 8 bits.

    Args:
        pred: (B, 3, H, W), RGB in [0, 1].
        gt: (B, 3, H, W), RGB in [0, 1].

    Returns:
        (B, 3, H, W) in [0, 1]; a black `pred` stays black.
    """
    check_pair(pred, gt)
    target, own = (luma(x).mean(dim=(1, 2, 3), keepdim=True) for x in (gt, pred))
    return (pred * (target / own.clamp_min(EPS))).clamp(0, 1)


def check_pair(pred: Tensor, gt: Tensor) -> None:
    """Checks that both are floating point, (B, 3, H, W), of one shape.

    Raises:
        TypeError: if one is not a floating-point tensor.
        ValueError: if a shape is another or the two differ.
    """
    check_image(pred, name='pred')
    check_image(gt, name='gt')
    if pred.shape != gt.shape:
        raise ValueError(f'pred and gt must share one shape, got {tuple(pred.shape)} and {tuple(gt.shape)}')
