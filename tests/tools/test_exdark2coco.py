"""ExDark to COCO: both formats, splits, every kind of fault, and the counts of the whole set."""
import hashlib
import json
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from loading import load_tool
from PIL import Image

pytest.importorskip('mmdet')

converter = load_tool('dataset_converters/exdark2coco')

HEADER = '% bbGt version=3\n'
HEADING = 'Name | Class | Light | In/Out | Train/Val/Test\n'
SIZE = (100, 80)  # width, height
LIST = [('2015_00001.png', '1 2 1 1'), ('2015_00002.JPG', '6 10 2 2'), ('2015_00003.jpeg', '11 6 2 3')]
BOXES = ['Bicycle 10 20 30 40', 'Cat 0 0 100 80', 'People 5.5 6 7 8']


class Folders:
    """A small ExDark on disk."""

    def __init__(self, root: Path):
        self.root, self.images, self.annotations = root, root / 'ExDark', root / 'ExDark_Annno'
        self.list, self.out = root / 'imageclasslist.txt', root / 'out'
        self.list.write_text(HEADING + ''.join(f'{name} {rest}\r\n' for name, rest in LIST))
        for (name, rest), box in zip(LIST, BOXES):
            folder = converter.EXDARK_CLASSES[int(rest.split()[0]) - 1]
            self.add_image(f'{folder}/{name}')
            self.annotate(f'{folder}/{name}.txt', HEADER + box + ' 0 0 0 0 0 0 0\n')

    def add_image(self, name: str) -> None:
        path = self.images / name
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = 'PNG' if path.suffix == '.png' else 'JPEG'
        Image.fromarray(np.zeros((*SIZE[::-1], 3), np.uint8)).save(path, kind)

    def annotate(self, name: str, text: str) -> None:
        path = self.annotations / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, *arguments: str, split: str = 'official', sizes: tuple[str, ...] | None = None) -> int:
        sizes = ('--images', str(self.images)) if sizes is None else sizes
        return converter.main(['--list', str(self.list), '--annotations', str(self.annotations), '--split', split,
                               '--out', str(self.out), *sizes, *arguments])

    def coco(self, name: str) -> dict:
        return json.loads((self.out / name).read_text())

    def account(self, slug: str = 'official') -> dict:
        return self.coco(f'{slug}_report.json')['account']


@pytest.fixture
def folders(tmp_path) -> Folders:
    return Folders(tmp_path)


def test_original_annotations(folders):
    assert folders.run('--strict') == 0
    train = folders.coco('official_train.json')
    assert train['info'] == dict(description='ExDark', split='official', subset='train')
    assert train['images'] == [dict(
        id=1, file_name='Bicycle/2015_00001.png', width=100, height=80, lighting='Ambient', in_out='Indoor',
        image_class='Bicycle')]
    assert train['annotations'] == [dict(
        id=1, image_id=1, bbox=[10, 20, 30, 40], category_id=1, area=1200, iscrowd=0, segmentation=[])]
    assert [c['name'] for c in train['categories']] == list(converter.EXDARK_CLASSES)
    val, test = folders.coco('official_val.json'), folders.coco('official_test.json')
    assert (val['images'][0]['id'], val['images'][0]['lighting'], val['images'][0]['in_out']) == (2, 'Twilight',
                                                                                                 'Outdoor')
    assert (test['annotations'][0]['bbox'], test['annotations'][0]['category_id']) == ([5.5, 6, 7, 8], 11)
    report = folders.coco('official_report.json')
    assert report['split'] == 'official' and report['account'] == {}
    assert report['counts']['boxes'] == dict(train=1, val=1, test=1)


@pytest.mark.parametrize('image, annotation', [
    ('2015_00001.PNG', '2015_00001.png.txt'), ('2015_00001.jpg', '2015_00001.JPEG.txt'),
    ('2015_00001.jpeg', '2015_00001.txt'),
])
def test_name_oddities(folders, image, annotation):
    """Case and suffix differ between list, image and annotation; the name on disk is what is written."""
    (folders.images / 'Bicycle/2015_00001.png').unlink()
    (folders.annotations / 'Bicycle/2015_00001.png.txt').unlink()
    folders.add_image(image)
    folders.annotate(annotation, HEADER + 'bicycle 1 2 3 4 0 0 0 0 0 0 0')
    assert folders.run('--strict') == 0
    train = folders.coco('official_train.json')
    assert train['images'][0]['file_name'] == image
    assert train['annotations'][0]['category_id'] == 1


