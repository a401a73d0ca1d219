"""Folders of results: how they are paired, checked and scored."""
import numpy as np
import pytest
from PIL import Image

from isalux_mm.apis import evaluating
from isalux_mm.apis.evaluating import evaluate_folders, pair_files
from isalux_mm.evaluation.measures import psnr
from isalux_mm.evaluation.protocols import Protocol
from isalux_mm.evaluation.scoring import score_all

GT = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
FAST = ('PSNR', 'SSIM')


def save(path, samples=GT):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(samples).save(path)
    return path


@pytest.fixture
def folders(tmp_path):
    """Three results, each darker than the one before, with references; a second method that is lighter."""
    for k in range(3):
        save(tmp_path / f'gt/normal{k}.png')
        save(tmp_path / f'ours/{k}.png', GT // (k + 2))
        save(tmp_path / f'peer/low{k}.jpg', GT // (k + 1))
    return tmp_path


def names(pairs) -> dict:
    return {path.name: partner and partner.name for path, partner in pairs.items()}


def test_pairs_by_equal_names_first(tmp_path):
    for name in ('a/low1.png', 'a/1.png', 'a/low7.jpg', 'a/left.png', 'b/low1.webp', 'b/normal1.png', 'b/high7.png'):
        save(tmp_path / name)
    assert names(pair_files(tmp_path / 'a', tmp_path / 'b')) == {
        'low1.png': 'low1.webp', '1.png': 'normal1.png', 'low7.jpg': 'high7.png', 'left.png': None}


def test_pairs_keep_their_sub_folders(tmp_path):
    for name in ('a/s/1.png', 'a/t/1.png', 'b/t/1.png'):
        save(tmp_path / name)
    assert list(pair_files(tmp_path / 'a', tmp_path / 'b').values()) == [None, tmp_path / 'b/t/1.png']


def test_two_of_one_name_are_an_error(tmp_path):
    for name in ('a/1.png', 'a/1.jpg', 'b/1.png'):
        save(tmp_path / name)
    with pytest.raises(ValueError, match="two pictures of one folder share the name '1': 1.jpg and 1.png"):
        pair_files(tmp_path / 'a', tmp_path / 'b')
    assert len(evaluate_folders({'a': tmp_path / 'a'}, measures=['NIQE']).table.rows) == 2  # nothing to pair


def test_values_and_comparison(folders):
    found = evaluate_folders({'Ours': folders / 'ours', 'Peer': folders / 'peer'}, reference=folders / 'gt',
                             measures=FAST)
    expected = [psnr((GT // k) / 255, GT / 255) for k in (2, 3, 4)]
    assert found.table.values('Ours')['PSNR'] == pytest.approx(
        {f'normal{k}.png': value for k, value in enumerate(expected)}, abs=1e-9)
    assert found.summaries['Ours'][0].mean == pytest.approx(np.mean(expected))
    assert [c.measure for c in found.comparisons] == list(FAST)
    assert (found.comparisons[0].worse, found.comparisons[0].pictures) == (3, 3)
    assert found.missing == {'Ours': [], 'Peer': []} and not found.unmatched and not found.notes


def test_without_references_methods_are_compared_by_their_own_names(tmp_path):
    for k in range(2):
        save(tmp_path / f'a/{k}.png', np.kron(GT, np.ones((5, 7, 1), np.uint8)))
        save(tmp_path / f'b/{k}.jpg', np.kron(GT, np.ones((5, 7, 1), np.uint8)) // 2)
    found = evaluate_folders(dict(a=tmp_path / 'a', b=tmp_path / 'b'))
    assert found.measures == ('NIQE', ) and found.comparisons[0].pictures == 2


def test_what_has_no_partner_is_named(folders):
    save(folders / 'ours/stray.png')
    (folders / 'ours/1.png').unlink()
    found = evaluate_folders({'Ours': folders / 'ours', 'Peer': folders / 'peer'}, reference=folders / 'gt',
                             measures=FAST)
    assert found.unmatched == [f'{folders}/ours/stray.png has no reference']
    assert found.missing['Ours'] == [f'{folders}/gt/normal1.png'] and found.summaries['Ours'][0].pictures == 2
    assert found.notes == ['1 pictures have a value of one method alone and are not compared']


def test_nothing_pairs(folders):
    save(folders / 'other/x.png')
    with pytest.raises(ValueError, match='no result in .*ours has a partner of its name in .*other'):
        evaluate_folders({'Ours': folders / 'ours'}, reference=folders / 'other')


def test_another_size_is_an_error_before_anything_is_scored(folders, monkeypatch):
    save(folders / 'ours/1.png', GT[:20])
    monkeypatch.setattr(evaluating, 'score_all', None)
    message = r'(?s)1 pictures are of another size, which only a protocol may settle \(lol-v1, .*ours/1.png has 32x20, '
    with pytest.raises(ValueError, match=f'{message}its reference 32x24'):
        evaluate_folders({'Ours': folders / 'ours'}, reference=folders / 'gt')


def test_a_protocol_settles_sizes_and_refuses_what_it_does_not_know(folders, monkeypatch):
    rules = Protocol('', ('0', '1', '2'), (12, 16), original=(24, 32), resampled=(12, 16))
    monkeypatch.setitem(evaluating.PROTOCOLS, 'halved', rules)
    for k in range(3):
        save(folders / f'small/{k}.png', GT[::2, ::2])
    run = dict(reference=folders / 'small', measures=FAST, protocol='halved')
    assert evaluate_folders({'Ours': folders / 'ours'}, **run).summaries['Ours'][0].pictures == 3
    (folders / 'ours/1.png').unlink()
    with pytest.raises(ValueError, match='wants results of the 3 pictures 0, 1, 2; missing: 1'):
        evaluate_folders({'Ours': folders / 'ours'}, **run)
    with pytest.raises(ValueError, match='a protocol needs a folder of reference pictures'):
        evaluate_folders({'Ours': folders / 'ours'}, protocol='halved')
    with pytest.raises(ValueError, match="protocol must be one of .*'lol-v1'.*got 'lol'"):
        evaluate_folders({'Ours': folders / 'ours'}, protocol='lol')


def test_a_measure_without_value_is_noted(folders):
    found = evaluate_folders({'Ours': folders / 'ours'}, reference=folders / 'gt', measures=('PSNR', 'MS_SSIM'))
    assert found.summaries['Ours'][1].without == 3
    assert len(found.notes) == 1 and 'MS_SSIM has no value of 3 pictures, such as' in found.notes[0]


def test_interrupted_and_resumed(folders, monkeypatch):
    """What was finished is in the CSV; the rest is scored then, and it alone."""
    run = dict(reference=folders / 'gt', measures=FAST, csv_path=folders / 's.csv', workers=1)
    whole = evaluate_folders({'Ours': folders / 'ours'}, **run).table.rows

    def interrupted(tasks, *args, **options):
        yield from score_all(tasks[:2], *args, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluating, 'score_all', interrupted)
    with pytest.raises(FileExistsError, match=r's\.csv exists; overwrite'):
        evaluate_folders({'Ours': folders / 'ours'}, **run)
    with pytest.raises(KeyboardInterrupt):
        evaluate_folders({'Ours': folders / 'ours'}, **run, overwrite=True)
    asked = []
    monkeypatch.setattr(evaluating, 'score_all', lambda tasks, *args, **options: (
        asked.extend(task.image for task in tasks), score_all(tasks, *args, **options))[1])
    assert evaluate_folders({'Ours': folders / 'ours'}, **run, go_on=True).table.rows == whole
    assert asked == ['normal2.png']
    with pytest.raises(ValueError, match=r'other settings \(methods\)'):
        evaluate_folders({'Peer': folders / 'peer'}, **run, go_on=True)


def test_the_csv_is_written_on_the_way(folders, monkeypatch):
    monkeypatch.setattr(evaluating, 'SAVED_EVERY', 0.0)
    lines = []
    evaluate_folders({'Ours': folders / 'ours'}, reference=folders / 'gt', measures=FAST, csv_path=folders / 's.csv',
                     on_progress=lambda done, total: lines.append(
                         (done, total, (folders / 's.csv').exists() and (folders / 's.csv').read_text().count('\n'))))
    assert lines == [(1, 3, False), (2, 3, 2), (3, 3, 3)]


@pytest.mark.parametrize(('pictures', 'expected'), [(3, 1), (40, 3), (900, 4)])
def test_processes_by_the_number_of_pictures(folders, monkeypatch, pictures, expected):
    asked = []
    monkeypatch.setattr(evaluating, '_processors', lambda: 4)
    monkeypatch.setattr(evaluating, 'PICTURES_A_WORKER', 16 * 3 / pictures)  # three stand for so many
    monkeypatch.setattr(evaluating, 'score_all', lambda *a, workers: (asked.append(workers), (_ for _ in ()))[1])
    evaluate_folders({'Ours': folders / 'ours'}, reference=folders / 'gt', measures=FAST)
    assert asked == [expected]


@pytest.mark.slow
def test_the_dark_inputs_of_lol_v1(shared_data):
    """As the field's tables have them: PSNR 7.77, SSIM .195; with GT-mean 18.79 and .492 (ours, by another program)."""
    folder = shared_data / 'lol_v1/eval15'
    if not folder.is_dir():
        pytest.skip('no LOL-v1')
    found = evaluate_folders({'Input': folder / 'low'}, reference=folder / 'high', protocol='lol-v1', workers=1,
                             measures=('PSNR', 'SSIM', 'PSNR_GTmean', 'SSIM_GTmean'))
    means = [summary.mean for summary in found.summaries['Input']]
    assert means == pytest.approx((7.77, 0.195, 18.79, 0.492), abs=6e-3)
    assert means[1::2] == pytest.approx((0.195, 0.492), abs=6e-4)


@pytest.mark.parametrize('go_on', [False, True])
@pytest.mark.parametrize('place', ['gt/normal0.png', 'dark/low0.png', 'ours/1.png', 'peer/low2.jpg'])
def test_no_table_is_written_over_a_picture(folders, place, go_on):
    for k in range(3):
        save(folders / f'dark/low{k}.png', GT // 8)
    before = {path: path.read_bytes() for path in folders.rglob('*') if path.is_file()}
    with pytest.raises(ValueError, match='out must lead to other files than the inputs'):
        evaluate_folders({'Ours': folders / 'ours', 'Peer': folders / 'peer'}, reference=folders / 'gt',
                         low=folders / 'dark', measures=FAST, csv_path=folders / place, overwrite=True, go_on=go_on)
    assert {path: path.read_bytes() for path in folders.rglob('*') if path.is_file()} == before
