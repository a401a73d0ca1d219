"""`isalux train` that is cut off, runs into numbers that are none, meets another training, or has no room."""
import errno
import itertools
import os
import re
import shutil
import signal
import subprocess
import tempfile
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from kills import kill_and_resume
from processes import PATIENCE, environment, started, wait_until
from small_training import ROOT, logged_losses, write_config, write_pairs

from isalux_mm.cli import main
from isalux_mm.engine.training import check_temporary_folder
from isalux_mm.engine.work_folder import DRAFT, LOCK, WorkFolderError, checkpoint_of, held
from isalux_mm.io.checkpoint_file import CheckpointError, read_checkpoint
from isalux_mm.io.whole_file import whole_path
from isalux_mm.models import MSELoss
from isalux_mm.registry import MODELS

EVERY = ('default_hooks.logger.interval=1', 'log_processor.window_size=1', 'default_hooks.checkpoint.save_best=None')
NOISY = "model['network']['ffn'] = dict(type='MoEFFN', gate=dict(type='NoisyTopKGate'))"
NUMBERS = itertools.count()


@MODELS.register_module()
class SometimesNoNumberLoss(MSELoss):
    """NaN at the calls that `wrong` names, by number."""

    def __init__(self, wrong: tuple, loss_weight: float = 1.0):
        super().__init__(loss_weight)
        self.wrong, self.calls = wrong, 0

    def forward(self, *args, **options):
        self.calls += 1
        return super().forward(*args, **options) * (float('nan') if self.calls in self.wrong else 1)


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    return write_pairs(tmp_path_factory.mktemp('data') / 'data', dict(our485=5, eval15=1))


def train(folder: Path, data: Path, *arguments, iterations: int = 6, interval: int = 2, options=(), extra='',
          work='work') -> int:
    """Trains in this process; each time under another name, of which mmengine keeps what it has built."""
    config = write_config(folder, data, f'durable_{next(NUMBERS)}')
    config.write_text(f'{config.read_text()}{extra}\n')
    return main(['train', str(config), '--work-dir', str(folder / work), *map(str, arguments), '--cfg-options', *EVERY,
                 f'train_cfg.max_iters={iterations}', f'train_cfg.val_interval={iterations}',
                 f'default_hooks.checkpoint.interval={interval}', *options])


@pytest.fixture(scope='module')
def whole(tmp_path_factory, data) -> Path:
    """A training of six iterations that nobody disturbed, with noisy gates, random crops and checkpoints kept."""
    folder = tmp_path_factory.mktemp('whole')
    assert train(folder, data, extra=NOISY, options=['default_hooks.checkpoint.max_keep_ckpts=2']) == 0
    return folder / 'work'


def test_last_checkpoint_is_a_name_and_nothing_else_is_left(whole):
    assert (whole / 'last_checkpoint').read_text().strip() == 'iter_6.pth'
    assert sorted(p.name for p in whole.glob('*.pth')) == ['iter_4.pth', 'iter_6.pth']
    assert not [p.name for p in whole.iterdir() if p.name.startswith('.') or p.name == LOCK]


@pytest.mark.parametrize('workers', [0, 2])
def test_a_resumed_run_has_the_same_logged_losses(whole, data, tmp_path, workers):
    """Of a folder that was moved, with another number of workers; bit for bit, and the weights at the end too."""
    shutil.copytree(whole, tmp_path / 'work', ignore=shutil.ignore_patterns('20*', 'iter_6.pth', 'last_checkpoint'))
    assert train(tmp_path, data, '--resume', extra=NOISY, options=[f'train_dataloader.num_workers={workers}']) == 0
    expected = logged_losses(whole)
    found = logged_losses(tmp_path / 'work')
    assert list(expected) == [1, 2, 3, 4, 5, 6] and list(found) == [5, 6]
    assert found == {number: expected[number] for number in found}
    assert len(set(expected.values())) == 6
    mine, theirs = (read_checkpoint(folder / 'iter_6.pth') for folder in (tmp_path / 'work', whole))
    for part in ('state_dict', 'ema_state_dict'):
        assert all(torch.equal(value, theirs[part][key]) for key, value in mine[part].items())


