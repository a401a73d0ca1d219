"""Names of results: in bytes, apart from each other, and apart from what is read."""
import os
from pathlib import Path

import pytest

from isalux_mm.io.names import beside, check_products, distinct, fitted, same_name


def paths(*names):
    return [Path(name) for name in names]


@pytest.mark.parametrize(('stem', 'ending', 'length'), [
    ('a', '.png', 5),
    ('a' * 300, '_explained.png', 255),
    ('図' * 100, '.png', 249 + 4),  # 83 characters of 3 bytes
    ('😀' * 100, '.png', 248 + 4),  # 62 of 4
    ('x' + 'e\u0301' * 100, '.png', 1 + 249 + 4),  # letters of 1 + 2 bytes, with their accents
])
def test_names_are_cut_by_bytes_between_characters(stem, ending, length):
    name = fitted(stem, ending)
    assert len(name.encode()) == length and name.endswith(ending)
    assert stem.startswith(name.removesuffix(ending)) and (stem[0] != 'x' or name.removesuffix(ending)[-1] == '\u0301')


def test_names_of_any_bytes_are_cut():
    stem = os.fsdecode(b'\xe9' * 300)
    assert os.fsencode(fitted(stem, '.png')) == b'\xe9' * 251 + b'.png'


@pytest.mark.parametrize(('one', 'other'), [
    ('A.PNG', 'a.png'), ('b/\u00e9.png', 'B/e\u0301.png'), ('Ä.jpg', 'a\u0308.jpg')])
def test_what_some_file_system_takes_for_the_same(one, other):
    assert same_name(Path(one)) == same_name(Path(other))


@pytest.mark.parametrize(('wanted', 'expected'), [
    (('a.png', 'b.png'), ('a.png', 'b.png')),
    (('a.png', 'A.png', 'a.PNG'), ('a.png', 'A_2.png', 'a_3.PNG')),
    (('a.png', 'a.png', 'a_2.png'), ('a.png', 'a_3.png', 'a_2.png')),
    (('s/a.png', 'S/a.png'), ('s/a.png', 'S/a_2.png')),
    (('x.png', 'x.png/b.png'), ('x_2.png', 'x.png/b.png')),  # a file, and a folder of its name
    (('e\u0301.png', '\u00e9.png'), ('e\u0301.png', '\u00e9_2.png')),
])
def test_distinct(wanted, expected):
    assert distinct(paths(*wanted)) == paths(*expected)


@pytest.mark.parametrize(('names', 'expected'), [
    (('a.jpg', 'b.png'), ('a_x.png', 'b_x.png')),
    (('a.jpg', 'a.png', 'b.png'), ('a.jpg_x.png', 'a.png_x.png', 'b_x.png')),
    (('a.jpg', 'A.png'), ('a.jpg_x.png', 'A.png_x.png')),
    (('s/a.jpg', 't/a.png'), ('s/a_x.png', 't/a_x.png')),
    (('a.jpg', 'a.png', 'a.jpg.tif'), ('a.jpg_x.png', 'a.png_x.png', 'a.jpg_x_2.png')),
])
def test_what_is_made_of_a_file_is_named_after_it(names, expected):
    assert beside(paths(*names), '_x.png') == paths(*expected)


def test_names_that_meet_by_being_cut_are_numbered():
    made = beside(paths('a' * 250 + '.jpg', 'a' * 251 + '.png'), '_explained.png')
    assert len(set(made)) == 2 and all(len(path.name) == 255 for path in made)


def test_nothing_that_is_read_is_written(tmp_path):
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in/a.png').write_text('of somebody')
    (tmp_path / 'link').symlink_to('in')
    (tmp_path / 'hard.png').hardlink_to(tmp_path / 'in/a.png')
    check_products([tmp_path / 'out/a.png', tmp_path / 'a.png'], [tmp_path / 'in/a.png'])
    for product in ('in/a.png', 'link/a.png', 'in/../in/a.png', 'hard.png'):
        with pytest.raises(ValueError, match='out must lead to other files than the inputs'):
            check_products([tmp_path / product], [tmp_path / 'in/a.png'])
    with pytest.raises(ValueError, match='two results would be written to one file'):
        check_products([tmp_path / 'in/b.png', tmp_path / 'link/b.png'], [])


def test_links_that_lead_to_each_other_are_no_error(tmp_path):
    (tmp_path / 'a.png').symlink_to('b.png')
    (tmp_path / 'b.png').symlink_to('a.png')
    check_products([tmp_path / 'a.png'], [tmp_path / 'c.png', Path('a' * 300)])
