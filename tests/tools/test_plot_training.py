"""tools/plot_training.py on logs that mmengine writes itself."""
from pathlib import Path

import numpy as np
import pytest
from loading import load_tool
from mmengine.config import Config
from mmengine.visualization import LocalVisBackend
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def plot():
    return load_tool('plot_training')


def write_log(folder, *, per_epoch=False):
    """A log of 40 iterations with two validations, through mmengine's backend."""
    backend = LocalVisBackend(str(folder / '20260101_000000/vis_data'))
    for i in range(10, 50, 10):
        scalars = {'lr': 1e-3, 'loss': 1 / i, 'loss_mse': 0.5 / i, 'experts/used_most': 0.4, 'iter': i}
        backend.add_scalars(scalars, step=i)
        if i % 20 == 0:
            backend.add_scalars({'PSNR': float(i), 'SSIM': i / 100}, step=i // 20 if per_epoch else i)
    return folder / '20260101_000000/vis_data/scalars.json'


@pytest.mark.parametrize('per_epoch', [False, True])
def test_curves_have_their_iterations(plot, tmp_path, per_epoch):
    curves = plot.read_curves(plot.find_log(write_log(tmp_path, per_epoch=per_epoch).parents[2]))
    assert curves['PSNR'][0].tolist() == curves['PSNR'][1].tolist() == [20, 40]
    np.testing.assert_allclose(curves['loss_mse'], [[10, 20, 30, 40], [0.05, 0.025, 0.5 / 30, 0.0125]])


def test_a_line_cut_off_is_left_out(plot, tmp_path):
    log = write_log(tmp_path)
    log.write_text(log.read_text() + '{"loss": 0.0')
    assert len(plot.read_curves(log)['loss'][0]) == 4


def test_smoothing_is_a_corrected_running_mean(plot):
    np.testing.assert_allclose(plot.smoothed(np.array([1.0, 1.0, np.nan, 1.0])), 1)
    np.testing.assert_allclose(plot.smoothed(np.array([0.0, 1.0])), [0, 1 / 1.9])  # (0.9 * 0 + 1) / (0.9 + 1)


def test_every_kind_has_its_row(plot, tmp_path):
    one = plot.draw({'a': plot.read_curves(write_log(tmp_path))})
    only_loss = plot.draw({'a': dict(loss=(np.arange(3.0), np.arange(3.0)))})
    assert one.shape[0] == 5 * only_loss.shape[0]  # loss, rate, PSNR, SSIM, experts


def test_the_command(plot, tmp_path, capsys):
    write_log(tmp_path / 'run')
    write_log(tmp_path / 'other')
    assert plot.main([str(tmp_path / 'run'), str(tmp_path / 'other')]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / 'run/training.png')
    assert np.asarray(Image.open(tmp_path / 'run/training.png')).std() > 10


@pytest.mark.parametrize(('content', 'message'), [
    (None, 'no log'), ('', 'holds no scalars'), ('{"time": 1, "step": 1}', 'no loss, quality')])
def test_errors(plot, tmp_path, capsys, content, message):
    if content is not None:
        (tmp_path / 'scalars.json').write_text(content)
    with pytest.raises(SystemExit):
        plot.main([str(tmp_path)])
    assert message in capsys.readouterr().err


def test_training_logs_validations_at_their_iteration():
    """The base config tells mmengine so; its default writes the epoch, 0 in iteration loops."""
    assert Config.fromfile(ROOT / 'configs/_base_/default_runtime.py').default_hooks.logger.log_metric_by_epoch is False
