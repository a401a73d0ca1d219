"""The one way to write a file: whole or not at all, with the rights of any new file, and no one else's file touched."""
import errno
import json
import os
import signal
import stat
import subprocess
import sys
import threading

import pytest
from processes import PATIENCE

from isalux_mm.io.whole_file import ENDING_SIGNALS, signals_interrupt, whole_file, whole_path, write_json, write_text


def entries(folder) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_the_file_appears_when_it_is_complete(tmp_path):
    target = tmp_path / 'new' / 'a.txt'
    with whole_file(target) as file:
        file.write(b'half')
        assert not target.exists()
    assert target.read_bytes() == b'half' and entries(target.parent) == ['a.txt']


@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt, SystemExit])
def test_what_was_there_stays_when_writing_fails(tmp_path, error):
    target = tmp_path / 'a.txt'
    target.write_text('before')
    with pytest.raises(error), whole_path(target, overwrite=True) as draft:
        draft.write_text('half')
        raise error
    assert target.read_text() == 'before' and entries(tmp_path) == ['a.txt']


def test_a_draft_never_is_a_file_that_was_there(tmp_path, monkeypatch):
    names = iter(['taken', 'free'])
    monkeypatch.setattr('isalux_mm.io.whole_file.secrets.token_hex', lambda count: next(names))
    (tmp_path / '.a-taken.txt').write_text('of somebody')
    write_text(tmp_path / 'a.txt', 'ours')
    assert (tmp_path / '.a-taken.txt').read_text() == 'of somebody' and (tmp_path / 'a.txt').read_text() == 'ours'


def refuse_links(monkeypatch) -> None:
    """Has hard links fail as on a file system that has none."""
    def link(*paths):
        raise OSError(errno.EPERM, 'Operation not permitted')
    monkeypatch.setattr(os, 'link', link)


def test_what_was_there_is_replaced_only_where_that_is_asked_for(tmp_path):
    target = tmp_path / 'a.txt'
    target.write_text('of somebody')
    with pytest.raises(FileExistsError, match=r'a\.txt exists; overwrite \(--overwrite\) makes it anew'):
        write_text(target, 'ours')
    assert target.read_text() == 'of somebody' and entries(tmp_path) == ['a.txt']
    write_text(target, 'ours', overwrite=True)
    assert target.read_text() == 'ours' and entries(tmp_path) == ['a.txt']


@pytest.mark.parametrize('links', [True, False], ids=['hard links', 'no hard links'])
def test_what_comes_while_a_file_is_written_stays(tmp_path, monkeypatch, links):
    if not links:
        refuse_links(monkeypatch)
    with pytest.raises(FileExistsError), whole_path(tmp_path / 'a.txt') as draft:
        draft.write_text('ours')
        (tmp_path / 'a.txt').write_text('of somebody')
    assert (tmp_path / 'a.txt').read_text() == 'of somebody' and entries(tmp_path) == ['a.txt']


def test_a_file_system_without_hard_links_will_do(tmp_path, monkeypatch):
    refuse_links(monkeypatch)
    write_text(tmp_path / 'a.txt', 'ours')
    assert (tmp_path / 'a.txt').read_text() == 'ours' and entries(tmp_path) == ['a.txt']

    def replace(*paths):
        raise OSError(errno.EIO, 'Input/output error')
    monkeypatch.setattr(os, 'replace', replace)
    with pytest.raises(OSError, match='Input/output error'):
        write_text(tmp_path / 'b.txt', 'ours')
    assert entries(tmp_path) == ['a.txt']


@pytest.mark.parametrize('make', [lambda path: path.mkdir(), os.mkfifo, lambda path: path.symlink_to(os.devnull)],
                         ids=['folder', 'pipe', 'device'])
def test_what_is_no_regular_file_is_never_replaced(tmp_path, make):
    make(tmp_path / 'a.txt')
    with pytest.raises((IsADirectoryError, FileExistsError)):
        write_text(tmp_path / 'a.txt', 'ours', overwrite=True)
    assert entries(tmp_path) == ['a.txt'] and not (tmp_path / 'a.txt').is_file()


