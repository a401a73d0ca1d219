"""Metrics as mmengine calls them: through the registry and its Evaluator, on data samples."""
import csv
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from torchvision import models

from isalux_mm.evaluation.metrics import finite_mean, write_csv
from isalux_mm.evaluation.perceptual import LPIPS_BACKBONES
from isalux_mm.functional.image_quality import gt_mean, psnr, ssim
from isalux_mm.functional.niqe import niqe
from isalux_mm.registry import METRICS
from isalux_mm.structures import EnhanceDataSample

PAIRED = ('PSNR', 'SSIM', 'PSNR_GTmean', 'SSIM_GTmean')


def make_sample(seed: int = 0, size: tuple[int, int] = (21, 33)) -> EnhanceDataSample:
    generator = torch.Generator().manual_seed(seed)
    gt = torch.rand(3, *size, generator=generator)
    pred = (0.6 * gt + 0.05 * torch.rand(gt.shape, generator=generator)).clamp(0, 1)
    return EnhanceDataSample(metainfo=dict(low_path=f'{seed}.png'), pred_img=pred, gt_img=gt, low_img=0.1 * gt)


def evaluate(samples: list[EnhanceDataSample], **config) -> dict:
    evaluator = Evaluator([config])
    for sample in samples:
        evaluator.process(data_samples=[sample])
    return evaluator.evaluate(len(samples))


def expected(pred: torch.Tensor, gt: torch.Tensor) -> list[float]:
    pred, gt = pred[None].double(), gt[None].double()
    scaled = gt_mean(pred, gt)
    return [psnr(pred, gt).item(), ssim(pred, gt).item(), psnr(scaled, gt).item(), ssim(scaled, gt).item()]


def test_raw_and_gt_mean_together():
    samples = [make_sample(0), make_sample(1, (40, 24))]
    metrics = evaluate(samples, type='PairedImageQuality')
    means = torch.tensor([expected(s.pred_img, s.gt_img) for s in samples]).mean(0)
    assert tuple(metrics) == PAIRED
    assert list(metrics.values()) == pytest.approx(means.tolist(), rel=1e-6)
    assert metrics['PSNR_GTmean'] > metrics['PSNR'] + 5


def test_input_can_be_scored_beside():
    sample = make_sample()
    metrics = evaluate([sample], type='PairedImageQuality', of_input=True)
    assert tuple(metrics) == tuple(f'{name}_input' for name in PAIRED)
    assert list(metrics.values()) == pytest.approx(expected(sample.low_img, sample.gt_img))


def test_border_is_cropped_before_all():
    sample = make_sample(size=(30, 40))
    spoiled = sample.clone()
    spoiled.pred_img[:, :4] = 1
    spoiled.pred_img[:, :, -4:] = 1
    metrics = evaluate([spoiled], type='PairedImageQuality', crop_border=4)
    inner = (slice(None), slice(4, -4), slice(4, -4))
    assert list(metrics.values()) == pytest.approx(expected(sample.pred_img[inner], sample.gt_img[inner]))


def test_border_is_checked():
    with pytest.raises(ValueError, match='crop_border must be at least 0, got -1'):
        METRICS.build(dict(type='PairedImageQuality', crop_border=-1))
    with pytest.raises(ValueError, match=r'0.png: pred must have axes \(B 3 H W\), got shape \(1, 3, 0, 3\)'):
        evaluate([make_sample()], type='PairedImageQuality', crop_border=15)


