"""More than 500 hostile pictures through reader and dataset: read, or refused by a sentence; no crash, no leak."""
import os
import resource
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hostile_pictures import hostile_pictures

from isalux_mm.datasets import LoadImages
from isalux_mm.io.picture_file import ImageReadError, read_picture, read_size

MORE_MEMORY = 300  # MiB that the process may grow by at its peak; 38 were measured
KIB = 2**10


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    """Paths and what is to become of them."""
    folder = tmp_path_factory.mktemp('hostile')
    found = {}
    for name, content, becomes in hostile_pictures():
        (folder / name).write_bytes(content)
        found[folder / name] = becomes
    return found


def open_handles() -> int:
    return len(os.listdir('/proc/self/fd'))


def peak() -> float:
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB


def attempted(read, path):
    """What a function gives for a path, or the sentence with which it refuses."""
    try:
        return read(path)
    except ImageReadError as error:
        return str(error)


@pytest.mark.filterwarnings('ignore')
def test_every_one_is_read_or_refused_by_a_sentence(pictures):
    assert len(pictures) >= 500
    before, counts, wrong = peak(), Counter(), []
    for path, becomes in pictures.items():
        picture = attempted(read_picture, path)
        became = 'refused' if isinstance(picture, str) else 'read'
        counts[became] += 1
        if becomes not in (became, 'either'):
            wrong.append((path.name, became, picture))
        if became == 'read':
            assert np.isfinite(picture.image).all() and 0 <= picture.image.min() <= picture.image.max() <= 1
            assert picture.image.dtype == np.float32 and picture.image.shape[2] == 3
            assert picture.image.flags.c_contiguous
            assert picture.alpha is None or picture.alpha.shape == picture.image.shape[:2]
            assert picture.orientation in range(1, 9)
        else:
            assert picture.startswith(f'{path}: ') and len(picture.removeprefix(f'{path}: ')) > 10
    assert not wrong
    assert counts['read'] > 300 and counts['refused'] > 150
    assert peak() - before < MORE_MEMORY


@pytest.mark.filterwarnings('ignore')
def test_the_header_states_the_size_that_is_read(pictures):
    for path, becomes in pictures.items():
        size, picture = attempted(read_size, path), attempted(read_picture, path)
        if not isinstance(picture, str):
            assert size == picture.image.shape[:2], path.name
        elif isinstance(size, tuple):
            assert min(size) > 0 and becomes != 'read'


@pytest.mark.skipif(not Path('/proc/self/fd').is_dir(), reason='no /proc to count handles in')
@pytest.mark.filterwarnings('ignore')
def test_no_handle_stays_open(pictures):
    for path in list(pictures)[:5]:
        attempted(read_picture, path)  # what is loaded once
    before = open_handles()
    for path in pictures:
        attempted(read_picture, path)
        attempted(read_size, path)
    assert open_handles() <= before


@pytest.mark.filterwarnings('ignore')
def test_the_dataset_reads_and_refuses_the_same(pictures):
    load = LoadImages()
    for path, becomes in pictures.items():
        results = attempted(lambda path: load.transform(dict(low_path=path)), path)
        assert becomes in ('either', 'refused' if isinstance(results, str) else 'read')


def test_nothing_is_printed(pictures, capfd):
    """What a decoder has to say is in the sentence or in what is lost."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        for path in pictures:
            attempted(read_picture, path)
    assert capfd.readouterr() == ('', '')