def test_a_link_is_replaced_and_not_what_it_leads_to(tmp_path):
    (tmp_path / 'real.txt').write_text('of somebody')
    (tmp_path / 'a.txt').symlink_to('real.txt')
    with pytest.raises(FileExistsError):
        write_text(tmp_path / 'a.txt', 'ours')
    write_text(tmp_path / 'a.txt', 'ours', overwrite=True)
    assert (tmp_path / 'real.txt').read_text() == 'of somebody' and not (tmp_path / 'a.txt').is_symlink()


@pytest.mark.parametrize('name', ['図' * 83 + '.png', 'a' * 251 + '.png'], ids=['249 bytes of CJK', '251 of ASCII'])
def test_the_longest_names_are_written(tmp_path, name):
    with whole_path(tmp_path / name) as draft:
        assert len(os.fsencode(draft.name)) <= 255 and draft.suffix == '.png'
    assert entries(tmp_path) == [name]


SLEEPS = """
import os, signal, sys, threading, time
from isalux_mm.io.whole_file import signals_interrupt, whole_path
def rest():  # a signal that comes just ahead of a sleep is heard after it
    for _ in range(600):
        time.sleep(0.1)
def write():
    with whole_path(sys.argv[1]) as draft:
        draft.write_text('half')
        print('ready', flush=True)
        rest()
"""
IN_A_THREAD = 'with signals_interrupt():\n    threading.Thread(target=write, daemon=True).start()\n    rest()\n'


@pytest.mark.skipif(os.name != 'posix', reason='signals of POSIX')
@pytest.mark.parametrize('number', ENDING_SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize('ending', ['write()', IN_A_THREAD], ids=['main thread', 'another thread'])
def test_a_signal_that_ends_the_process_leaves_nothing(tmp_path, number, ending):
    with subprocess.Popen([sys.executable, '-c', SLEEPS + ending, tmp_path / 'a.txt'], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout.readline() == 'ready\n' and len(entries(tmp_path)) == 1
        process.send_signal(number)
        code = process.wait(60)
    assert not entries(tmp_path)
    assert code == (-number if ending == 'write()' or number == signal.SIGINT else -signal.SIGINT)


@pytest.mark.skipif(os.name != 'posix', reason='signals of POSIX')
def test_handlers_are_put_back_and_those_of_others_are_left(tmp_path, monkeypatch):
    def own(number, frame):
        raise AssertionError

    before = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    try:
        signal.signal(signal.SIGTERM, own)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup has it
        with whole_path(tmp_path / 'a.txt'), signals_interrupt():
            assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)) == (own, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with signals_interrupt():
            assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.skipif(os.name != 'posix', reason='access rights of POSIX')
@pytest.mark.parametrize('umask', [0o022, 0o027, 0o077])
def test_rights_are_those_of_any_new_file(tmp_path, umask):
    code = (f'import os; os.umask({umask}); from isalux_mm.io.whole_file import write_text\n'
            f'write_text({str(tmp_path / "a")!r}, "x"); open({str(tmp_path / "b")!r}, "w").close()')
    subprocess.run([sys.executable, '-c', code], check=True, timeout=PATIENCE)
    assert len({stat.S_IMODE((tmp_path / name).stat().st_mode) for name in 'ab'}) == 1


@pytest.mark.skipif(os.name != 'posix', reason='access rights of POSIX')
def test_the_umask_of_the_process_is_never_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(os, 'umask', lambda mask: pytest.fail('the umask belongs to every thread of the process'))
    write_text(tmp_path / 'a.txt', 'x')


def test_writers_of_one_name_do_not_meet(tmp_path):
    def write(text: str) -> None:
        for _ in range(20):
            write_text(tmp_path / 'a.txt', text * 1000, overwrite=True)

    threads = [threading.Thread(target=write, args=(letter, )) for letter in 'abc']
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set((tmp_path / 'a.txt').read_text()) in ({'a'}, {'b'}, {'c'}) and entries(tmp_path) == ['a.txt']


def test_json_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        write_json(tmp_path / 'a.json', {'a': object()})
    assert not entries(tmp_path)
    write_json(tmp_path / 'a.json', {'a': 1}, indent=1)
    assert json.loads((tmp_path / 'a.json').read_text()) == {'a': 1}
