"""ExDarkDataset: samples, lighting, the split in meta and log, wrong files."""
import json
from pathlib import Path

import pytest
from mmengine.logging import MMLogger

pytest.importorskip('mmdet')

from isalux_mm.det.exdark import (
    EXDARK_CLASSES,
    EXDARK_IN_OUT,
    EXDARK_LIGHTING,
    EXDARK_SPLITS,
    ExDarkDataset,
    read_exdark_info,
)
from isalux_mm.registry import DATASETS

BOXES = {1: [('Cat', [10, 20, 30, 40]), ('Table', [0, 0, 5, 5])], 2: [('People', [1, 2, 3, 4])], 3: []}


def content(split: str = 'official', subset: str = 'train') -> dict:
    images = [
        dict(id=i, file_name=f'Cat/{i}.jpg', width=100, height=80, lighting=EXDARK_LIGHTING[i], in_out=EXDARK_IN_OUT[0])
        for i in BOXES
    ]
    rows = [(image, name, box) for image, boxes in BOXES.items() for name, box in boxes]
    return dict(
        info=dict(split=split, subset=subset),
        images=images,
        annotations=[
            dict(id=n, image_id=image, bbox=box, area=box[2] * box[3], iscrowd=0,
                 category_id=EXDARK_CLASSES.index(name) + 1) for n, (image, name, box) in enumerate(rows, 1)
        ],
        categories=[dict(id=n, name=name) for n, name in enumerate(EXDARK_CLASSES, 1)])


@pytest.fixture
def write(tmp_path):

    def write(data: dict | str) -> str:
        path = tmp_path / 'a.json'
        path.write_text(data if isinstance(data, str) else json.dumps(data))
        return str(path)

    return write


@pytest.fixture
def log(tmp_path) -> Path:
    """The log file of a new current logger."""
    MMLogger.get_instance(str(tmp_path), log_file=str(tmp_path / 'log'))
    return tmp_path / 'log'


def build(ann_file: str, **changes) -> ExDarkDataset:
    return DATASETS.build(dict(type='ExDarkDataset', ann_file=ann_file, data_prefix=dict(img='root'), **changes))


def test_names_are_those_of_the_official_list():
    """README of the ExDark repository: classes 1-12, lighting 1-10, indoor/outdoor 1-2."""
    assert (len(EXDARK_CLASSES), EXDARK_CLASSES[0], EXDARK_CLASSES[9], EXDARK_CLASSES[-1]) == (
        12, 'Bicycle', 'Motorbike', 'Table')
    assert (len(EXDARK_LIGHTING), EXDARK_LIGHTING[0], EXDARK_LIGHTING[5], EXDARK_LIGHTING[-1]) == (
        10, 'Low', 'Strong', 'Twilight')
    assert EXDARK_IN_OUT == ('Indoor', 'Outdoor')
    assert {name: sum(subsets.values()) for name, subsets in EXDARK_SPLITS.items()} == dict.fromkeys(
        ('official', '80/20', '80/20-ours'), 7363)


def test_samples(write):
    dataset = build(write(content()), test_mode=True)
    assert len(dataset) == 3
    first = dataset.get_data_info(0)
    assert first['img_path'] == 'root/Cat/1.jpg'
    assert (first['lighting'], first['in_out']) == ('Ambient', 'Indoor')
    assert [(i['bbox'], i['bbox_label']) for i in first['instances']] == [([10, 20, 40, 60], 5), ([0, 0, 5, 5], 11)]
    assert dataset.get_data_info(2)['instances'] == []
    assert dataset.metainfo['classes'] == EXDARK_CLASSES


@pytest.mark.parametrize('split, subset', [('official', 'val'), ('80/20', 'test'), ('80/20-ours', 'train')])
def test_split_is_named_in_meta_and_log(write, split, subset, log):
    dataset = build(write(content(split, subset)), test_mode=True)
    assert (dataset.metainfo['split'], dataset.metainfo['subset']) == (split, subset)
    assert f'ExDark, split {split}, {subset}: 3 images, 3 boxes, 0 boxes left out' in log.read_text()


def test_splits_do_not_mix(write):
    path = write(content('80/20', 'test'))
    assert build(path, metainfo=dict(split='80/20')).metainfo['split'] == '80/20'
    with pytest.raises(ValueError, match="metainfo.split must be '80/20', as .* says, got 'official'"):
        build(path, metainfo=dict(split='official'))


@pytest.mark.parametrize('box', [[100, 10, 5, 5], [-9, 10, 5, 5], [10, 10, 0.5, 5]])
def test_boxes_that_mmdet_leaves_out_are_counted(write, box, log):
    data = content()
    data['annotations'][0]['bbox'] = box
    dataset = build(write(data), test_mode=True)
    assert len(dataset.get_data_info(0)['instances']) == 1
    assert '2 boxes, 1 boxes left out' in log.read_text()


def changed(**changes) -> dict:
    return content() | changes


@pytest.mark.parametrize('data, message', [
    ('', 'the annotation file is empty'),
    ('{"images"', 'no JSON'),
    ('[]', 'expected a COCO file with images, got none'),
    (changed(images=[]), 'expected a COCO file with images, got none'),
    (changed(info={}), r'info must name split and subset, got \[\]'),
    (changed(info=dict(split='90/10', subset='train')), "split must be one of .*80/20.*, got '90/10'"),
    (changed(info=dict(split='80/20', subset='val')), r"subset must be one of \['test', 'train'\], got 'val'"),
    (changed(categories=[dict(id=1, name='Zebra')]), r"ExDark has the classes Bicycle, .*, got also \['Zebra'\]"),
])
def test_wrong_files(write, data, message):
    path = write(data)
    with pytest.raises(ValueError, match=message):
        read_exdark_info(path)
    with pytest.raises(ValueError, match=message):
        build(path)


def test_class_that_exdark_does_not_have(write):
    with pytest.raises(ValueError, match=r"metainfo.classes must be among Bicycle, .*, got \['Person'\]"):
        build(write(content()), metainfo=dict(classes=('Cat', 'Person')))


def test_image_without_lighting(write):
    data = content()
    del data['images'][0]['lighting']
    with pytest.raises(ValueError, match='lighting of Cat/1.jpg must be one of .*, got None'):
        build(write(data))