def test_losses_do_not_hang_on_the_number_of_workers(whole, data, tmp_path):
    assert train(tmp_path, data, extra=NOISY, options=['train_dataloader.num_workers=2'], iterations=3) == 0
    assert logged_losses(tmp_path / 'work') == {number: logged_losses(whole)[number] for number in (1, 2, 3)}


def test_the_seed_goes_with_the_checkpoint(data, tmp_path):
    assert train(tmp_path, data, '--seed', 5, iterations=4, work='whole') == 0
    assert train(tmp_path, data, '--seed', 5, iterations=2) == 0
    assert train(tmp_path, data, '--resume', iterations=4) == 0
    assert logged_losses(tmp_path / 'work') == logged_losses(tmp_path / 'whole')


class TestChoice:
    """What a training is resumed from."""

    @pytest.fixture
    def work(self, whole, tmp_path) -> Path:
        return Path(shutil.copytree(whole, tmp_path / 'work'))

    def test_a_moved_folder_is_enough(self, work, whole):
        (work / 'last_checkpoint').write_text(str(whole / 'iter_6.pth'))  # as mmengine writes it
        assert checkpoint_of(work) == work / 'iter_6.pth'

    @pytest.mark.parametrize('content', [None, '', 'iter_6.p', '/nowhere/iter_9.pth', 'https://host/iter_6.pth', '\0'])
    def test_without_a_true_note_the_newest_is_taken(self, work, content, capfd):
        (work / 'last_checkpoint').unlink() if content is None else (work / 'last_checkpoint').write_text(content)
        assert checkpoint_of(work) == work / 'iter_6.pth'

    @pytest.mark.parametrize('size', [0, 1000, -1])
    def test_a_damaged_one_is_passed_over_and_named(self, work, size, capfd):
        data = (work / 'iter_6.pth').read_bytes()
        (work / 'iter_6.pth').write_bytes(data[:size])
        assert checkpoint_of(work) == work / 'iter_4.pth'

    def test_none_is_whole(self, work):
        for path in work.glob('iter_*.pth'):
            path.write_bytes(b'')
        with pytest.raises(WorkFolderError, match=r'no checkpoint in .*work is whole: .*iter_4\.pth, iter_6\.pth'):
            checkpoint_of(work)

    def test_the_best_one_alone_is_none_to_go_on_from(self, work):
        for path in work.glob('iter_*.pth'):
            path.rename(work / f'best_PSNR_{path.name}')
        (work / 'last_checkpoint').unlink()
        assert checkpoint_of(work) is None

    def test_code_is_no_damage(self, work):
        class Trap:

            def __reduce__(self):
                return exec, ('1/0', )

        torch.save(dict(meta=Trap()), work / 'iter_6.pth')
        with pytest.raises(CheckpointError, match='builtins.exec'):
            checkpoint_of(work)

    def test_resume_never_starts_anew_over_checkpoints(self, work, data, tmp_path, capsys):
        for path in work.glob('iter_*.pth'):
            path.write_bytes(b'')
        assert train(tmp_path, data, '--resume') == 2
        assert 'no checkpoint' in capsys.readouterr().err

    def test_an_empty_folder_is_said(self, data, tmp_path, capsys):
        assert train(tmp_path, data, '--resume', iterations=1, work='fresh') == 0
        assert 'there is no checkpoint in' in capsys.readouterr().err


def test_the_old_best_of_another_folder_stays(data, tmp_path):
    """mmengine notes whole paths: the best checkpoint of the folder that a copy was made of would be removed."""
    best = ['default_hooks.checkpoint.save_best=PSNR', 'train_cfg.val_interval=1',
            'default_hooks.checkpoint.rule=greater']
    assert train(tmp_path, data, iterations=2, options=best, work='first') == 0
    first = sorted(p.name for p in (tmp_path / 'first').glob('*.pth'))
    shutil.copytree(tmp_path / 'first', tmp_path / 'work')
    assert train(tmp_path, data, '--resume', iterations=6, options=[*best, 'optim_wrapper.optimizer.lr=0.01']) == 0
    assert sorted(p.name for p in (tmp_path / 'first').glob('*.pth')) == first
    assert len(list((tmp_path / 'work').glob('best_*.pth'))) == 1


class TestNumbersThatAreNone:
    """NaN in the loss, in the gradient, in the weights."""
    WRONG = "model['losses']['loss_mse'] = dict(type='SometimesNoNumberLoss', wrong={})"

    def test_it_ends_with_what_a_user_needs(self, data, tmp_path, capsys):
        assert train(tmp_path, data, extra=self.WRONG.format([4])) == 1
        said = capsys.readouterr().err
        assert re.search(r'iteration 4: the loss is not finite \(loss nan, loss_mse nan, loss_balance 0\.\d+\)', said)
        assert len(re.findall(r'our485/low/\d\.png', said)) == 2 and len(re.findall(r'our485/high/\d\.png', said)) == 2
        assert [p.name for p in (tmp_path / 'work').glob('iter_*.pth')] == ['iter_2.pth']
        assert logged_losses(tmp_path / 'work').keys() == {1, 2, 3}

    def test_it_is_skipped_and_counted_by_option(self, data, tmp_path, caplog):
        assert train(tmp_path, data, '--not-finite', 'skip', extra=self.WRONG.format([2, 4])) == 0
        state = read_checkpoint(tmp_path / 'work/iter_6.pth')['state_dict']
        assert all(value.isfinite().all() for value in state.values())

    def test_skipping_without_end_ends(self, data, tmp_path, capsys):
        wrong = self.WRONG.format(list(range(2, 40)))
        assert train(tmp_path, data, '--not-finite', 'skip', iterations=20, extra=wrong) == 1
        assert '10 iterations in a row were skipped' in capsys.readouterr().err

    def test_a_gradient_that_is_none(self, data, tmp_path, capsys, monkeypatch):
        def infinite_slope(self, pred, target):
            return (pred - pred.detach()).abs().sum().sqrt()  # 0, with an infinite slope

        monkeypatch.setattr(MSELoss, 'forward', infinite_slope)
        assert train(tmp_path, data) == 1
        assert 'iteration 1: the gradient is not finite' in capsys.readouterr().err
        assert not list((tmp_path / 'work').glob('*.pth'))

    def test_weights_that_are_none_are_not_written(self, data, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr('isalux_mm.engine.checks.FiniteGuard.update_params', spoil)
        assert train(tmp_path, data) == 1
        assert 'iteration 2: the weights are not finite, so no checkpoint was written' in capsys.readouterr().err
        assert not list((tmp_path / 'work').glob('*.pth'))


def spoil(self, loss, *_: object) -> None:
    """A step that leaves a weight infinite."""
    with torch.no_grad():
        self.wrapper.param_groups[0]['params'][0].view(-1)[0] = float('inf')


class TestFolder:
    """One training in a folder, which can be written to and has room."""

    def test_another_training_is_refused(self, data, tmp_path, capsys):
        code = f'import sys\nfrom isalux_mm.engine.work_folder import held\nwith held({str(tmp_path / "work")!r}):\n' \
               '    print("held", flush=True)\n    sys.stdin.read()'
        with started('-c', code, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(), text=True) as other:
            assert other.stdout.readline() == 'held\n'
            assert train(tmp_path, data) == 2
            said = capsys.readouterr().err
            assert re.search(r'another training works in .*work \(process \d+\)', said) and said.count('\n') == 1
        with held(tmp_path / 'work'):  # killed, it holds nothing any more
            pass
        assert not (tmp_path / 'work' / LOCK).exists()

    def test_drafts_of_a_killed_training_go(self, tmp_path):
        with whole_path(tmp_path / 'iter_4.pth') as draft:
            assert DRAFT.fullmatch(draft.name)
            draft.rename(tmp_path / 'kept')
            (tmp_path / 'kept').rename(tmp_path / draft.name)
            name = draft.name
        (tmp_path / name).write_bytes(b'half')
        (tmp_path / '.mine').write_bytes(b'not ours')
        with held(tmp_path):
            assert sorted(p.name for p in tmp_path.iterdir()) == ['.mine', 'iter_4.pth', LOCK]

    def test_a_folder_that_is_none(self, data, tmp_path, capsys):
        (tmp_path / 'work').write_text('a file')
        assert train(tmp_path, data) == 2
        said = capsys.readouterr().err
        assert 'work cannot be written to' in said and said.count('\n') == 1

    def test_no_room_is_said_before_the_work(self, data, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr('shutil.disk_usage', lambda path: shutil._ntuple_diskusage(10**9, 10**9, 1000))
        assert train(tmp_path, data) == 2
        said = capsys.readouterr().err
        assert re.search(r'work has room for 0\.0 MiB, a checkpoint takes \d\.\d MiB', said)
        assert not logged_losses(tmp_path / 'work')

    def test_a_disk_that_fills_up_leaves_the_last_checkpoint(self, data, tmp_path, capsys, monkeypatch):
        replace, calls = os.replace, []

        def full(source, target):
            if str(target).endswith('.pth'):
                calls.append(target)
                if len(calls) > 1:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(source))
            replace(source, target)

        monkeypatch.setattr('os.replace', full)
        assert train(tmp_path, data, options=['default_hooks.checkpoint.max_keep_ckpts=1']) == 2
        assert re.search(r'No space left on device: .*work/iter_4\.pth', capsys.readouterr().err)
        assert sorted(p.name for p in (tmp_path / 'work').glob('*')) [-1] != LOCK
        assert [p.name for p in (tmp_path / 'work').rglob('*.pth')] == ['iter_2.pth']
        assert checkpoint_of(tmp_path / 'work').name == 'iter_2.pth'


def command(folder: Path, data: Path, *arguments: str, iterations: int, interval: int, options=()) -> list[str]:
    """The command line of a training in a process of its own."""
    config = folder / 'small.py'
    if not config.exists():
        write_config(folder, data, 'small')
    return [str(ROOT / 'tools/train.py'), str(config), '--work-dir', str(folder / 'work'), *arguments, '--cfg-options',
            *EVERY, f'train_cfg.max_iters={iterations}', f'train_cfg.val_interval={iterations}',
            f'default_hooks.checkpoint.interval={interval}', 'default_hooks.checkpoint.max_keep_ckpts=1', *options]


@pytest.fixture
def short_folder():
    """A folder whose name leaves room for the sockets of data workers, which have 107 bytes; that of a test may not."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.slow
@pytest.mark.parametrize(('number', 'group'), [(signal.SIGTERM, False), (signal.SIGINT, True), (signal.SIGTERM, True)])
def test_a_training_that_is_asked_to_end_saves_first(data, tmp_path, short_folder, number, group):
    """Alone, and with its workers, as a terminal or a batch system does it."""
    arguments = command(tmp_path, data, iterations=100000, interval=100000, options=['train_dataloader.num_workers=2'])
    with started(*arguments, env=environment(TMPDIR=str(short_folder)), start_new_session=True, stderr=subprocess.PIPE,
                 stdout=subprocess.DEVNULL, text=True) as process:
        wait_until(lambda: len(logged_losses(tmp_path / 'work')) > 2, process)
        os.killpg(process.pid, number) if group else process.send_signal(number)
        said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 130, said[-2000:]
    done = int(re.search(r'after iteration (\d+); .*iter_\1\.pth is saved', said)[1])
    assert checkpoint_of(tmp_path / 'work').name == f'iter_{done}.pth'
    assert read_checkpoint(tmp_path / f'work/iter_{done}.pth')['meta']['iter'] == done
    assert not list(short_folder.iterdir()) and not (tmp_path / 'work' / LOCK).exists()


@pytest.mark.parametrize(('length', 'workers', 'fits'), [(75, 2, True), (76, 2, False), (76, 0, True)])
def test_a_folder_whose_sockets_would_have_no_name_is_said_at_the_start(monkeypatch, length, workers, fits):
    """107 bytes, by unix(7), less 32 of `/pymp-xxxxxxxx/listener-xxxxxxxx`."""
    monkeypatch.setattr(tempfile, 'tempdir', '/' + 'a' * (length - 1))
    with nullcontext() if fits else pytest.raises(ValueError, match='TMPDIR must have at most 75 bytes'):
        check_temporary_folder(workers)


@pytest.mark.slow
@pytest.mark.timeout(1500)  # a dozen trainings, one after the other
def test_kills_lose_nothing(tmp_path):
    """SIGKILL: `tests/tools/kills.py` prints the table of twenty."""
    kills, iterations, different = kill_and_resume(tmp_path, 4, 2)
    assert [kill.in_write for kill in kills].count(True) >= 2
    assert all(kill.resumed > 0 and kill.logged - kill.resumed <= 3 for kill in kills)
    assert different == 0 and iterations > 100
