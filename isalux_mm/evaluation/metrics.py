"""mmengine metrics on top of `functional`: one value per image, means in the table, a CSV on request."""
import csv
import math
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from torch import Tensor

from isalux_mm.functional import image_quality
from isalux_mm.functional.niqe import niqe
from isalux_mm.registry import METRICS


class ImageMetric(BaseMetric):
    """Computes named values per image; reports their means.

    Args:
        csv_path: file for the values of every image; written whole, at the end.
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
        """Adds the images of a batch.

        Raises:
            ValueError: if an image lacks its reference or has values that are not finite; names the file.
        """
        for sample in data_samples:
            name = sample.get('low_path') or f'image {len(self.results)}'
            pred = sample.get('pred_img')
            if pred is None or not bool(torch.isfinite(pred).all()):
                raise ValueError(f'{name}: pred_img must be finite, got '
                                 + ('none' if pred is None else 'NaN or infinite values'))
            self.results.append((name, *self.values(sample)))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Means over the images; infinite values (PSNR of equal images) are left out of the mean, with a warning."""
        if self.csv_path is not None:
            write_csv(self.csv_path, ('image', *self.columns), sorted(results))
        means = {}
        for index, column in enumerate(self.columns, start=1):
            values = [row[index] for row in results]
            finite = [v for v in values if math.isfinite(v)]
            if len(finite) < len(values):
                MMLogger.get_current_instance().warning(
                    f'{column}: {len(values) - len(finite)} of {len(values)} values are infinite and left out')
            means[column] = sum(finite) / len(finite) if finite else math.inf
        return means


@METRICS.register_module()
class PairedImageQuality(ImageMetric):
    """PSNR and SSIM, raw and GT-mean, always together (definitions: `functional.image_quality`).

    The prediction is compared as float in [0, 1], RGB. GT-mean scales it to the reference's mean BT.601 luma first.
    Columns: PSNR, SSIM, PSNR_GTmean, SSIM_GTmean.

    Args:
        csv_path: as in `ImageMetric`.
        of_input: score the unprocessed input instead of the prediction; the columns get the suffix `_input`.
        collect_device: as mmengine's.
        prefix: as mmengine's.
    """

    def __init__(self, csv_path: str | None = None, *, of_input: bool = False, collect_device: str = 'cpu',
                 prefix: str | None = None):
        super().__init__(csv_path, collect_device=collect_device, prefix=prefix)
        self.field = 'low_img' if of_input else 'pred_img'
        suffix = '_input' if of_input else ''
        self.columns = tuple(f'{name}{suffix}' for name in ('PSNR', 'SSIM', 'PSNR_GTmean', 'SSIM_GTmean'))

    def values(self, sample: dict) -> Sequence[float]:
        gt = sample.get('gt_img')
        if gt is None:
            raise ValueError(f'{sample.get("low_path")}: PSNR and SSIM need gt_img, got none')
        return paired_quality(sample[self.field], gt)


@METRICS.register_module()
class NIQE(ImageMetric):
    """Naturalness without reference, lower is better (definition: `functional.niqe`). Column: NIQE."""
    columns = ('NIQE', )

    def values(self, sample: dict) -> Sequence[float]:
        return (niqe(sample['pred_img'][None].float()).item(), )


@METRICS.register_module()
class LPIPS(ImageMetric):
    """Learned perceptual distance (Zhang et al., 2018), by the lpips package. Column: LPIPS.

    The package carries its linear heads; the backbone is torchvision's and is looked for on disk, never downloaded.

    Args:
        net: 'alex', 'vgg' or 'squeeze'.
        backbone: local file of the backbone's weights; by default the hub's cache is searched.
        csv_path: as in `ImageMetric`.
        collect_device: as mmengine's.
        prefix: as mmengine's.

    Raises:
        FileNotFoundError: if the backbone's weights are not on disk; says which file to place where.
    """
    columns = ('LPIPS', )
    FILES = {'alex': 'alexnet-owt-7be5be79.pth', 'vgg': 'vgg16-397923af.pth', 'squeeze': 'squeezenet1_1-b8a52dc0.pth'}

    def __init__(self, net: str = 'alex', *, backbone: str | None = None, csv_path: str | None = None,
                 collect_device: str = 'cpu', prefix: str | None = None):
        super().__init__(csv_path, collect_device=collect_device, prefix=prefix)
        if net not in self.FILES:
            raise ValueError(f'net must be one of {sorted(self.FILES)}, got {net!r}')
        path = Path(backbone or Path(torch.hub.get_dir()) / 'checkpoints' / self.FILES[net])
        if not path.is_file():
            raise FileNotFoundError(f'LPIPS needs the weights of its backbone: place {self.FILES[net]} (torchvision) '
                                    f'at {path}, or set backbone to a local copy')
        self.model = _build_lpips(net, path)

    def values(self, sample: dict) -> Sequence[float]:
        if sample.get('gt_img') is None:
            raise ValueError(f'{sample.get("low_path")}: LPIPS needs gt_img, got none')
        images = [sample[key][None].float().cpu() for key in ('pred_img', 'gt_img')]
        with torch.no_grad():
            return (self.model(*images, normalize=True).item(), )


def paired_quality(pred: Tensor, gt: Tensor) -> tuple[float, float, float, float]:
    """PSNR, SSIM, then both with GT-mean, of (3, H, W), RGB in [0, 1]."""
    pred, gt = pred[None].double(), gt[None].to(pred.device).double()
    scaled = image_quality.gt_mean(pred, gt)
    return tuple(f(image, gt).item() for image in (pred, scaled) for f in (image_quality.psnr, image_quality.ssim))


def write_csv(path: str | Path, header: Sequence[str], rows: Sequence[Sequence]) -> None:
    """Writes a table whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.tmp')
    with open(temporary, 'w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    os.replace(temporary, path)


def _build_lpips(net: str, backbone: Path) -> torch.nn.Module:
    """lpips' model with backbone weights from disk: torchvision's layers carry the same tensors in the same order."""
    import lpips
    model = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    state = torch.load(backbone, map_location='cpu', weights_only=True)
    features = [value for key, value in state.items() if key.startswith('features.')]
    own = model.net.state_dict()
    if [tuple(v.shape) for v in own.values()] != [tuple(v.shape) for v in features]:
        raise ValueError(f'backbone {backbone} must be torchvision\'s {LPIPS.FILES[net]}, its tensors do not fit')
    model.net.load_state_dict(dict(zip(own, features)))
    return model.eval()
