"""Files of the page: whose they are, how long they stay, and what is left of servers that were killed."""
import os
import signal
import subprocess
import tempfile

import pytest
from processes import environment, started, wait_until

from isalux_mm.apis.serve.vault import LOCK, PREFIX, Vault, page_folder, remove_dead_folders

pytest.importorskip('fcntl', reason='no file locks of this kind on this system')
HOLD = 'from isalux_mm.apis.serve.vault import page_folder\nwith page_folder() as f: print(f, flush=True); input()'


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    return tmp_path


def test_folders_of_killed_servers_go_at_the_next_start_and_those_of_running_ones_stay(temporary):
    options = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(TMPDIR=str(temporary)), text=True)
    with started('-c', HOLD, **options) as killed, started('-c', HOLD, **options) as running:
        names = [process.stdout.readline().strip() for process in (killed, running)]
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        (temporary / f'{PREFIX}strange').mkdir()  # none of ours: it has no lock
        (temporary / f'{PREFIX}link').symlink_to(temporary / 'elsewhere')
        assert os.path.exists(names[0])
        with page_folder() as folder:
            assert not os.path.exists(names[0]) and os.path.exists(names[1])
            assert {path.name for path in temporary.glob(f'{PREFIX}*')} == {
                f'{PREFIX}strange', f'{PREFIX}link', os.path.basename(names[1]), folder.name}
    wait_until(lambda: not folder.exists())


def test_the_folder_goes_and_the_environment_is_as_it_was(temporary, monkeypatch):
    monkeypatch.setenv('GRADIO_TEMP_DIR', 'before')
    with page_folder() as folder:
        assert os.environ['GRADIO_TEMP_DIR'] == str(folder)
        (folder / 'a').touch()
        remove_dead_folders(temporary)
        assert (folder / 'a').exists()
    assert os.environ['GRADIO_TEMP_DIR'] == 'before' and not folder.exists()


def test_the_same_content_may_be_two_visitors(tmp_path):
    vault, path = Vault(tmp_path), tmp_path / 'a.png'
    path.touch()
    for visitor in 'ab':
        vault.claim([path], visitor)
    vault.forget('a', keep=[])
    assert path.exists() and vault.may_use(path, 'b') and not vault.may_use(path, 'a')
    vault.forget('b', keep=[path])
    assert path.exists()
    vault.forget('b', keep=[])
    assert not path.exists()


def test_forgetting_leaves_the_others(tmp_path):
    vault = Vault(tmp_path)
    made = [vault.results_of(visitor) / 'a.png' for visitor in ('a', 'b', '')]
    for path in made:
        path.touch()
    vault.forget('a', keep=[])
    vault.forget('', keep=[])
    assert [path.exists() for path in made] == [False, True, True]
    assert not vault.may_use(made[2], ''), 'what is made without a cookie is nobody\'s'


def test_old_files_go_and_are_not_counted(tmp_path):
    vault = Vault(tmp_path)
    old, new = tmp_path / 'x' / 'old', tmp_path / 'y' / 'new'
    for path in (old, new):
        path.parent.mkdir()
        path.write_bytes(b'1234')
    os.utime(old, (0, 0))
    os.utime(old.parent, (0, 0))
    (tmp_path / LOCK).touch()
    os.utime(tmp_path / LOCK, (0, 0))
    vault.claim([old, new], 'a')
    assert vault.bytes() == 8
    vault.sweep(60)
    assert vault.bytes() == 4 and not old.exists() and new.exists() and (tmp_path / LOCK).exists()
    assert not vault.may_use(old, 'a') and vault.may_use(new, 'a')


def test_sessions_that_are_remembered_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr('isalux_mm.apis.serve.vault.SESSIONS', 2)
    vault = Vault(tmp_path)
    assert vault.may_join('1', 'a') and vault.may_join('2', 'a') and not vault.may_join('1', 'b')
    assert vault.may_join('3', 'a') and vault.may_join('2', 'b'), 'the oldest is forgotten'
