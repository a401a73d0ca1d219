"""The shell scripts that start a training on many GPUs: what they would run, by stand-ins in the path."""
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from processes import PATIENCE

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
ECHO = '#!/bin/sh\nfor word in "$(basename "$0")" "$@"; do printf "%s\\n" "$word"; done\n'


@pytest.fixture
def dry(tmp_path):
    """Runs a script with programs that print their words."""
    for name in ('srun', 'python'):
        (tmp_path / name).write_text(ECHO)
        (tmp_path / name).chmod(0o755)

    def run(script, *words, **environment):
        path = f'{tmp_path}{os.pathsep}{os.environ["PATH"]}'
        return subprocess.run(['bash', str(TOOLS / script), *words], capture_output=True, text=True, timeout=PATIENCE,
                              env={'PATH': path, **environment})

    return run


@pytest.mark.parametrize(('environment', 'gpus', 'per_node', 'cpus', 'further'), [
    ({}, 8, 8, 5, []), (dict(GPUS='4'), 4, 4, 5, []), (dict(GPUS='16', CPUS_PER_TASK='9'), 16, 8, 9, []),
    (dict(GPUS='16', GPUS_PER_NODE='4', SRUN_ARGS='--time=1:00 --qos=low'), 16, 4, 5, ['--time=1:00', '--qos=low'])])
def test_slurm(dry, environment, gpus, per_node, cpus, further):
    done = dry('slurm_train.sh', 'part', 'a job', 'configs/isalux_lol.py', 'work dir', '--amp', **environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        'srun', '--partition=part', '--job-name=a job', f'--gres=gpu:{per_node}', f'--ntasks={gpus}',
        f'--ntasks-per-node={per_node}', f'--cpus-per-task={cpus}', '--kill-on-bad-exit=1', *further, 'python', '-u',
        str(TOOLS / 'train.py'), 'configs/isalux_lol.py', '--work-dir', 'work dir', '--launcher', 'slurm', '--amp']


@pytest.mark.parametrize(('environment', 'expected'), [
    ({}, ['--nnodes=1', '--node_rank=0', '--master_addr=127.0.0.1', '--master_port=29500']),
    (dict(NNODES='2', NODE_RANK='1', MASTER_ADDR='host', PORT='1234'),
     ['--nnodes=2', '--node_rank=1', '--master_addr=host', '--master_port=1234'])])
def test_torchrun(dry, environment, expected):
    done = dry('dist_train.sh', 'configs/isalux_lol.py', '4', '--amp', **environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        'python', '-m', 'torch.distributed.run', *expected, '--nproc_per_node=4', str(TOOLS / 'train.py'),
        'configs/isalux_lol.py', '--launcher', 'pytorch', '--amp']


@pytest.mark.parametrize('script', ['slurm_train.sh', 'dist_train.sh'])
def test_too_few_words_show_the_use(dry, script):
    done = dry(script, 'one')
    assert done.returncode == 2 and f'tools/{script} ' in done.stderr and not done.stdout


@pytest.mark.skipif(shutil.which('shellcheck') is None, reason='shellcheck is not installed')
@pytest.mark.parametrize('script', sorted(path.name for path in TOOLS.glob('*.sh')))
def test_shellcheck(script):
    done = subprocess.run(['shellcheck', str(TOOLS / script)], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout
