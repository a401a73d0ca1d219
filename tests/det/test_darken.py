"""Darkness in mmdet pipelines and on disk: deterministic, the reference in step with the image."""
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from loading import load_tool
from mmcv.transforms import Compose

pytest.importorskip('mmdet')

from mmdet.utils import register_all_modules

from isalux_mm.datasets.darkening import DarkenImage, darken, darkness_ranges
from isalux_mm.functional.degradation import seeded_generator
from isalux_mm.functional.development import srgb_to_linear
from isalux_mm.registry import TRANSFORMS

tool = load_tool('dataset_converters/darken_coco')
SIZE = (37, 53)  # height, width
GAIN_ALONE = dict(gain_jitter=0.0, shot=(1e-9, 1e-9), blurred_share=0.0)
register_all_modules(init_default_scope=False)


def photograph(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).uniform(40, 255, (5, 7, 3)).astype(np.float32)
    return cv2.resize(coarse, SIZE[::-1]).astype(np.uint8)


@pytest.fixture
def coco(tmp_path) -> Path:
    """A bright COCO set of six images, one of them in a folder of its own."""
    (tmp_path / 'images' / 'sub').mkdir(parents=True)
    images = []
    for i in range(6):
        name = f'sub/{i}.png' if i == 5 else f'{i}.png'
        cv2.imwrite(str(tmp_path / 'images' / name), photograph(i))
        images.append(dict(id=10 + i, file_name=name, height=SIZE[0], width=SIZE[1]))
    box = dict(id=1, image_id=10, bbox=[5, 6, 20, 10], area=200, category_id=1, iscrowd=0)
    (tmp_path / 'bright.json').write_text(json.dumps(dict(
        images=images, annotations=[box], categories=[dict(id=1, name='cat')])))
    return tmp_path


def run_tool(coco: Path, out: str, *arguments: str) -> Path:
    tool.main(['--annotations', str(coco / 'bright.json'), '--images', str(coco / 'images'),
               '--out', str(coco / out), '--workers', '1', *arguments])
    return coco / out


def sample(coco: Path, number: int = 0) -> dict:
    return dict(img_path=str(coco / 'images' / f'{number}.png'), img_id=10 + number, height=SIZE[0], width=SIZE[1],
                instances=[dict(bbox=[5, 6, 25, 16], bbox_label=0, ignore_flag=0)])


def pipeline(*steps: dict) -> Compose:
    return Compose([TRANSFORMS.build(step) for step in steps])


LOAD = (dict(type='LoadImageFromFile'), dict(type='mmdet.LoadAnnotations', with_bbox=True))
MOVE = (dict(type='mmdet.Resize', scale=(106, 80), keep_ratio=True), dict(type='mmdet.RandomFlip', prob=1.0))
PAD = dict(type='mmdet.Pad', size_divisor=32, pad_val=dict(img=(114, 114, 114)))
DARK = dict(type='DarkenImage', gain=0.02, seed=0)
PACK = dict(type='PackDarkDetInputs')


def test_gain_is_a_gain_in_linear_light():
    image = photograph(0)
    dark, draw = darken(image, darkness_ranges(GAIN_ALONE, gain=0.25), seeded_generator(0, '1'))
    assert draw.stops == -2  # log2 of 0.25
    ratio = srgb_to_linear(dark / np.float32(255)) / srgb_to_linear(image / np.float32(255))
    assert np.median(ratio) == pytest.approx(0.25, abs=0.005)
    assert np.percentile(np.abs(ratio - 0.25), 99) < 0.03  # 8 bits


@pytest.mark.parametrize('options, message', [
    (dict(gain=0.0), r'gain must be in \(0, 1\], got 0.0'),
    (dict(gain=1.5), r'gain must be in \(0, 1\], got 1.5'),
    (dict(gain=0.1, ranges=dict(stops=(-3, -1))), r"ranges must not hold it, got \['stops'\]"),
])
def test_wrong_levels(options, message):
    with pytest.raises(ValueError, match=message):
        DarkenImage(**options)


def test_same_darkness_for_id_and_seed_and_another_for_others():
    image = photograph(0)

    def once(image_id: str, seed: int) -> np.ndarray:
        return darken(image, darkness_ranges(), seeded_generator(seed, image_id))[0]

    first = once('10', 0)
    np.testing.assert_array_equal(first, once('10', 0))
    assert (first != once('11', 0)).any() and (first != once('10', 1)).any()


def test_seed_in_the_pipeline_ignores_the_global_state(coco):
    steps = pipeline(LOAD[0], dict(type='DarkenImage', seed=3))
    np.random.seed(0)
    first = steps(sample(coco))['img']
    np.random.seed(1)
    np.testing.assert_array_equal(first, steps(sample(coco))['img'])
    free = pipeline(LOAD[0], dict(type='DarkenImage'))
    assert (free(sample(coco))['img'] != free(sample(coco))['img']).any()


