"""The measures of `isalux evaluate` by name: one number a picture, in float64.

A measure is a function of (H, W, 3) arrays, RGB in [0, 1]: of the result alone, of result and reference, or of result
and dark input.
"""
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from isalux_mm.evaluation.perceptual import backbone_file, perceptual_network
from isalux_mm.functional import image_quality, ssim_variants
from isalux_mm.functional.checks import check_choice
from isalux_mm.functional.color_difference import ciede2000, color_angle
from isalux_mm.functional.gt_means import GT_MEANS, round_to_8_bit, scale_to_mean
from isalux_mm.functional.luminance_order import luminance_order_error
from isalux_mm.functional.niqe import niqe

REFERENCE, DARK_INPUT = 'reference', 'input'
Function = Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class Measure:
    """A measure and what is to be said of it.

    Attributes:
        text: what it measures.
        source: whose definition it is.
        function: of the result and of what it needs.
        needs: `REFERENCE`, `DARK_INPUT` or nothing.
        higher_is_better: which way is up.
        digits: after the point, in tables.
        unit: of the value.
        backbone: torchvision network whose weights must be on disk.
        most: what a larger value counts as in means; in the CSV it stays.
    """
    text: str
    source: str
    function: Function
    needs: str | None = REFERENCE
    higher_is_better: bool = False
    digits: int = 3
    unit: str = ''
    backbone: str | None = None
    most: float = float('inf')


# What PSNR above it counts as in means: of pictures equal (infinite), or equal but for rounding. Retinexformer's code
# gives equal pictures 100, HVI-CIDNet's 128, BasicSR's infinity.
MOST_PSNR = 100.0
LEAST_SIDE = 32  # ours, of learned distances: AlexNet has nothing left of less than 31 pixels