@pytest.mark.parametrize('line, kept, reason', [
    ('Cat 90 70 20 20', [90, 70, 10, 10], 'box clipped to the image'),
    ('Cat -5 -5 15 25', [0, 0, 10, 20], 'box clipped to the image'),
    ('Cat 100 10 5 5', None, 'box dropped: outside the image'),
    ('Cat 10 -30 5 30', None, 'box dropped: outside the image'),
    ('Cat 10 10 0 5', None, 'box dropped: no area'),
    ('Cat 10 10 5 -5', None, 'box dropped: no area'),
    ('Cat 99.5 10 5 5', None, 'box dropped: under one pixel within the image'),
])
def test_faulty_boxes_are_counted_by_reason(folders, line, kept, reason):
    folders.annotate('Bicycle/2015_00001.png.txt', f'{HEADER}{line} 0 0 0 0 0 0 0\nCat 1 1 9 9 0 0 0 0 0 0 0\n')
    assert folders.run() == 0
    boxes = [a['bbox'] for a in folders.coco('official_train.json')['annotations']]
    assert boxes == ([kept] if kept else []) + [[1, 1, 9, 9]]
    account = folders.account()
    assert list(account) == [reason] and len(account[reason]) == 1
    assert '2015_00001.png.txt: Cat' in account[reason][0]


def test_strict_writes_nothing_where_something_was_changed(folders):
    folders.annotate('Bicycle/2015_00001.png.txt', HEADER + 'Cat 90 70 20 20 0 0 0 0 0 0 0')
    assert folders.run('--strict') == 1
    assert [p.name for p in folders.out.iterdir()] == ['official_report.json']


@pytest.mark.parametrize('text', ['', HEADER])
def test_empty_annotation_keeps_the_image(folders, text):
    folders.annotate('Bicycle/2015_00001.png.txt', text)
    assert folders.run() == 0
    train = folders.coco('official_train.json')
    assert len(train['images']) == 1 and train['annotations'] == []
    assert list(folders.account()) == ['image kept without boxes: empty annotation file']


@pytest.mark.parametrize('folder, name, reason', [
    ('annotations', 'Bicycle/2015_00001.png.txt', 'image left out: no annotation file'),
    ('images', 'Bicycle/2015_00001.png', 'image left out: no image file or size'),
])
def test_missing_file_leaves_the_image_out(folders, folder, name, reason):
    (getattr(folders, folder) / name).unlink()
    assert folders.run() == 0
    assert folders.coco('official_train.json')['images'] == []
    assert folders.account() == {reason: ['2015_00001.png']}


def test_annotation_of_an_unlisted_image_is_reported(folders):
    folders.annotate('Cat/2015_09999.jpg.txt', HEADER)
    folders.run()
    assert list(folders.account()) == ['annotation of an image that is not in the list']


def test_ignored_region_becomes_crowd(folders):
    folders.annotate('Bicycle/2015_00001.png.txt', HEADER + 'Cat 1 2 30 40 0 0 0 0 0 1 0')
    folders.run()
    assert folders.coco('official_train.json')['annotations'][0]['iscrowd'] == 1


def test_exif_turn_is_reported_and_the_stored_size_kept(folders):
    path = folders.images / 'Cat/2015_00002.JPG'
    exif = Image.Exif()
    exif[load_tool('dataset_converters/exdark_files').EXIF_ORIENTATION] = 6
    Image.fromarray(np.zeros((80, 100, 3), np.uint8)).save(path, exif=exif)
    folders.run()
    assert (folders.coco('official_val.json')['images'][0]['width'], len(folders.account())) == (100, 1)


