"""mmengine metrics on top of `functional`: numbers per image, their means in the table, a CSV on request."""
import csv
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from torch import Tensor

from isalux_mm.evaluation.perceptual import LPIPSNetwork
from isalux_mm.functional import image_quality
from isalux_mm.functional.checks import check_finite, check_image
from isalux_mm.functional.label_agreement import mean_iou, pixel_agreement
from isalux_mm.functional.niqe import niqe
from isalux_mm.io.whole_file import whole_path
from isalux_mm.registry import METRICS


class ImageMetric(BaseMetric):
    """Computes named values per image; reports their means.

    A value that is not finite (PSNR of equal images, NIQE of a black one) stays in the CSV and is left out of the
    mean, with a warning that counts; where none is finite the mean is not either.

    Args:
        csv_path: file for the values of every image, replaced whole at the end of each evaluation.
        collect_device: as mmengine's.
        prefix: as mmengine's.
    """
    columns: tuple[str, ...] = ()

    def __init__(self, csv_path: str | None = None, *, collect_device: str = 'cpu', prefix: str | None = None):
        super().__init__(collect_device, prefix)
        self.csv_path = csv_path

    def values(self, sample: dict) -> Sequence[float]:
        """The values of one image, in the order of `columns`."""
        raise NotImplementedError

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Adds the images of a batch, as names and numbers.

        Raises:
            ValueError: if an image is missing, misshapen, of another size than its reference or not finite; names the
                file.
        """
        for sample in data_samples:
            name = str(sample.get('low_path') or f'image {len(self.results)}')
            try:
                values = self.values(sample)
            except (TypeError, ValueError) as error:
                raise ValueError(f'{type(self).__name__} of {name}: {error}') from error
            self.results.append((name, *values))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Writes the CSV, averages over the images.

        Raises:
            ValueError: if there is no image.
        """
        if not results:
            raise ValueError(f'{type(self).__name__} must be given one image at least, got none')
        if self.csv_path is not None:
            write_csv(self.csv_path, ('image', *self.columns), sorted(results), overwrite=True)
        columns = list(zip(*results))[1:]
        return {name: finite_mean(name, values) for name, values in zip(self.columns, columns)}


