"""`--launcher pytorch` on a CPU: several processes train as one that has the whole batch; one that dies ends all."""
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from processes import PATIENCE, environment, started, wait_until
from small_training import ROOT, logged_losses, write_config, write_pairs

from isalux_mm.io.checkpoint_file import read_checkpoint

BATCH, ITERATIONS = 4, 6
LAUNCH = ('-m', 'torch.distributed.run', '--standalone')
IMPORTANCE = "model['balance_loss'] = dict(type='BalanceLoss', kind='importance', loss_weight=0.1)\n"


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    return write_pairs(tmp_path_factory.mktemp('data') / 'data', dict(our485=9, eval15=2))


def arguments(folder: Path, data: Path, processes: int, iterations: int, extra: str = '') -> list[str]:
    """The command line of a training whose processes share one batch."""
    config = write_config(folder, data, f'processes_{processes}')
    config.write_text(config.read_text() + extra)
    launch = [*LAUNCH, f'--nproc_per_node={processes}'] if processes > 1 else []
    return [*launch, str(ROOT / 'tools/train.py'), str(config), '--work-dir', str(folder / f'work_{processes}'),
            *(['--launcher', 'pytorch'] if processes > 1 else []), '--cfg-options', f'train_cfg.max_iters={iterations}',
            f'train_cfg.val_interval={iterations}', f'train_dataloader.batch_size={BATCH // processes}',
            'default_hooks.logger.interval=1', f'default_hooks.checkpoint.interval={ITERATIONS}']


def weights(folder: Path, data: Path, processes: int, extra: str) -> dict[str, torch.Tensor]:
    """Weights after a training."""
    done = subprocess.run([sys.executable, *arguments(folder, data, processes, ITERATIONS, extra)], capture_output=True,
                          text=True, env=environment(CUDA_VISIBLE_DEVICES=''))
    assert done.returncode == 0, done.stderr[-3000:]
    return read_checkpoint(folder / f'work_{processes}' / f'iter_{ITERATIONS}.pth')['ema_state_dict']


@pytest.mark.slow
@pytest.mark.parametrize('extra', ['', IMPORTANCE], ids=['switch', 'importance'])
def test_processes_train_as_one(data, tmp_path, extra):
    """Random crops, balance loss, clipping of gradients and AdamW included, whose steps are 1e-3."""
    alone = weights(tmp_path, data, 1, extra)
    for processes in (2, 4):
        together = weights(tmp_path, data, processes, extra)
        assert together.keys() == alone.keys()
        for key, value in alone.items():
            torch.testing.assert_close(together[key], value, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_a_killed_process_ends_the_others(data, tmp_path):
    command = arguments(tmp_path, data, 2, 100000)
    with started(*command, env=environment(CUDA_VISIBLE_DEVICES=''), stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: logged_losses(tmp_path / 'work_2'), process)
        ranks = [int(pid) for pid in Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text().split()]
        assert len(ranks) == 2
        os.kill(ranks[1], signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
    assert process.returncode
    assert not [pid for pid in ranks if Path(f'/proc/{pid}').exists()]
