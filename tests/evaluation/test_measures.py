"""The table of measures: numbers against independent sources, and how names are chosen."""
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from isalux_mm.evaluation import measures
from isalux_mm.evaluation.measures import DEFAULT, GROUPS, MEASURES, choose_measures, psnr
from isalux_mm.evaluation.metrics import paired_quality
from isalux_mm.evaluation.protocols import PROTOCOLS
from isalux_mm.functional.gt_means import scale_to_mean
from isalux_mm.functional.niqe import niqe


def pair(size: tuple[int, int] = (37, 53)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    gt = rng.uniform(size=(*size, 3))
    return np.clip(0.5 * gt + 0.1 * rng.uniform(size=gt.shape), 0, 1), gt


def value(name: str, *pictures: np.ndarray) -> float:
    return MEASURES[name].function(*pictures)


def test_psnr_is_scikit_images():
    pred, gt = pair()
    assert value('PSNR', pred, gt) == pytest.approx(peak_signal_noise_ratio(gt, pred, data_range=1), abs=1e-9)
    eight = (np.round(x * 255).astype(np.uint8) for x in (gt, pred))
    assert value('PSNR_8bit', pred, gt) == pytest.approx(peak_signal_noise_ratio(*eight), abs=1e-9)
    assert value('PSNR_8bit', pred, gt) != value('PSNR', pred, gt)


def test_psnr_by_hand():
    """An error of 0.1 everywhere is 20 dB; no error is infinite."""
    assert psnr(np.full((4, 5, 3), 0.3), np.full((4, 5, 3), 0.2)) == pytest.approx(20)
    assert psnr(*[pair()[0]] * 2) == float('inf')


def test_they_are_those_of_the_training_logs():
    pred, gt = pair()
    expected = paired_quality(*(torch.from_numpy(x).permute(2, 0, 1) for x in (pred, gt)))
    values = [value(name, pred, gt) for name in ('PSNR', 'SSIM', 'PSNR_GTmean', 'SSIM_GTmean')]
    assert values == pytest.approx(expected, abs=1e-5)  # SSIM's window is rounded to float32 there
    assert values[::2] == pytest.approx(expected[::2], abs=1e-9)


@pytest.mark.parametrize('suffix', ['', '_bgr', '_8bit', '_channels'])
@pytest.mark.parametrize('clip', [True, False])
def test_each_gt_mean_has_its_measures(suffix, clip):
    pred, gt = pair()
    pred, gt = pred * (1, 0.6, 0.3), np.clip(gt * 1.5, 0, 1)  # where definitions differ, and much is cut
    scaled = scale_to_mean(pred, gt, suffix.lstrip('_') or 'gray', clip=clip)
    name = f'PSNR_GTmean{suffix}{"" if clip else "_unclipped"}'
    assert value(name, pred, gt) == pytest.approx(psnr(scaled, gt), abs=1e-12)
    assert value(name.replace('PSNR', 'SSIM'), pred, gt) == pytest.approx(value('SSIM', scaled, gt), abs=1e-12)
    others = {value(other, pred, gt) for other in GROUPS['gt-means'] if other.startswith('PSNR')}
    assert len(others) == 8


def test_niqe_looks_at_the_result_alone():
    pred, gt = pair((97, 193))
    assert value('NIQE', pred, gt) == niqe(torch.from_numpy(pred).permute(2, 0, 1)[None]).item()


def test_the_table_says_what_a_reader_needs():
    for name, measure in MEASURES.items():
        assert measure.text and measure.source, name
    assert [n for n, m in MEASURES.items() if m.most < float('inf')] == [n for n in MEASURES if n.startswith('PSNR')]
    assert not [n for n, m in MEASURES.items() if m.higher_is_better != n.startswith(('PSNR', 'SSIM', 'MS_SSIM'))]


def test_default_takes_what_can_be_had():
    assert choose_measures(['default'], ['reference', 'input']) == (DEFAULT, ())
    assert choose_measures(['default'], ['reference'])[0] == tuple(n for n in DEFAULT if n != 'LOE')
    assert choose_measures(['default'], [])[0] == ('NIQE', )


def test_order_is_the_tables_and_names_count_once():
    assert choose_measures(['SSIM', 'PSNR', 'SSIM'], ['reference'])[0] == ('PSNR', 'SSIM')
    assert choose_measures(['NIQE', 'gt-means'], ['reference'])[0] == (*GROUPS['gt-means'], 'NIQE')


def test_weights_that_are_not_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    chosen, notes = choose_measures(['all'], ['reference', 'input'])
    assert set(MEASURES) - set(chosen) == {'LPIPS', 'LPIPS_vgg', 'DISTS'} and len(notes) == 3
    assert f'place vgg16-397923af.pth (torchvision) at {tmp_path}' in notes[-1]
    with pytest.raises(FileNotFoundError, match='LPIPS needs weights that are never downloaded: place alexnet'):
        choose_measures(['LPIPS'], ['reference'])


@pytest.mark.parametrize(('names', 'available', 'message'), [
    (['SIMM'], ['reference'], "measures must be one of .*got 'SIMM'"),
    (['PSNR'], [], 'PSNR needs a folder of reference pictures'),
    (['LOE'], ['reference'], 'LOE needs a folder of input pictures'),
    (['gt-means'], ['input'], 'no measure of gt-means can be had from results and input pictures alone'),
])
def test_what_cannot_be_had(names, available, message):
    with pytest.raises(ValueError, match=message):
        choose_measures(names, available)


def test_learned_distances_go_through_the_network(monkeypatch):
    monkeypatch.setattr(measures, 'perceptual_network',
                        lambda name: lambda a, b: (a - b).abs().mean() + (0 if name == 'LPIPS' else 1))
    pred, gt = pair()
    assert value('LPIPS', pred, gt) == pytest.approx(np.abs(pred - gt).mean(), abs=1e-6)
    assert value('DISTS', pred, gt) == pytest.approx(1 + np.abs(pred - gt).mean(), abs=1e-6)
    with pytest.raises(ValueError, match='LPIPS needs pictures of at least 32x32 pixels, got 53x31'):
        value('LPIPS', pred[:31], gt[:31])


def test_the_page_names_every_measure():
    page = (Path(__file__).parents[2] / 'docs/evaluation.md').read_text(encoding='utf-8')
    base = {name.removesuffix('_unclipped') for name in MEASURES}
    assert not [name for name in base if f'`{name.replace("SSIM_GTmean", "PSNR_GTmean")}`' not in page]
    starred = set(re.findall(r'`(\w+)` \*', page))
    assert starred == set(DEFAULT)
    assert not [name for name in PROTOCOLS if f'| `{name}` |' not in page]