def test_reference_is_the_bright_image_moved_like_the_dark_one(coco):
    """The same pipeline without darkness gives the reference; boxes and meta do not change."""
    found = pipeline(*LOAD, *MOVE, DARK, PAD, PACK)(sample(coco))
    plain = pipeline(*LOAD, *MOVE, PAD, dict(type='mmdet.PackDetInputs'))(sample(coco))
    reference = found['data_samples'].reference_img
    assert reference.dtype == torch.uint8 and reference.shape == (3, 96, 128)
    torch.testing.assert_close(reference, plain['inputs'].flip(0))  # BGR to RGB; 74 x 106 and the padding of 114
    torch.testing.assert_close(found['data_samples'].gt_instances.bboxes.tensor,
                               plain['data_samples'].gt_instances.bboxes.tensor)
    assert found['data_samples'].img_shape == plain['data_samples'].img_shape

    dark = found['inputs'].flip(0)
    torch.testing.assert_close(dark[:, 74:], reference[:, 74:])  # padding is not made dark
    assert dark[:, :74, :106].float().mean() < 0.3 * reference[:, :74, :106].float().mean()
    assert np.corrcoef(dark[:, :74, :106].flatten(), reference[:, :74, :106].flatten())[0, 1] > 0.5
    assert not hasattr(plain['data_samples'], 'reference_img')


def test_channel_order():
    """White-balance gains act on R, G, B: the pipeline's BGR is turned for them, and back."""
    image, ranges = photograph(0), dict(gain_jitter=0.3)
    results = dict(img=image, img_id=1)
    DarkenImage(ranges, gain=0.5, seed=0).transform(results)
    rgb = np.ascontiguousarray(image[..., ::-1])
    expected = darken(rgb, darkness_ranges(ranges, gain=0.5), seeded_generator(0, '1'))[0]
    np.testing.assert_array_equal(results['img'][..., ::-1], expected)
    np.testing.assert_array_equal(results['reference_img'], image)
    swapped = darken(image, darkness_ranges(ranges, gain=0.5), seeded_generator(0, '1'))[0]
    assert (swapped != results['img']).any()


def test_float_images_keep_their_type():
    image = photograph(0)
    whole, real = dict(img=image, img_id=1), dict(img=image.astype(np.float32), img_id=1)
    for results in (whole, real):
        DarkenImage(seed=0).transform(results)
    assert real['img'].dtype == np.float32 and real['reference_img'].dtype == np.uint8
    np.testing.assert_array_equal(whole['img'], real['img'])


def test_reference_travels_to_the_device_with_the_sample(coco):
    sample_ = pipeline(*LOAD, DARK, PACK)(sample(coco))['data_samples']
    assert sample_.to(torch.device('meta')).reference_img.device.type == 'meta'


def test_places_that_are_wrong(coco):
    with pytest.raises(ValueError, match='DarkenImage must stand before Pad'):
        pipeline(*LOAD, PAD, DARK)(sample(coco))
    with pytest.raises(ValueError, match=r'reference_img must have the size of img before Pad'):
        pipeline(*LOAD, DARK, *MOVE, PACK)(sample(coco))
    with pytest.raises(KeyError, match='PackDarkDetInputs needs reference_img'):
        pipeline(*LOAD, PACK)(sample(coco))
    with pytest.raises(ValueError, match=r'img must be \(H, W, 6\), from LoadReferenceImage'):
        pipeline(*LOAD, dict(type='SplitReferenceImage'))(sample(coco))
    with pytest.raises(ValueError, match=r'img must be \(H, W, 3\), BGR, got \(4, 4\)'):
        DarkenImage().transform(dict(img=np.zeros((4, 4)), img_id=1))


def test_set_on_disk(coco):
    out = run_tool(coco, 'dark', '--gain', '0.05')
    bright, dark = json.loads((coco / 'bright.json').read_text()), json.loads((out / 'annotations.json').read_text())
    assert dark['annotations'] == bright['annotations'] and dark['categories'] == bright['categories']
    assert [i['id'] for i in dark['images']] == [10, 11, 12, 13, 14, 15]
    last = dark['images'][-1]
    assert last['file_name'] == 'sub/5.png'
    assert (out / last['reference']).resolve() == coco / 'images' / 'sub' / '5.png'
    assert last['degradation']['stops'] == pytest.approx(np.log2(0.05))
    assert dark['info']['darkened']['seed'] == 0
    for image in dark['images']:
        found = cv2.imread(str(out / 'images' / image['file_name']))
        assert found.shape == (*SIZE, 3) and found.mean() < 90


def test_disk_and_pipeline_give_the_same_pixels(coco):
    out = run_tool(coco, 'dark', '--gain', '0.05', '--seed', '4')
    steps = pipeline(LOAD[0], dict(type='DarkenImage', gain=0.05, seed=4, keep_reference=False))
    for number in range(3):
        results = steps(sample(coco, number))
        np.testing.assert_array_equal(results['img'], cv2.imread(str(out / 'images' / f'{number}.png')))
        assert 'reference_img' not in results


