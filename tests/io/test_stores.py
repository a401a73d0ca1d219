"""Folders elsewhere, by fsspec's file system in memory and one that is renamed into place."""
import sys
from pathlib import Path

import fsspec
import pytest

from isalux_mm.io import stores
from isalux_mm.io.stores import as_path, fetch, is_below, is_elsewhere, joined, pictures_in, store, there


@pytest.fixture
def memory():
    system = fsspec.filesystem('memory')
    for name in ('b.png', 'a.JPG', 'sub/c.webp', '.hidden.png', 'notes.txt', 'sub/.d.png'):
        system.pipe(f'/shelf/{name}', name.encode())
    yield system
    system.rm('/shelf', recursive=True)


@pytest.mark.parametrize(('place', 'elsewhere', 'path'), [
    ('s3://bucket/a', True, None), ('memory://a', True, None), ('file:///a/b', False, '/a/b'), ('a/b', False, 'a/b'),
    (Path('/a'), False, '/a')])
def test_what_lies_elsewhere(place, elsewhere, path):
    assert is_elsewhere(place) is elsewhere
    assert path is None or as_path(place) == Path(path)


@pytest.mark.parametrize(('address', 'folder', 'expected'), [
    ('s3://b/in/a', 's3://b/in', True), ('s3://b/in/a', 's3://b/in/', True), ('s3://b/inner', 's3://b/in', False),
    ('s3://b/in', 's3://b/in', False), ('s3://b/in/', 's3://b/in', False)])
def test_what_lies_below(address, folder, expected):
    assert is_below(address, folder) is expected


@pytest.mark.parametrize('address', ['memory://shelf', 'memory://shelf/'])
def test_pictures(memory, address):
    found = [joined(address, name) for name in ('a.JPG', 'b.png', 'sub/c.webp')]
    assert pictures_in(address) == found
    assert pictures_in(address, recursive=False) == found[:2]
    assert pictures_in('memory://shelf/b.png') == ['memory://shelf/b.png']
    assert there([*found, joined(address, 'x.png')], address) == set(found)
    assert there(['memory://none/x.png'], 'memory://none') == set()


def test_what_is_not_there(memory, tmp_path):
    with pytest.raises(FileNotFoundError, match='memory://none: no such file or folder'):
        pictures_in('memory://none')
    with pytest.raises(FileNotFoundError, match='memory://shelf/x.png: no such file'):
        fetch('memory://shelf/x.png', tmp_path / 'x.png')


@pytest.mark.parametrize('whole', [True, False])
def test_there_and_back(memory, tmp_path, monkeypatch, whole):
    """On a file system without whole writes by way of a draft."""
    monkeypatch.setattr(stores, 'WHOLE', {'memory'} if whole else set())
    fetch('memory://shelf/sub/c.webp', tmp_path / 'in/c.webp')
    assert (tmp_path / 'in/c.webp').read_bytes() == b'sub/c.webp'
    store(tmp_path / 'in/c.webp', 'memory://shelf/new/d.webp')
    assert memory.cat('/shelf/new/d.webp') == b'sub/c.webp'
    assert memory.find('/shelf/new') == ['/shelf/new/d.webp']


@pytest.mark.parametrize(('options', 'refused'), [
    ({}, True), (dict(same=True), True), (dict(overwrite=True), False)])
def test_what_is_there_stays(memory, tmp_path, options, refused):
    path = tmp_path / 'x.png'
    path.write_bytes(b'new')
    if refused:
        with pytest.raises(FileExistsError, match=r'memory://shelf/b.png exists; overwrite \(--overwrite\)'):
            store(path, 'memory://shelf/b.png', **options)
    else:
        store(path, 'memory://shelf/b.png', **options)
    assert memory.cat('/shelf/b.png') == (b'b.png' if refused else b'new')


def test_the_same_content_may_be_there(memory, tmp_path):
    (tmp_path / 'x.png').write_bytes(b'b.png')
    store(tmp_path / 'x.png', 'memory://shelf/b.png', same=True)
    with pytest.raises(FileExistsError):
        store(tmp_path / 'x.png', 'memory://shelf/b.png')


def test_a_write_that_fails_leaves_nothing(memory, tmp_path, monkeypatch):
    monkeypatch.setattr(stores, 'WHOLE', set())
    monkeypatch.setattr(type(memory), 'mv', lambda *args, **options: 1 / 0)
    (tmp_path / 'x.png').write_bytes(b'new')
    with pytest.raises(ZeroDivisionError):
        store(tmp_path / 'x.png', 'memory://shelf/new/x.png')
    assert not memory.find('/shelf/new')


def test_without_fsspec(monkeypatch):
    monkeypatch.setitem(sys.modules, 'fsspec', None)
    with pytest.raises(ImportError, match=r"pip install 'isalux-mm\[ray\]'"):
        pictures_in('s3://bucket')