def psnr(pred: np.ndarray, gt: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB over all pixels and channels, peak 1; infinite for equal pictures."""
    error = float(np.mean((pred - gt)**2))
    return float('inf') if error == 0 else -10 * float(np.log10(error))


def _psnr_8_bit(pred: np.ndarray, gt: np.ndarray) -> float:
    return psnr(round_to_8_bit(pred) / 255, round_to_8_bit(gt) / 255)


def _ms_ssim(pred: np.ndarray, gt: np.ndarray) -> float:
    return image_quality.ms_ssim(_batch(pred), _batch(gt)).item()


def _niqe(pred: np.ndarray, _: np.ndarray) -> float:
    return niqe(_batch(pred)).item()


def _learned(name: str, pred: np.ndarray, gt: np.ndarray) -> float:
    if min(pred.shape[:2]) < LEAST_SIDE:
        raise ValueError(f'{name} needs pictures of at least {LEAST_SIDE}x{LEAST_SIDE} pixels, got '
                         f'{pred.shape[1]}x{pred.shape[0]}')
    with torch.no_grad():
        return perceptual_network(name)(_batch(pred).float(), _batch(gt).float()).item()


def _batch(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, -1, 0)))[None]  # (H, W, 3) -> (1, 3, H, W)


def _scaled(function: Function, definition: str, clip: bool, pred: np.ndarray, gt: np.ndarray) -> float:
    return function(scale_to_mean(pred, gt, definition, clip=clip), gt)


def _gt_mean_measures() -> dict[str, Measure]:
    """PSNR and SSIM under every GT-mean, clipped (as published) and not."""
    found = {}
    kinds = {'PSNR': (psnr, 2, 'dB', MOST_PSNR), 'SSIM': (ssim_variants.ssim_float, 3, '', float('inf'))}
    for definition, gt_mean in GT_MEANS.items():
        for clip in (True, False):
            for kind, (function, digits, unit, most) in kinds.items():
                suffix = ('' if definition == 'gray' else f'_{definition}') + ('' if clip else '_unclipped')
                found[f'{kind}_GTmean{suffix}'] = Measure(
                    f'{kind} after scaling to the reference\'s mean: {gt_mean.text}'
                    + ('' if clip else '; not clipped to [0, 1]'), gt_mean.source if clip else 'ours',
                    partial(_scaled, function, definition, clip), higher_is_better=True, digits=digits, unit=unit,
                    most=most)
    return found


WANG = 'Wang et al., 2004'
MEASURES: dict[str, Measure] = {
    'PSNR': Measure('peak signal-to-noise ratio over all pixels and channels, values not rounded', 'ours, as most',
                    psnr, higher_is_better=True, digits=2, unit='dB', most=MOST_PSNR),
    'PSNR_8bit': Measure('the same of pictures rounded to 8 bits', 'BasicSR', _psnr_8_bit, higher_is_better=True,
                         digits=2, unit='dB', most=MOST_PSNR),
    'SSIM': Measure('structural similarity: Gaussian window 11, sigma 1.5, valid part, mean over RGB, not rounded',
                    WANG, ssim_variants.ssim_float, higher_is_better=True),
    'SSIM_8bit': Measure('the same of pictures rounded to 8 bits', 'BasicSR ("the same outputs as MATLAB\'s")',
                         ssim_variants.ssim_8_bit, higher_is_better=True),
    'SSIM_gray': Measure('the same of grey pictures, colours and greys rounded to 8 bits', f'{WANG}, on rgb2gray',
                         ssim_variants.ssim_gray, higher_is_better=True),
    'SSIM_uniform': Measure('uniform window 7x7, sample covariance, mean over RGB, not rounded',
                            'scikit-image\'s defaults', ssim_variants.ssim_uniform, higher_is_better=True),
    'MS_SSIM': Measure('multi-scale structural similarity, five scales; wants 176 pixels',
                       'Wang et al., 2003; torchmetrics', _ms_ssim, higher_is_better=True),
    **_gt_mean_measures(),
    'CIEDE2000': Measure('colour difference, mean over the pixels', 'Sharma et al., 2005', ciede2000, digits=2),
    'color_angle': Measure('angle between RGB vectors, mean over the pixels', 'as in Wang et al., CVPR 2019',
                           color_angle, digits=2, unit='degrees'),
    'LOE': Measure('luminance-order error against the dark input', 'Wang et al., 2013', luminance_order_error,
                   needs=DARK_INPUT, digits=1),
    'LOE_ref': Measure('luminance-order error against the reference', 'Guo et al., 2017 (LIME)',
                       luminance_order_error, digits=1),
    'NIQE': Measure('naturalness without reference; wants two blocks of 96x96 pixels', 'Mittal et al., 2013',
                    _niqe, needs=None, digits=2),
    'LPIPS': Measure('learned perceptual distance on AlexNet', 'Zhang et al., 2018, v0.1', partial(_learned, 'LPIPS'),
                     backbone='alex'),
    'LPIPS_vgg': Measure('learned perceptual distance on VGG-16', 'Zhang et al., 2018, v0.1',
                         partial(_learned, 'LPIPS_vgg'), backbone='vgg'),
    'DISTS': Measure('learned distance of structure and texture on VGG-16', 'Ding et al., 2020',
                     partial(_learned, 'DISTS'), backbone='vgg'),
}
DEFAULT = ('PSNR', 'SSIM', 'PSNR_GTmean', 'SSIM_GTmean', 'CIEDE2000', 'LOE', 'NIQE')  # of these, what can be had
GROUPS: dict[str, tuple[str, ...]] = {
    'default': DEFAULT, 'gt-means': tuple(_gt_mean_measures()), 'all': tuple(MEASURES)}


def choose_measures(names: Sequence[str], available: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The measures that are asked for, in the table's order.

    Args:
        names: of measures or of `GROUPS`; a group gives those of its measures that can be had.
        available: what is at hand beside the results: `REFERENCE`, `DARK_INPUT`.

    Returns:
        names of the measures, and why others of a group are left out.

    Raises:
        ValueError: if a name is unknown, what it needs is not at hand, or no measure is left.
        FileNotFoundError: if the weights of a measure asked for by its own name are not on disk.
    """
    chosen, notes = set(), []
    for asked in names:
        check_choice(asked, {**MEASURES, **GROUPS}, 'measures')
    for name in dict.fromkeys(member for asked in names for member in GROUPS.get(asked, (asked, ))):
        needs, backbone = MEASURES[name].needs, MEASURES[name].backbone
        lacking = needs is not None and needs not in available
        if name in names and lacking:
            raise ValueError(f'{name} needs a folder of {needs} pictures')
        if lacking:
            continue
        if backbone is not None and not backbone_file(backbone).is_file():
            path = backbone_file(backbone)
            note = f'{name} needs weights that are never downloaded: place {path.name} (torchvision) at {path}'
            if name in names:
                raise FileNotFoundError(note)
            notes.append(note)
            continue
        chosen.add(name)
    if not chosen:
        given = ' and '.join(('results', *(f'{kind} pictures' for kind in available)))
        raise ValueError(f'no measure of {", ".join(names)} can be had from {given} alone')
    return tuple(name for name in MEASURES if name in chosen), tuple(notes)