@pytest.mark.parametrize('text, message', [
    (HEADER + 'Zebra 1 2 3 4 0 0 0 0 0 0 0', r"png\.txt:2: ExDark has the classes Bicycle, .*, got 'Zebra'"),
    (HEADER + 'Cat 1 2 3', r"png\.txt:2: expected 11 numbers, got 'Cat 1 2 3'"),
    (HEADER + 'Cat 1 2 x 4 0 0 0 0 0 0 0', r'png\.txt:2: expected 11 numbers'),
    ('Cat 1 2 3 4 0 0 0 0 0 0 0', r"png\.txt:1: expected '% bbGt version=3'"),
])
def test_unreadable_annotation_is_an_error(folders, text, message):
    folders.annotate('Bicycle/2015_00001.png.txt', text)
    with pytest.raises(ValueError, match=message):
        folders.run()


def test_all_that_cannot_be_read_is_named_at_once(folders):
    folders.annotate('Bicycle/2015_00001.png.txt', HEADER + 'Cat 1 2 3')
    (folders.images / 'Cat/2015_00002.JPG').write_text('no picture')
    with pytest.raises(ValueError, match=r'(?s)nothing is written:.*00002\.JPG: .*00001\.png\.txt:2: expected 11'):
        folders.run()
    assert not (folders.root / 'out').exists()


@pytest.mark.parametrize('line, message', [
    ('2015_00009.png 13 1 1 1', r'imageclasslist\.txt:5: expected "name class'),
    ('2015_00009.png 1 1 1', r'imageclasslist\.txt:5'),
    ('2015_00001.JPG 1 1 1 1', 'stands in the list twice'),
])
def test_faulty_list_is_an_error(folders, line, message):
    folders.list.write_text(folders.list.read_text() + line)
    with pytest.raises(ValueError, match=message):
        folders.run()


def test_two_files_for_one_image_are_an_error(folders):
    folders.add_image('2015_00001.jpg')
    with pytest.raises(ValueError, match='two files for the image 2015_00001'):
        folders.run()


def write_yolo(folders: Folders, line: str) -> None:
    for (name, _), text in zip(LIST, (line, '5 0.5 0.5 1 1', '')):
        folders.annotate(f'{Path(name).stem}.txt', text)


@pytest.fixture
def yolo(tmp_path) -> Folders:
    folders = Folders(tmp_path)
    folders.annotations = tmp_path / 'labels'
    write_yolo(folders, '0 0.25 0.5 0.3 0.5')
    return folders


@pytest.mark.parametrize('kind', ['images', 'csv', 'coco'])
def test_yolo_copies_with_sizes_from_anywhere(yolo, kind):
    """0.25 of 100 less half of 0.3 is 10; 0.5 of 80 less half of 0.5 is 20."""
    if kind == 'images':
        sizes = None
    elif kind == 'csv':
        path = yolo.root / 'sizes.csv'
        path.write_text('name,width,height\n' + ''.join(f'{name},100,80\n' for name, _ in LIST))
        sizes = ('--sizes', str(path))
    else:
        path = yolo.root / 'sizes.json'
        path.write_text(json.dumps(dict(images=[dict(file_name=name, width=100, height=80) for name, _ in LIST])))
        sizes = ('--sizes', str(path))
    assert yolo.run('--format', 'yolo', sizes=sizes) == 0
    assert yolo.coco('official_train.json')['annotations'][0]['bbox'] == [10, 20, 30, 40]
    assert yolo.coco('official_val.json')['annotations'][0]['bbox'] == [0, 0, 100, 80]


@pytest.mark.parametrize('line, message', [('12 .5 .5 .1 .1', 'class must be in 0 to 11, got 12'),
                                           ('0.5 .5 .5 .1 .1', 'class must be in 0 to 11, got 0.5'),
                                           ('1 .5 .5 .1', 'expected 5 numbers')])
def test_unreadable_yolo_line_is_an_error(yolo, line, message):
    write_yolo(yolo, line)
    with pytest.raises(ValueError, match=message):
        yolo.run('--format', 'yolo')


@pytest.mark.parametrize('sizes', [(), ('--count-only', '--images', 'x')])
def test_sizes_come_from_one_place(folders, sizes, capsys):
    with pytest.raises(SystemExit):
        folders.run(sizes=sizes)
    assert 'exactly one of --images, --sizes and --count-only' in capsys.readouterr().err


