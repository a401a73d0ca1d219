"""Datasets: the benchmarks' layouts, pairs by name, one clear error that lists every offender."""
from pathlib import Path

import numpy as np
import pytest
from mmengine.logging import MMLogger
from PIL import Image

from isalux_mm.datasets.image_datasets import (
    SHOWN,
    PairedImageDataset,
    PhotoDataset,
    UnpairedImageDataset,
    image_key,
    pair_key,
)
from isalux_mm.datasets.loading import LoadImages
from isalux_mm.datasets.transforms import PackEnhanceInputs
from isalux_mm.registry import DATASETS

BOTH = dict(low='low', gt='high')


def put(path: Path, size=(6, 4), value=100):
    """A flat picture of (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == '.npy':
        np.save(path, np.full((size[1], size[0], 3), value, np.uint8))
    else:
        Image.new('RGB', size, (value, value, value)).save(path)


def names(dataset, kind):
    return [Path(dataset.get_data_info(i)[f'{kind}_path']).name for i in range(len(dataset))]


@pytest.mark.parametrize('low, gt, prefix', [
    ('our485/low/2.png', 'our485/high/2.png', dict(low='our485/low', gt='our485/high')),  # LOL-v1
    ('Test/Low/low00690.png', 'Test/Normal/normal00690.png', dict(low='Test/Low', gt='Test/Normal')),  # LOL-v2-real
    ('Test/Low/r0a1t.png', 'Test/Normal/r0a1t.png', dict(low='Test/Low', gt='Test/Normal')),  # LOL-v2-synthetic
    ('input/pair1/0001.npy', 'GT/pair1/0001.npy', dict(low='input', gt='GT')),  # SDSD
    ('train/low_blur/0012/0003.png', 'train/high_sharp_scaled/0012/0003.png',
     dict(low='train/low_blur', gt='train/high_sharp_scaled')),  # LOL-Blur
    ('dark/Low_A.JPG', 'bright/High-a.png', dict(low='dark', gt='bright')),  # any two folders
])
def test_layouts(tmp_path, low, gt, prefix):
    put(tmp_path / low, value=10)
    put(tmp_path / gt, value=200)
    dataset = DATASETS.build(dict(
        type='isalux_mm.PairedImageDataset', data_root=str(tmp_path), data_prefix=prefix,
        pipeline=[LoadImages(), PackEnhanceInputs()]))
    sample = dataset[0]
    assert len(dataset) == 1
    assert sample['inputs'].shape == sample['data_samples'].gt_img.shape == (3, 4, 6)
    assert sample['inputs'].mean() * 255 == pytest.approx(10, abs=1)
    assert sample['data_samples'].gt_img.mean() * 255 == pytest.approx(200, abs=1)
    assert sample['data_samples'].low_path == str(tmp_path / low)
    assert sample['data_samples'].ori_shape == (4, 6)


@pytest.mark.parametrize('name, key', [
    ('low00690.png', '00690'), ('normal00690.png', '00690'), ('s1/High_7.jpg', 's1/7'), ('low.png', 'low'),
    ('r013t.png', 'r013t'), ('a.1.png', 'a.1'),
])
def test_pair_keys(name, key):
    assert pair_key(Path(name)) == key


def test_equal_names_go_before_prefixes(tmp_path):
    """'lowland' and 'highland' are two pictures, not two sides of 'land'."""
    for side in ('low', 'high'):
        for name in ('lowland', 'highland', 'scene.1', 'scene.2'):
            put(tmp_path / side / f'{name}.png')
    dataset = PairedImageDataset(str(tmp_path), BOTH)
    expected = ['highland.png', 'lowland.png', 'scene.1.png', 'scene.2.png']
    assert names(dataset, 'low') == names(dataset, 'gt') == expected


def test_scenes_are_chosen_by_name(tmp_path):
    for scene in ('pair1', 'pair11', 'pair2'):
        for side in ('low', 'high'):
            put(tmp_path / side / scene / '0001.png')
    folder = str(tmp_path)
    assert len(PairedImageDataset(folder, BOTH)) == 3
    held_out = PairedImageDataset(folder, BOTH, scenes=('pair1', 'pair2'))
    rest = PairedImageDataset(folder, BOTH, without_scenes=('pair1', 'pair2'))
    assert [Path(held_out.get_data_info(i)['low_path']).parent.name for i in range(2)] == ['pair1', 'pair2']
    assert [Path(rest.get_data_info(i)['low_path']).parent.name for i in range(len(rest))] == ['pair11']


CHOOSING = ('only', 'leave_out', 'scenes', 'without_scenes')


@pytest.fixture
def scenes(tmp_path):
    """Three scenes of a picture each, named as the scene is: every option that chooses by name can have the names."""
    for scene in ('7', 'pair13', 'pair1'):
        for side in ('low', 'high'):
            put(tmp_path / side / scene / f'{scene}.png')
    return str(tmp_path)


@pytest.mark.parametrize('option', CHOOSING)
def test_names_that_choose_may_be_whole_numbers(scenes, option):
    dataset = PairedImageDataset(scenes, BOTH, **{option: [7]})
    assert (names(dataset, 'low') == ['7.png']) == (option in ('only', 'scenes'))
    assert len(dataset) == (1 if option in ('only', 'scenes') else 2)


@pytest.mark.parametrize('option', CHOOSING)
@pytest.mark.parametrize('named', [['pair_13'], ['pair1', 'nope'], ('PAIR 1', ), [70]], ids=str)
def test_every_name_that_chooses_must_be_there(scenes, option, named):
    with pytest.raises(ValueError, match=rf'1 names in .*{option}.* have no .* in .*low:\n  ') as error:
        PairedImageDataset(scenes, BOTH, **{option: named})
    assert str(named[-1]).lower() in str(error.value).lower()


@pytest.mark.parametrize('option', CHOOSING)
@pytest.mark.parametrize('named', ['pair1', 'pair13', b'7', 7, dict(pair1=1), [None], [['pair1']], [1.5], [True]],
                         ids=str)
def test_what_chooses_is_a_list_of_names(scenes, option, named):
    with pytest.raises(ValueError, match=f'^{option} must be a list of .*names, got'):
        PairedImageDataset(scenes, BOTH, **{option: named})


@pytest.mark.parametrize('option', CHOOSING)
@pytest.mark.parametrize('name', ['pair1/pair1', 'low/7.png', ''])
def test_names_that_choose_are_no_paths(scenes, option, name):
    """The folder would be passed over: `pair1/0001` would be the 0001 of every scene."""
    with pytest.raises(ValueError, match=f'^{option} must hold names without their folders, got'):
        PairedImageDataset(scenes, BOTH, **{option: [name]})


@pytest.mark.parametrize('option', ['only', 'scenes'])
def test_a_choice_of_nothing_is_refused(scenes, option):
    with pytest.raises(ValueError, match=f'^{option} must be a list of 1 or more names'):
        PairedImageDataset(scenes, BOTH, **{option: []})


@pytest.mark.parametrize('option', ['leave_out', 'without_scenes'])
def test_leaving_out_nothing_reads_all_and_all_is_refused(scenes, option):
    assert len(PairedImageDataset(scenes, BOTH, **{option: []})) == 3
    with pytest.raises(ValueError, match='must leave an image, got none of .*low'):
        PairedImageDataset(scenes, BOTH, **{option: ['7', 'pair1', 'pair13']})


@pytest.mark.parametrize('option', ['scenes', 'without_scenes'])
def test_scenes_are_sub_folders_that_are_read(scenes, option):
    with pytest.raises(ValueError, match='recursive must be True where scenes or without_scenes are given'):
        PairedImageDataset(scenes, BOTH, recursive=False, **{option: ['pair1']})
    (Path(scenes) / 'low/empty').mkdir()
    with pytest.raises(ValueError, match='have no folder of images in .*low:\n  empty\nExpected: data/SDSD'):
        PairedImageDataset(scenes, BOTH, layout='Expected: data/SDSD', **{option: ['empty']})


@pytest.mark.parametrize('option', CHOOSING)
def test_absent_data_say_what_to_put_where_before_any_name_is_looked_up(scenes, option):
    for gt, error in (('nowhere', FileNotFoundError), ('bare', ValueError)):
        (Path(scenes) / 'bare').mkdir(exist_ok=True)
        with pytest.raises(error, match=r"data_prefix\['gt'\]: no .*Expected: data/SDSD"):
            PairedImageDataset(scenes, dict(low='low', gt=gt), layout='Expected: data/SDSD', **{option: ['7']})


def test_a_scene_lies_in_any_of_several_folders(tmp_path):
    for name in ('one/a/1.png', 'two/b/2.png', 'two/3.png'):
        put(tmp_path / name)
    both = dict(gt=['one', 'two'])
    assert names(PhotoDataset(str(tmp_path), both, scenes=['a', 'b']), 'gt') == ['1.png', '2.png']
    assert names(PhotoDataset(str(tmp_path), both, without_scenes=['a', 'b']), 'gt') == ['3.png']


def test_without_recursion_sub_folders_are_left_alone(tmp_path):
    for name in ('a.png', 'sub/b.png'):
        put(tmp_path / 'low' / name)
    assert names(UnpairedImageDataset(str(tmp_path), dict(low='low'), recursive=False), 'low') == ['a.png']
    assert len(UnpairedImageDataset(str(tmp_path), dict(low='low'))) == 2


def test_photographs_of_several_folders(tmp_path):
    put(tmp_path / 'one' / 'a.png')
    put(tmp_path / 'two' / 'a.png')
    dataset = PhotoDataset(str(tmp_path), dict(gt=['one', 'two']), [LoadImages()])
    assert len(dataset) == 2
    assert dataset[0]['gt'].shape == (4, 6, 3) and 'low' not in dataset[0]
    repeated = DATASETS.build(dict(type='RepeatDataset', dataset=dataset, times=3))
    assert len(repeated) == 6


def text(path):
    path.write_text('no picture')


def empty(path):
    path.write_bytes(b'')


def cut(path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:4000])


@pytest.fixture
def broken(tmp_path):
    """One good pair and four bad ones, each bad in its own way."""
    for name in ('good', 'text', 'empty', 'cut', 'size'):
        for side in ('low', 'high'):
            put(tmp_path / side / f'{name}.png', size=(64, 64))
    text(tmp_path / 'low' / 'text.png')
    empty(tmp_path / 'high' / 'empty.png')
    cut(tmp_path / 'low' / 'cut.png')
    put(tmp_path / 'high' / 'size.png', size=(32, 64))
    return tmp_path


def test_every_offender_is_listed_in_one_error(broken):
    put(broken / 'low' / 'single.png')
    with pytest.raises(ValueError) as error:
        PairedImageDataset(str(broken), BOTH)
    message = str(error.value)
    for line in ('5 unusable images', 'low/text.png: no readable picture',
                 'high/empty.png: the file is empty (0 bytes)', 'low/cut.png: no readable picture',
                 'low/size.png is 64x64', 'high/size.png is 32x64',
                 'low/single.png has no partner in gt'):
        assert line in message, line


def test_broken_images_are_left_out_on_request(broken, caplog):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    dataset = PairedImageDataset(str(broken), BOTH, skip_broken=True)
    logger.removeHandler(caplog.handler)
    assert names(dataset, 'low') == ['good.png']
    assert '4 images left out' in caplog.text and 'text.png' in caplog.text


def test_a_missing_partner_is_never_skipped(tmp_path):
    for name in ('low/a.png', 'high/a.png', 'high/b.png'):
        put(tmp_path / name)
    with pytest.raises(ValueError, match='1 unusable images:\n.*high/b.png has no partner in low'):
        PairedImageDataset(str(tmp_path), BOTH, skip_broken=True)


def test_nothing_but_broken_images(tmp_path):
    (tmp_path / 'low').mkdir()
    text(tmp_path / 'low' / 'a.png')
    with pytest.raises(ValueError, match='1 broken images, none is left'):
        UnpairedImageDataset(str(tmp_path), dict(low='low'), skip_broken=True)


def test_long_lists_are_cut_and_counted(tmp_path):
    for k in range(SHOWN + 3):
        put(tmp_path / 'low' / f'{k:02d}.png')
    put(tmp_path / 'high' / '00.png')
    with pytest.raises(ValueError, match=f'{SHOWN + 2} unusable images') as error:
        PairedImageDataset(str(tmp_path), BOTH)
    assert str(error.value).count('has no partner') == SHOWN and str(error.value).endswith('... and 2 more')


def test_ambiguous_names(tmp_path):
    for name in ('low/low7.png', 'low/Low_7.png', 'high/normal7.png'):
        put(tmp_path / name)
    with pytest.raises(ValueError, match="two images of one side share the name '0/7'"):
        PairedImageDataset(str(tmp_path), BOTH)


def test_missing_and_empty_folders_say_what_to_put_where(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"data_prefix\['low'\]: no folder .*low. Expected: data/LOL"):
        PairedImageDataset(str(tmp_path), BOTH, layout='Expected: data/LOL')
    for side in ('low', 'high'):
        (tmp_path / side).mkdir()
    put(tmp_path / 'low' / 'a.png')
    with pytest.raises(ValueError, match=r"data_prefix\['gt'\]: no image in .*high. Expected: data/LOL"):
        PairedImageDataset(str(tmp_path), BOTH, layout='Expected: data/LOL')


def test_wrong_kinds(tmp_path):
    with pytest.raises(ValueError, match=r"data_prefix must name \('low', 'gt'\), got \['low'\]"):
        PairedImageDataset(str(tmp_path), dict(low='low'))


def test_unequal_sizes_at_loading(tmp_path):
    put(tmp_path / 'a.png')
    put(tmp_path / 'b.png', size=(5, 4))
    with pytest.raises(ValueError, match=r'low and gt must have one size, got \(4, 6\) of .*a.png and \(4, 5\)'):
        LoadImages().transform(dict(low_path=str(tmp_path / 'a.png'), gt_path=str(tmp_path / 'b.png')))


def test_nothing_to_load_and_unknown_order():
    with pytest.raises(KeyError, match='LoadImages needs low_path or gt_path'):
        LoadImages().transform(dict(img_path='a.png'))
    with pytest.raises(ValueError, match="array_order must be one of .*, got 'grb'"):
        LoadImages(array_order='grb')


def test_real_pairs_and_photographs(shared_data):
    pairs = PairedImageDataset(str(shared_data / 'lol' / 'v2real_panel'), BOTH, [LoadImages()])
    assert len(pairs) == 6 and pairs[0]['low'].mean() < 0.3 * pairs[0]['gt'].mean()
    photos = PhotoDataset(str(shared_data / 'photos' / 'bsds500'), dict(gt=['holdout']))
    assert len(photos) == 100


@pytest.mark.parametrize('name', ['7', 'low7', 'normal7.png', 7])
def test_names_are_one_with_and_without_prefix_and_suffix(name):
    assert image_key(name) == '7'


@pytest.mark.parametrize('suffix', ['', '.png', '.JPG', '.npy', '.cr2'])
@pytest.mark.parametrize('name', ['scene', 'scene.1', 'scene.2', 'scene.png.1', 'frame.001', 'v1.2.10', '.5'])
def test_of_a_dotted_name_only_a_pictures_suffix_is_taken(name, suffix):
    assert image_key(name + suffix) == name


@pytest.mark.parametrize('ending', ['', '.png'])
@pytest.mark.parametrize('present', [('scene', 'scene.1', 'scene.2'), ('frame.001', 'frame.002')], ids=lambda p: p[0])
def test_every_dotted_name_chooses_itself_alone(tmp_path, present, ending):
    for name in present:
        put(tmp_path / 'low' / f'{name}.png')
    for name in present:
        chosen = UnpairedImageDataset(str(tmp_path), dict(low='low'), only=[name + ending])
        rest = UnpairedImageDataset(str(tmp_path), dict(low='low'), leave_out=[name + ending])
        assert names(chosen, 'low') == [f'{name}.png']
        assert sorted(names(rest, 'low') + names(chosen, 'low')) == sorted(f'{one}.png' for one in present)


@pytest.mark.parametrize('options, expected', [
    (dict(leave_out=[2, '11']), ['1.png', '3.png']), (dict(only=('3', 'low2')), ['2.png', '3.png']),
    (dict(only=[1, 2], leave_out=[2]), ['1.png'])])
def test_images_are_chosen_by_name(tmp_path, options, expected):
    for name in (1, 2, 3, 11):
        for side in ('low', 'high'):
            put(tmp_path / side / f'{name}.png')
    assert names(PairedImageDataset(str(tmp_path), BOTH, **options), 'low') == expected


def test_a_held_out_name_that_is_not_there(tmp_path):
    put(tmp_path / 'low' / '1.png')
    put(tmp_path / 'high' / '1.png')
    with pytest.raises(ValueError, match='1 names in only or leave_out have no image in .*low:\n  22'):
        PairedImageDataset(str(tmp_path), BOTH, leave_out=['22'])


@pytest.mark.parametrize('skip', [True, False])
def test_a_file_that_breaks_while_training(tmp_path, skip):
    """Another sample is drawn for it, and it is counted; or its name is the error."""
    for kind in ('low', 'high'):
        (tmp_path / kind).mkdir()
        for number in range(3):
            Image.fromarray(np.full((20, 24, 3), 10 * number, np.uint8)).save(tmp_path / kind / f'{number}.jpg')
    dataset = PairedImageDataset(str(tmp_path), dict(low='low', gt='high'), [LoadImages()], skip_broken=skip)
    (tmp_path / 'low/1.jpg').write_bytes(b'')
    if skip:
        assert Path(dataset[1]['low_path']).name in ('0.jpg', '2.jpg') and dataset.unread >= 1
    else:
        with pytest.raises(ValueError, match=r'low/1\.jpg'):
            dataset[1]
