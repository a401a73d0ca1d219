"""The one way to write a file: whole or not at all, with the rights of any new file, and no one else's file touched."""
import json
import os
import stat
import subprocess
import sys
import threading

import pytest

from isalux_mm.io.whole_file import whole_file, whole_path, write_json, write_text


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
    with pytest.raises(error), whole_path(target) as draft:
        draft.write_text('half')
        raise error
    assert target.read_text() == 'before' and entries(tmp_path) == ['a.txt']


def test_a_draft_never_is_a_file_that_was_there(tmp_path, monkeypatch):
    names = iter(['taken', 'free'])
    monkeypatch.setattr('isalux_mm.io.whole_file.secrets.token_hex', lambda count: next(names))
    (tmp_path / '.a-taken.txt').write_text('of somebody')
    write_text(tmp_path / 'a.txt', 'ours')
    assert (tmp_path / '.a-taken.txt').read_text() == 'of somebody' and (tmp_path / 'a.txt').read_text() == 'ours'


@pytest.mark.skipif(os.name != 'posix', reason='access rights of POSIX')
@pytest.mark.parametrize('umask', [0o022, 0o027, 0o077])
def test_rights_are_those_of_any_new_file(tmp_path, umask):
    code = (f'import os; os.umask({umask}); from isalux_mm.io.whole_file import write_text\n'
            f'write_text({str(tmp_path / "a")!r}, "x"); open({str(tmp_path / "b")!r}, "w").close()')
    subprocess.run([sys.executable, '-c', code], check=True, timeout=120)
    assert len({stat.S_IMODE((tmp_path / name).stat().st_mode) for name in 'ab'}) == 1


@pytest.mark.skipif(os.name != 'posix', reason='access rights of POSIX')
def test_the_umask_of_the_process_is_never_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(os, 'umask', lambda mask: pytest.fail('the umask belongs to every thread of the process'))
    write_text(tmp_path / 'a.txt', 'x')


def test_writers_of_one_name_do_not_meet(tmp_path):
    def write(text: str) -> None:
        for _ in range(20):
            write_text(tmp_path / 'a.txt', text * 1000)

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