def test_paper_split_needs_its_lists(folders):
    with pytest.raises(ValueError, match='train=FILE and test=FILE'):
        folders.run(split='80/20')
    with pytest.raises(ValueError, match='lists belong to the split 80/20, got them with official'):
        folders.run('--lists', 'train=a')


def test_paper_split_from_lists(folders, capsys):
    train, test = folders.root / 'train.txt', folders.root / 'val.txt'
    train.write_text('2015_00001\nCat/2015_00002.jpg\n\n')
    test.write_text('2015_00003.jpeg\n')
    lists = ('--lists', f'train={train}', f'test={test}')
    assert folders.run(*lists, split='80/20') == 0
    content = folders.coco('80-20_train.json')
    assert content['info']['split'] == '80/20' and [i['id'] for i in content['images']] == [1, 2]
    assert 'train: 2 images (expected 5891)' in capsys.readouterr().out

    test.write_text('2015_00002\n')
    with pytest.raises(SystemExit):
        folders.run(*lists, split='80/20')
    assert '80-20_report.json exists; overwrite (--overwrite)' in capsys.readouterr().err
    lists = ('--overwrite', *lists)
    with pytest.raises(ValueError, match='in both train and test'):
        folders.run(*lists, split='80/20')
    test.write_text('2015_12345\n')
    with pytest.raises(ValueError, match=r"val\.txt:1: the official list has no image '2015_12345'"):
        folders.run(*lists, split='80/20')


@pytest.fixture(scope='module')
def exdark(shared_data) -> Path:
    folder = shared_data / 'exdark'
    if not (folder / 'labels_all.tar.gz').is_file():
        pytest.skip('no labels of the whole of ExDark')
    return folder


def test_own_split_is_stratified_and_fixed(exdark):
    entries = converter.read_list(exdark / 'imageclasslist.txt')
    subsets = converter.hashed_subsets(entries)
    assert Counter(subsets.values()) == converter.EXDARK_SPLITS['80/20-ours']
    for name in converter.EXDARK_CLASSES:
        keys = [key for key, entry in entries.items() if entry.image_class == name]
        assert abs(sum(subsets[key] == 'test' for key in keys) - len(keys) / 5) < 1
    backwards = converter.hashed_subsets(dict(reversed(entries.items())))
    assert backwards == subsets
    test = sorted(key for key, subset in subsets.items() if subset == 'test')
    fingerprint = hashlib.sha256(' '.join(test).encode()).hexdigest()[:16]
    assert fingerprint == '6c32d821f296f6e9'  # from a script of its own: published figures hang on it


def test_counts_of_the_whole_set(exdark, tmp_path):
    """Counted with shell tools in the image list and the label files: 7,362 images, 23,703 boxes."""
    with tarfile.open(exdark / 'labels_all.tar.gz') as archive:
        archive.extractall(tmp_path / 'labels', filter='data')
    assert converter.main(['--list', str(exdark / 'imageclasslist.txt'), '--annotations', str(tmp_path / 'labels'),
                           '--format', 'yolo', '--count-only', '--split', 'official', '--out', str(tmp_path)]) == 0
    assert not list(tmp_path.glob('official_t*'))
    report = json.loads((tmp_path / 'official_report.json').read_text())
    counts = report['counts']
    assert counts['images'] == dict(train=3000, val=1799, test=2563)
    assert counts['boxes'] == dict(train=10381, val=6205, test=7117)
    assert counts['class'] == dict(zip(converter.EXDARK_CLASSES, (
        1118, 1389, 1591, 706, 2925, 909, 2377, 1656, 1018, 1072, 7459, 1483)))
    assert counts['lighting'] == dict(zip(converter.EXDARK_LIGHTING, (
        375, 4709, 2076, 2020, 2883, 8673, 531, 1173, 166, 1097)))
    assert counts['in_out'] == dict(Indoor=8975, Outdoor=14728)
    account = report['account']
    assert account['image left out: no annotation file'] == ['2015_00391.JPG']
    assert len(account['image kept without boxes: empty annotation file']) == 1
    assert len(account['box clipped to the image']) == 51
    assert len(account) == 3  # no box is dropped