def test_parallel_and_resumed_runs_are_equal_to_one_run(coco):
    whole, other = run_tool(coco, 'a'), coco / 'b'
    other.mkdir()
    run_tool(coco, 'b', '--workers', '2')
    for name in ('1.png', 'sub/5.png'):
        (other / 'images' / name).unlink()
    (other / 'annotations.json').unlink()
    untouched = (other / 'images' / '0.png').stat().st_mtime_ns
    run_tool(coco, 'b')
    assert (other / 'images' / '0.png').stat().st_mtime_ns == untouched
    first, second = ({p.relative_to(f): p.read_bytes() for p in f.rglob('*.png')} for f in (whole, other))
    assert first == second and len(first) == 6
    assert (whole / 'annotations.json').read_text() == (other / 'annotations.json').read_text()


def test_other_settings_in_the_same_folder_are_an_error(coco):
    run_tool(coco, 'dark', '--gain', '0.05')
    run_tool(coco, 'dark', '--gain', '0.05')
    with pytest.raises(ValueError, match=r'begun with other settings \(gain, ranges, seed\)'):
        run_tool(coco, 'dark', '--gain', '0.1', '--seed', '1')


@pytest.mark.parametrize('change, message', [
    (dict(file_name='9.png'), 'expected an image of height and width'),
    (dict(height=99), r'expected an image of height and width \(99, 53\), got \(37, 53\)'),
    (dict(file_name='1.jpg'), 'would both be written to 1.png'),
    (dict(file_name='../1.jpg'), 'file_name must be a path below the image folder'),
])
def test_faulty_sets(coco, change, message):
    data = json.loads((coco / 'bright.json').read_text())
    data['images'][0].update(change)
    (coco / 'bright.json').write_text(json.dumps(data))
    with pytest.raises(ValueError, match=message):
        run_tool(coco, 'dark')
    assert not (coco / 'dark' / 'annotations.json').exists()


def test_an_image_that_fails_leaves_the_others(coco):
    """They are made, and a second run needs them no more; what is incomplete has no annotations."""
    (coco / 'images' / '1.png').rename(coco / 'images' / 'lost.png')
    with pytest.raises(ValueError, match=r'(?s)1 of 6 images failed, no annotations are written:.* 1\.png: .*got none'):
        run_tool(coco, 'dark')
    assert len(list((coco / 'dark/images').rglob('*.png'))) == 5
    (coco / 'images' / 'lost.png').rename(coco / 'images' / '1.png')
    run_tool(coco, 'dark')
    assert len(json.loads((coco / 'dark/annotations.json').read_text())['images']) == 6


def test_what_was_not_made_here_stays(coco):
    (coco / 'dark').mkdir()
    (coco / 'dark' / 'annotations.json').write_text('of somebody')
    with pytest.raises(FileExistsError, match='annotations.json is there, and was not made here'):
        run_tool(coco, 'dark')
    assert [p.name for p in (coco / 'dark').iterdir()] == ['annotations.json']


def test_reference_of_a_set_on_disk(coco):
    """Resized and flipped along with the dark image, from the path in the annotation file."""
    out = run_tool(coco, 'dark', '--gain', '0.05')
    ann_file = str(out / 'annotations.json')
    steps = pipeline(*LOAD, dict(type='LoadReferenceImage', ann_file=ann_file), *MOVE,
                     dict(type='SplitReferenceImage'), PAD, PACK)
    found = steps(sample(coco) | dict(img_path=str(out / 'images' / '0.png')))
    bright = pipeline(*LOAD, *MOVE, PAD, dict(type='mmdet.PackDetInputs'))(sample(coco))
    dark = pipeline(*LOAD, *MOVE, PAD, dict(type='mmdet.PackDetInputs'))(
        sample(coco) | dict(img_path=str(out / 'images' / '0.png')))
    torch.testing.assert_close(found['data_samples'].reference_img, bright['inputs'].flip(0))
    torch.testing.assert_close(found['inputs'], dark['inputs'])


def test_set_without_references_is_refused(coco):
    with pytest.raises(ValueError, match='expected a reference for every image, .* got none for 6 such as 0.png'):
        TRANSFORMS.build(dict(type='LoadReferenceImage', ann_file=str(coco / 'bright.json')))


@pytest.mark.parametrize('key', ['id', 'file_name', 'height', 'width'])
def test_a_record_that_states_too_little_is_told_before_any_work(coco, key):
    content = json.loads((coco / 'bright.json').read_text())
    del content['images'][3][key]
    (coco / 'bright.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r'bright.json: expected images with id, file_name, .*got images\[3\] = '):
        run_tool(coco, 'dark')
    assert not (coco / 'dark').exists()
