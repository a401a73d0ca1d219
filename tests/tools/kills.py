"""Kills a training (SIGKILL) at random moments, resumes it, and compares it with one that nobody disturbed.

PYTHONPATH=.:tests python tests/tools/kills.py 20 10 prints the table of 20 kills, 10 of them inside a checkpoint write.
"""
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from processes import environment, started, wait_until
from small_training import ROOT, logged_losses, write_config, write_pairs

from isalux_mm.engine.work_folder import DRAFT, checkpoint_of
from isalux_mm.io.checkpoint_file import read_checkpoint

OPTIONS = ('default_hooks.logger.interval=1', 'log_processor.window_size=1', 'default_hooks.checkpoint.save_best=None',
           'default_hooks.checkpoint.interval=2', 'default_hooks.checkpoint.max_keep_ckpts=1',
           'train_dataloader.num_workers=1')
NOISY = "model['network']['ffn'] = dict(type='MoEFFN', gate=dict(type='NoisyTopKGate'))\n"
LONGEST = 12  # iterations between a start and the next kill
PATIENCE = 60  # seconds for a write to be met
LOOK = 0.0005  # seconds between two looks for one, which takes several thousandths


@dataclass(frozen=True)
class Kill:
    """One kill: the last iteration that was logged, whether a checkpoint was being written, and what was left."""
    logged: int
    in_write: bool
    left: str
    resumed: int


def arguments(folder: Path, name: str, iterations: int, *more: str) -> list[str]:
    """The command line of a training."""
    return [str(ROOT / 'tools/train.py'), str(folder / 'small.py'), '--work-dir', str(folder / name), *more,
            '--cfg-options', *OPTIONS, f'train_cfg.max_iters={iterations}', f'train_cfg.val_interval={iterations}']


def run(folder: Path, name: str, iterations: int, *more: str) -> None:
    """A training to its end."""
    done = subprocess.run([sys.executable, *arguments(folder, name, iterations, *more)], capture_output=True, text=True,
                          env=environment())
    assert done.returncode == 0, done.stderr[-2000:]


def drafts(work: Path) -> list[Path]:
    """Checkpoints that are being written."""
    return [path for path in work.iterdir() if DRAFT.fullmatch(path.name) and path.suffix == '.pth']


def one_kill(folder: Path, iterations: int, in_write: bool, chance: random.Random) -> Kill:
    """Starts or resumes the training, and kills it after a random number of iterations, where told within a write."""
    work = folder / 'cut'
    before = max(logged_losses(work), default=0)
    with started(*arguments(folder, 'cut', iterations, '--resume'), env=environment(), stdout=subprocess.DEVNULL,
                 stderr=subprocess.DEVNULL) as process:
        goal = before + chance.randint(1, LONGEST)
        wait_until(lambda: max(logged_losses(work), default=0) >= goal, process)
        if in_write:
            end = time.monotonic() + PATIENCE
            while not drafts(work) and time.monotonic() < end:
                time.sleep(LOOK)
        else:
            time.sleep(chance.random() * 0.2)
        process.kill()
        process.wait()
    found = checkpoint_of(work)
    return Kill(max(logged_losses(work), default=0), bool(drafts(work)),
                ' '.join(sorted(path.name for path in work.glob('[!.]*.pth'))),
                0 if found is None else read_checkpoint(found)['meta']['iter'])


def kill_and_resume(folder: Path, kills: int, in_write: int, seed: int = 0) -> tuple[list[Kill], int, int]:
    """Kills, resumes and compares.

    Args:
        folder: to work in.
        kills: how many there are in all.
        in_write: how many of these are to hit a checkpoint that is being written.
        seed: of the moments.

    Returns:
        The kills; the number of iterations; and how many of their losses, or tensors of the last checkpoint, differ
        from those of the training that was not cut off.
    """
    chance = random.Random(seed)
    write_pairs(folder / 'data', dict(our485=5, eval15=1))
    config = write_config(folder, folder / 'data', 'small')
    config.write_text(config.read_text() + NOISY)
    iterations = (kills + 2) * (LONGEST + 8)
    run(folder, 'whole', iterations)
    wanted = [True] * in_write + [False] * (kills - in_write)
    chance.shuffle(wanted)
    found = []
    for inside in wanted:
        found.append(one_kill(folder, iterations, inside, chance))
        while inside and not found[-1].in_write:  # the write was over before the kill came
            found[-1] = one_kill(folder, iterations, inside, chance)
    run(folder, 'cut', iterations, '--resume')
    mine, theirs = logged_losses(folder / 'cut'), logged_losses(folder / 'whole')
    assert list(theirs) == list(range(1, iterations + 1))
    first, second = (read_checkpoint(folder / name / f'iter_{iterations}.pth') for name in ('cut', 'whole'))
    tensors = [(first[part][key], value) for part in ('state_dict', 'ema_state_dict')
               for key, value in second[part].items()]
    different = sum(mine.get(number) != loss for number, loss in theirs.items())
    return found, iterations, different + sum(not torch.equal(*pair) for pair in tensors)


def main() -> None:
    """Prints the table."""
    kills, in_write = map(int, sys.argv[1:3])
    with tempfile.TemporaryDirectory() as folder:
        found, iterations, different = kill_and_resume(Path(folder), kills, in_write)
    print('| kill | iterations logged | in a write | whole files left | resumed from | run again |')
    print('|---|---|---|---|---|---|')
    for number, kill in enumerate(found, 1):
        print(f'| {number} | {kill.logged} | {"yes" if kill.in_write else "no"} | {kill.left} | {kill.resumed} | '
              f'{kill.logged - kill.resumed} |')
    print(f'{iterations} iterations, {different} losses or tensors at the end differ from the undisturbed run')


if __name__ == '__main__':
    main()