def test_csv_has_every_image(tmp_path):
    path = tmp_path / 'new' / 'values.csv'
    samples = [make_sample(seed) for seed in (2, 1, 0)]
    metrics = evaluate(samples, type='PairedImageQuality', csv_path=str(path))
    with open(path, newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    assert [row['image'] for row in rows] == ['0.png', '1.png', '2.png']
    for name in PAIRED:
        assert sum(float(row[name]) for row in rows) / 3 == pytest.approx(metrics[name], rel=1e-12)
    assert list(path.parent.iterdir()) == [path]


def test_csv_is_whole_or_untouched(tmp_path):
    path = tmp_path / 'values.csv'
    write_csv(path, ('a', 'b'), [(1, 2)])

    def failing():
        yield (3, 4)
        raise OSError('disk')

    with pytest.raises(FileExistsError):
        write_csv(path, ('a', 'b'), [(3, 4)])
    with pytest.raises(OSError, match='disk'):
        write_csv(path, ('a', 'b'), failing(), overwrite=True)
    assert path.read_text().split() == ['a,b', '1,2']
    assert list(tmp_path.iterdir()) == [path]


def test_equal_images_are_left_out_of_the_mean(tmp_path, monkeypatch):
    warnings = []
    monkeypatch.setattr(MMLogger.get_current_instance(), 'warning', warnings.append)
    equal, other = make_sample(0), make_sample(1)
    equal.pred_img = equal.gt_img.clone()
    metrics = evaluate([equal, other], type='PairedImageQuality', csv_path=str(tmp_path / 'values.csv'))
    raw, *_ = expected(other.pred_img, other.gt_img)
    assert metrics['PSNR'] == pytest.approx(raw)
    assert metrics['SSIM'] == pytest.approx((1 + expected(other.pred_img, other.gt_img)[1]) / 2)
    assert warnings[0] == 'PSNR: 1 of 2 values are not finite and left out of the mean'
    assert '0.png,inf,' in (tmp_path / 'values.csv').read_text()


@pytest.mark.parametrize('values, mean', [((1., math.nan, 3.), 2.), ((math.inf, math.inf), math.inf),
                                          ((math.nan, ), math.nan)])
def test_mean_of_what_is_finite(values, mean):
    assert finite_mean('NIQE', values) == pytest.approx(mean, nan_ok=True)


@pytest.mark.parametrize('spoil, message', [
    (lambda s: s.pop('gt_img'), 'gt_img must be an image, got none'),
    (lambda s: s.pop('pred_img'), 'pred_img must be an image, got none'),
    (lambda s: s.pred_img[0, 0, :2].fill_(math.nan), 'pred_img must be finite, got 2 NaN or infinite values of 2079'),
    (lambda s: s.gt_img[0, 0, 0].fill_(math.inf), 'gt_img must be finite, got 1 NaN'),
    (lambda s: s.set_field(s.gt_img[:, 1:], 'gt_img'), 'share one shape, got (1, 3, 21, 33) and (1, 3, 20, 33)'),
    (lambda s: s.set_field(s.gt_img[:1], 'gt_img'), 'gt_img must have axes (3 H W), got shape (1, 21, 33)'),
    (lambda s: s.set_field((s.gt_img * 255).byte(), 'gt_img'), 'gt_img must be floating point'),
])
def test_error_names_the_file(spoil, message):
    sample = make_sample(7)
    spoil(sample)
    with pytest.raises(ValueError, match='PairedImageQuality of 7.png: .*' + re.escape(message)):
        evaluate([sample], type='PairedImageQuality')


def test_nothing_to_average():
    with pytest.raises(ValueError, match='PairedImageQuality must be given one image at least, got none'):
        METRICS.build(dict(type='PairedImageQuality')).evaluate(0)


def test_niqe():
    sample = make_sample(size=(100, 200))
    sample.pop('gt_img')  # needs no reference
    metrics = evaluate([sample], type='NIQE')
    assert metrics == dict(NIQE=niqe(sample.pred_img[None]).item())
    with pytest.raises(ValueError, match='NIQE of 3.png: image must hold at least two blocks'):
        evaluate([make_sample(3)], type='NIQE')


@pytest.mark.parametrize('config', [dict(type='PairedImageQuality'), dict(type='NIQE')])
def test_results_are_names_and_numbers(config):
    """So that ranks exchange no pictures."""
    metric = METRICS.build(config)
    metric.process({}, [make_sample(size=(96, 192)).to_dict()])
    (name, *values), = metric.results
    assert name == '0.png' and values and all(type(value) is float for value in values)


def rank_of_two(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/rendezvous', rank=rank, world_size=2)
    metric = METRICS.build(dict(type='PairedImageQuality', csv_path=f'{folder}/values.csv'))
    for seed in (rank, rank + 2):  # mmengine's sampler deals out in turn, and pads: the fourth image is a repetition
        metric.process({}, [make_sample(seed % 3).to_dict()])
    torch.save(metric.evaluate(3), f'{folder}/{rank}.pth')
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_ranks_agree_with_one(tmp_path):
    mp.spawn(rank_of_two, args=(str(tmp_path), ), nprocs=2)
    alone = evaluate([make_sample(seed) for seed in range(3)], type='PairedImageQuality')
    for rank in range(2):
        assert torch.load(tmp_path / f'{rank}.pth') == pytest.approx(alone)
    assert len((tmp_path / 'values.csv').read_text().split()) == 4


BACKBONES = dict(alex=models.alexnet, squeeze=models.squeezenet1_1)


def backbone_weights(net: str) -> dict[str, torch.Tensor]:
    """Random weights under torchvision's names, from a generator whose numbers stay the same."""
    rng = np.random.default_rng(0)
    with torch.device('meta'):
        shapes = {key: tuple(value.shape) for key, value in BACKBONES[net]().features.state_dict().items()}
    scales = {key: math.sqrt(2 / math.prod(shape[1:])) if len(shape) > 1 else 0.014 for key, shape in shapes.items()}
    return {f'features.{key}': torch.from_numpy(np.float32(scales[key] * rng.standard_normal(shape)))
            for key, shape in shapes.items()}


@pytest.fixture(scope='module', params=['alex', 'squeeze'])
def backbone(request, tmp_path_factory) -> tuple[str, Path]:
    """Name and file of a backbone."""
    path = tmp_path_factory.mktemp('hub') / 'checkpoints' / LPIPS_BACKBONES[request.param]
    path.parent.mkdir()
    torch.save(backbone_weights(request.param), path)
    return request.param, path


# lpips 0.1.4 with the same weights, `LPIPS(net=net, pnet_rand=True)`, on the two samples of the test
LPIPS_VALUES = dict(alex=(0.0629121, 0.0568746), squeeze=(0.1053334, 0.1056510))


def test_lpips_is_that_of_the_package(backbone):
    """Layers in other places, heads of another version or inputs in another range would give other numbers."""
    net, path = backbone
    samples = [make_sample(0, (64, 96)), make_sample(1, (37, 53))]
    values = [evaluate([sample], type='LPIPS', net=net, backbone=str(path))['LPIPS'] for sample in samples]
    assert values == pytest.approx(LPIPS_VALUES[net], abs=1e-5)


def test_lpips_equals_the_package_where_it_is_installed(backbone):
    lpips = pytest.importorskip('lpips')
    net, path = backbone
    theirs = lpips.LPIPS(net=net, pnet_rand=True, verbose=False).eval()
    theirs.net.load_state_dict(dict(zip(theirs.net.state_dict(), torch.load(path).values())))
    ours = METRICS.build(dict(type='LPIPS', net=net, backbone=str(path))).model
    sample = make_sample(2, (64, 96))
    with torch.no_grad():
        torch.testing.assert_close(ours(sample.pred_img[None], sample.gt_img[None]),
                                   theirs(sample.pred_img[None], sample.gt_img[None], normalize=True).flatten(),
                                   atol=1e-6, rtol=0)


def test_lpips_orders_pictures(backbone, monkeypatch):
    net, path = backbone
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(path.parents[1]))
    equal, near, far = (make_sample(size=(64, 64)) for _ in range(3))
    equal.pred_img, near.pred_img, far.pred_img = equal.gt_img, 0.9 * near.gt_img, 0.3 * far.gt_img
    values = [evaluate([sample], type='LPIPS', net=net)['LPIPS'] for sample in (equal, near, far)]
    assert values[0] == 0 < values[1] < values[2]


def test_lpips_refuses_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    with pytest.raises(FileNotFoundError, match='place alexnet-owt-7be5be79.pth .*or set backbone'):
        METRICS.build(dict(type='LPIPS'))
    with pytest.raises(ValueError, match=r"net must be one of \['alex', 'squeeze', 'vgg'\], got 'resnet'"):
        METRICS.build(dict(type='LPIPS', net='resnet'))


def test_lpips_refuses_another_network(tmp_path):
    path = tmp_path / 'other.pth'
    torch.save({'features.0.weight': torch.zeros(4, 3, 3, 3)}, path)
    with pytest.raises(ValueError, match="backbone must be torchvision's squeezenet1_1-b8a52dc0.pth, got .*other.pth"):
        METRICS.build(dict(type='LPIPS', net='squeeze', backbone=str(path)))
