"""Scoring of single pictures, and of many in processes."""
import multiprocessing
import os
import signal
from contextlib import closing

import numpy as np
import pytest
from PIL import Image
from processes import environment, started, wait_until

from isalux_mm.evaluation import scoring
from isalux_mm.evaluation.measures import psnr
from isalux_mm.evaluation.protocols import Protocol
from isalux_mm.evaluation.scoring import Task, read_exact, score, score_all
from isalux_mm.io.images import write_image

RNG = np.random.default_rng(0)
GT = RNG.integers(0, 256, (24, 32, 3), dtype=np.uint8)


def save(path, samples):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(samples).save(path)
    return path


def make_task(folder, name='0.png', result=GT // 2, reference=GT) -> Task:
    return Task('ours', name, save(folder / 'out' / name, result), {'reference': save(folder / 'gt' / name, reference)})


def test_levels_are_exact(tmp_path):
    """float32's rounding of k / 255 would be off by 1e-8."""
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    image = read_exact(save(tmp_path / 'a.png', levels))
    assert image.dtype == np.float64 and (image == levels / 255).all()


def test_a_score(tmp_path):
    found = score(make_task(tmp_path), ('PSNR', 'PSNR_8bit', 'NIQE'))
    assert found.failure is None
    assert found.values['PSNR'] == found.values['PSNR_8bit'] == pytest.approx(psnr(GT // 2 / 255, GT / 255), abs=1e-12)
    assert np.isnan(found.values['NIQE']) and 'at least two blocks' in found.reasons['NIQE']


@pytest.mark.parametrize(('broken', 'message'), [
    ('out', 'out/0.png: no readable picture'), ('gt', 'gt/0.png: no readable picture')])
def test_broken_files_are_a_failure_and_no_error(tmp_path, broken, message):
    task = make_task(tmp_path)
    (tmp_path / broken / '0.png').write_bytes(b'\x89PNG and no more')
    found = score(task, ('PSNR', ))
    assert message in found.failure and not found.values


def test_sizes_must_agree_unless_a_protocol_settles_it(tmp_path):
    task = make_task(tmp_path, reference=GT[:12, 4:16])
    assert 'out/0.png: 32x24 pixels, reference 12x12' in score(task, ('PSNR', )).failure
    halved = Protocol('', None, (12, 12), original=(24, 32), resampled=(12, 16), window=(0, 2, 12, 12))
    assert score(task, ('PSNR', ), halved).failure is None


@pytest.mark.slow
def test_processes_give_the_same_values(tmp_path):
    tasks = [make_task(tmp_path, f'{k}.png', result=np.roll(GT, k, axis=0)) for k in range(7)]
    tasks[3].result.write_bytes(b'')
    alone, shared = ({s.task.image: (s.values, s.failure) for s in score_all(tasks, ('PSNR', 'SSIM'), workers=workers)}
                     for workers in (1, 2))
    assert alone == shared and len(alone) == 7 and 'empty' in alone['3.png'][1]


@pytest.mark.slow
def test_a_process_that_is_killed_is_an_error_and_none_is_left(tmp_path):
    large = RNG.integers(0, 256, (300, 400, 3), dtype=np.uint8)
    # large pictures: the loss of a process is noticed where no result is waiting
    tasks = [make_task(tmp_path, result=large // 2, reference=large)] * 300
    with closing(score_all(tasks, ('PSNR', 'SSIM'), workers=2)) as scores:
        next(scores)
        os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
        with pytest.raises(OSError, match='ended from outside'):
            list(scores)
    assert not multiprocessing.active_children()


def test_processes_end_with_their_parent(tmp_path):
    """However the parent went: the read end of a pipe stands for it."""
    ended = []
    ours, theirs = multiprocessing.Pipe()
    theirs.close()
    scoring._end_with(ours.fileno(), ended.append)
    assert ended == [1]


@pytest.mark.slow
def test_nothing_is_left_of_a_killed_evaluation(tmp_path):
    large = RNG.uniform(size=(400, 600, 3)).astype(np.float32)
    write_image(tmp_path / 'gt/0.png', large)
    for k in range(1, 200):
        (tmp_path / f'gt/{k}.png').hardlink_to(tmp_path / 'gt/0.png')
    command = ['-m', 'isalux_mm', 'evaluate', 'gt', '--reference', 'gt', '--workers', '2', '--quiet', '--csv', 's.csv']
    with started(*command, cwd=tmp_path, env=environment()) as process:
        wait_until(lambda: len(children(process.pid)) >= 2, process)
        workers = children(process.pid)
        process.kill()
        process.wait()
        wait_until(lambda: not any(os.path.exists(f'/proc/{pid}') for pid in workers))


def children(pid: int) -> list[int]:
    """Processes that another has started, where /proc tells."""
    path = f'/proc/{pid}/task/{pid}/children'
    if not os.path.exists(path):
        pytest.skip('no /proc that lists children')
    with open(path) as file:
        return [int(word) for word in file.read().split()]
