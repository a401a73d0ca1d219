"""A part of a COCO set held out: no image on both sides, boxes with their images."""
import json

import pytest
from loading import load_tool

tool = load_tool('dataset_converters/split_coco')


def content(number):
    images = [dict(id=10 * i, file_name=f'{i}.jpg') for i in reversed(range(number))]
    return dict(images=images, annotations=[dict(id=i, image_id=10 * (i // 2)) for i in range(2 * number)],
                categories=[dict(id=1, name='person')])


def test_every_third_image_is_held_out_with_its_boxes():
    learn, choose = tool.split(content(7), 3)
    assert sorted(i['id'] for i in choose['images']) == [20, 50]
    assert sorted(a['image_id'] for a in choose['annotations']) == [20, 20, 50, 50]
    assert len(learn['images']) == 5 and len(learn['annotations']) == 10
    assert learn['categories'] == choose['categories']


def test_the_files(tmp_path, capsys):
    (tmp_path / 'all.json').write_text(json.dumps(content(8)))
    assert tool.main([str(tmp_path / 'all.json'), '--out', str(tmp_path / 'out')]) == 0
    sizes = [len(json.loads((tmp_path / f'out/{name}.json').read_text())['images']) for name in ('learn', 'choose')]
    assert sizes == [6, 2] and 'choose.json: 2 images, 4 boxes' in capsys.readouterr().out


@pytest.mark.parametrize(('name', 'record'), [('images', dict(file_name='a.jpg')), ('annotations', dict(id=1)),
                                              ('images', 'a.jpg')], ids=str)
def test_a_record_that_states_too_little(tmp_path, capsys, name, record):
    broken = content(8)
    broken[name].insert(2, record)
    (tmp_path / 'all.json').write_text(json.dumps(broken))
    with pytest.raises(SystemExit):
        tool.main([str(tmp_path / 'all.json'), '--out', str(tmp_path / 'out')])
    assert f'got {name}[2] = {record}' in capsys.readouterr().err and not (tmp_path / 'out').exists()


@pytest.mark.parametrize(('number', 'every', 'message'), [(3, 4, 'at least 4 images'), (3, 1, 'at least 2, got 1')])
def test_wrong_use(number, every, message):
    with pytest.raises(ValueError, match=message):
        tool.split(content(number), every)