@METRICS.register_module()
class PairedImageQuality(ImageMetric):
    """PSNR and SSIM, raw and GT-mean, always together (definitions: `functional.image_quality`).

    Prediction and reference are compared as float64 RGB in [0, 1], not rounded to 8 bits. GT-mean scales the
    prediction to the reference's mean grey value first. Columns: PSNR, SSIM, PSNR_GTmean, SSIM_GTmean.

    Args:
        csv_path: as in `ImageMetric`.
        crop_border: pixels cut off every side of both images before anything is measured; the paper's field cuts none.
        of_input: score the unprocessed input instead of the prediction; the columns get the suffix `_input`.
        collect_device: as mmengine's.
        prefix: as mmengine's.

    Raises:
        ValueError: if `crop_border` is negative.
    """

    def __init__(self, csv_path: str | None = None, *, crop_border: int = 0, of_input: bool = False,
                 collect_device: str = 'cpu', prefix: str | None = None):
        super().__init__(csv_path, collect_device=collect_device, prefix=prefix)
        if crop_border < 0:
            raise ValueError(f'crop_border must be at least 0, got {crop_border}')
        self.crop_border = crop_border
        self.field = 'low_img' if of_input else 'pred_img'
        suffix = '_input' if of_input else ''
        self.columns = tuple(f'{name}{suffix}' for name in ('PSNR', 'SSIM', 'PSNR_GTmean', 'SSIM_GTmean'))

    def values(self, sample: dict) -> Sequence[float]:
        pred, gt = (self._cropped(image_of(sample, field)) for field in (self.field, 'gt_img'))
        return paired_quality(pred, gt)

    def _cropped(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        border = self.crop_border
        return image[:, border:max(height - border, 0), border:max(width - border, 0)]


@METRICS.register_module()
class NIQE(ImageMetric):
    """Naturalness without reference, lower is better (definition: `functional.niqe`). Column: NIQE.

    The paper's own figures for ISALux: MEF 3.58, LIME 3.91, DICM 3.21, NPE 3.40; it does not say with which
    implementation, and these differ in the second decimal and more.
    """
    columns = ('NIQE', )

    def values(self, sample: dict) -> Sequence[float]:
        return (niqe(image_of(sample, 'pred_img')[None]).item(), )


@METRICS.register_module()
class LPIPS(ImageMetric):
    """Learned perceptual distance (Zhang et al., 2018), lower is better (`evaluation.perceptual`). Column: LPIPS.

    torchmetrics carries the linear heads (v0.1); the backbone is torchvision's and is taken from disk, never
    downloaded. Equal to the authors' package lpips 0.1.4 (tested). Runs on the CPU.

    Args:
        net: 'alex' (the field's tables), 'vgg' or 'squeeze'.
        backbone: local file of the backbone's weights; by default the hub's cache is searched.
        csv_path: as in `ImageMetric`.
        collect_device: as mmengine's.
        prefix: as mmengine's.

    Raises:
        FileNotFoundError: if the backbone's weights are not on disk; says which file to place where.
        ValueError: if `net` is none of the three, or the file is no such backbone.
    """
    columns = ('LPIPS', )

    def __init__(self, net: str = 'alex', *, backbone: str | None = None, csv_path: str | None = None,
                 collect_device: str = 'cpu', prefix: str | None = None):
        super().__init__(csv_path, collect_device=collect_device, prefix=prefix)
        self.model = LPIPSNetwork(net, backbone)

    def values(self, sample: dict) -> Sequence[float]:
        pred, gt = (image_of(sample, field)[None].float().cpu() for field in ('pred_img', 'gt_img'))
        image_quality.check_pair(pred, gt)
        with torch.no_grad():
            return (self.model(pred, gt).item(), )


@METRICS.register_module()
class LabelAgreement(BaseMetric):
    """Agreement of a semantic prior with its teacher over all images, from `confusion` of every data sample.

    Reports the share of `pixels` with the same label and `mIoU` over the classes that the teacher sees.
    """
    default_prefix = 'agreement'

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Adds the counts of a batch."""
        self.results += [sample['confusion'].cpu() for sample in data_samples]

    def compute_metrics(self, results: list[Tensor]) -> dict[str, float]:
        """Both measures of the summed counts."""
        counts = torch.stack(results).sum(0)
        return dict(pixels=pixel_agreement(counts), mIoU=mean_iou(counts))


def image_of(sample: dict, field: str) -> Tensor:
    """The field's image, (3, H, W).

    Raises:
        ValueError: if it is missing or has values that are not finite.
    """
    image = sample.get(field)
    if image is None:
        raise ValueError(f'{field} must be an image, got none')
    check_image(image, '3 H W', field)
    check_finite(image, field)
    return image


def paired_quality(pred: Tensor, gt: Tensor) -> tuple[float, float, float, float]:
    """PSNR, SSIM, then both with GT-mean, of (3, H, W), RGB in [0, 1], in float64."""
    pred, gt = pred[None].double(), gt[None].to(pred.device).double()
    scaled = image_quality.gt_mean(pred, gt)
    raw, of_mean = ((image_quality.psnr(x, gt).item(), image_quality.ssim(x, gt).item()) for x in (pred, scaled))
    return *raw, *of_mean


def finite_mean(name: str, values: Sequence[float]) -> float:
    """Mean of the finite values, with a warning if some are not; of all values if none is."""
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < len(values):
        MMLogger.get_current_instance().warning(
            f'{name}: {len(values) - len(finite)} of {len(values)} values are not finite and left out of the mean')
    values = finite or values
    return math.fsum(values) / len(values)


def write_csv(path: str | Path, header: Sequence[str], rows: Sequence[Sequence], *, overwrite: bool = False) -> None:
    """Writes a table whole or not at all; one that is there is replaced only with `overwrite`."""
    with whole_path(path, overwrite=overwrite) as draft, open(
            draft, 'w', newline='', encoding='utf-8', errors='surrogateescape') as file:  # names of any bytes
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
