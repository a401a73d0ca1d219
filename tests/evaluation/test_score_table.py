"""The CSV and what a resumed evaluation takes from it."""
import csv
import os

import pytest

from isalux_mm.evaluation.score_table import ScoreTable, resume, stamps_path
from isalux_mm.evaluation.scoring import Score, Task

MEASURES = ('PSNR', 'SSIM')
SETTINGS = dict(measures=list(MEASURES), protocol=None)


@pytest.fixture
def tasks(tmp_path) -> list[Task]:
    made = []
    for k in range(3):
        files = [tmp_path / f'{kind}{k}.png' for kind in ('result', 'reference')]
        for file in files:
            file.write_bytes(b'0' * (k + 1))
        made.append(Task('ours', f'{k}.png', files[0], {'reference': files[1]}))
    return made


@pytest.fixture
def saved(tmp_path, tasks):
    """A table of the first two pictures, in a file."""
    table = ScoreTable(MEASURES)
    for k, task in reversed(list(enumerate(tasks[:2]))):
        table.add(Score(task, dict(SSIM=1 / 3, PSNR=float('inf') if k else float('nan'))))
    table.save(tmp_path / 's.csv', SETTINGS)
    return tmp_path / 's.csv'


def test_the_csv(saved):
    with open(saved) as file:
        rows = list(csv.reader(file))
    assert rows == [['method', 'image', 'PSNR', 'SSIM'], ['ours', '0.png', 'nan', repr(1 / 3)],
                    ['ours', '1.png', 'inf', repr(1 / 3)]]


def test_values_come_back_to_the_last_digit(saved, tasks):
    table = resume(saved, SETTINGS, tasks, MEASURES)
    values = table.values('ours')
    assert values['SSIM'] == {'0.png': 1 / 3, '1.png': 1 / 3} and values['PSNR']['1.png'] == float('inf')
    before = saved.read_bytes(), stamps_path(saved).read_bytes()
    table.save(saved, SETTINGS)
    assert (saved.read_bytes(), stamps_path(saved).read_bytes()) == before


@pytest.mark.parametrize('kind', ['result', 'reference'])
def test_a_changed_file_is_scored_again(saved, tasks, kind):
    path = tasks[1].result if kind == 'result' else tasks[1].others['reference']
    os.utime(path, ns=(0, 0))
    assert set(resume(saved, SETTINGS, tasks, MEASURES).rows) == {('ours', '0.png')}


def test_rows_that_are_asked_for_no_more_are_dropped(saved, tasks):
    assert set(resume(saved, SETTINGS, tasks[1:], MEASURES).rows) == {('ours', '1.png')}


def test_nothing_there_is_a_start(tmp_path, tasks):
    assert not resume(tmp_path / 'none.csv', SETTINGS, tasks, MEASURES).rows


def test_other_settings_are_refused(saved, tasks):
    with pytest.raises(ValueError, match=r's.csv was made with other settings \(protocol\): resume with the same'):
        resume(saved, dict(SETTINGS, protocol='lol-v1'), tasks, MEASURES)


@pytest.mark.parametrize('content', [None, '{', '[]', '{"rows": []}'])
def test_settings_that_cannot_be_read(saved, tasks, content):
    if content is None:
        stamps_path(saved).unlink()
    else:
        stamps_path(saved).write_text(content)
    with pytest.raises(ValueError, match='s.csv cannot be resumed: its settings in s.csv.json cannot be read'):
        resume(saved, SETTINGS, tasks, MEASURES)
