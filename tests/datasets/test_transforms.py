"""Transforms on pairs: the same pixels on both sides, brightness kept, chance that can be seeded."""
import numpy as np
import pytest
import torch
from skimage import data

from isalux_mm.datasets import transforms as t
from isalux_mm.registry import TRANSFORMS

SIZE = (37, 53)


@pytest.fixture
def pair():
    """Every pixel of `low` names its place; `gt` is one minus it."""
    low = np.arange(SIZE[0] * SIZE[1] * 3, dtype=np.float32).reshape(*SIZE, 3) / (SIZE[0] * SIZE[1] * 3)
    return dict(low=low, gt=1 - low)


@pytest.fixture
def chelsea():
    return data.chelsea().astype(np.float32) / 255


@pytest.mark.parametrize('config, shape', [
    (dict(type='PairedRandomCrop', crop_size=(16, 24)), (16, 24)),
    (dict(type='PairedRandomCrop', crop_size=50, pad_small=True), (50, 50)),
    (dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.5), SIZE),
    (dict(type='PairedRandomRotate90'), None),
    (dict(type='PairedResize', size=(20, 70)), (20, 70)),
    (dict(type='PairedResize', max_side=20), (14, 20)),
    (dict(type='RandomResizedView', size=(16, 16), crop_probability=0.3), (16, 16)),
    (dict(type='RandomResizedView', size=(16, 24), crop_probability=0.3, whole_probability=0.4), (16, 24)),
    (dict(type='PairedLandscape'), SIZE),
])
def test_both_sides_stay_aligned(config, shape, pair):
    transform = TRANSFORMS.build(dict(config, type=f'isalux_mm.{config["type"]}'))
    seen = set()
    for seed in range(8):
        np.random.seed(seed)
        out = transform(dict(pair))
        np.testing.assert_allclose(out['low'] + out['gt'], 1, atol=1e-5)
        assert out['low'].dtype == np.float32 and out['low'].shape[2] == 3
        assert out['img_shape'] == out['low'].shape[:2]
        assert shape is None or out['img_shape'] == shape
        seen.add(out['low'].tobytes())
    assert len(seen) > 1 or config['type'] in ('PairedResize', 'PairedLandscape')


def test_crops_are_windows_of_the_image_and_reach_its_corners(pair):
    crop, places = t.PairedRandomCrop(35), set()
    for seed in range(200):
        np.random.seed(seed)
        window = crop(dict(pair))['low']
        top, left = np.argwhere((pair['low'] == window[0, 0]).all(-1))[0]
        np.testing.assert_array_equal(window, pair['low'][top:top + 35, left:left + 35])
        places.add((int(top), int(left)))
    assert {p[0] for p in places} == {0, 1, 2} and {p[1] for p in places} >= {0, 18}


def test_a_crop_larger_than_the_image():
    with pytest.raises(ValueError, match='crop_size must fit the image, 37x53, got 64x64'):
        t.PairedRandomCrop(64)(dict(low=np.zeros((*SIZE, 3), np.float32)))


@pytest.mark.parametrize('horizontal, vertical, expected', [
    (1, 0, lambda x: x[:, ::-1]), (0, 1, lambda x: x[::-1]), (0, 0, lambda x: x)])
def test_flips(horizontal, vertical, expected, pair):
    np.testing.assert_array_equal(t.PairedRandomFlip(horizontal, vertical)(dict(pair))['gt'], expected(pair['gt']))


def test_quarter_turns_are_all_drawn(pair):
    turned = {k: np.rot90(pair['low'], k).tobytes() for k in range(4)}
    seen = set()
    for seed in range(40):
        np.random.seed(seed)
        out = t.PairedRandomRotate90()(dict(pair))['low']
        seen |= {k for k in turned if turned[k] == out.tobytes()}
    assert seen == {0, 1, 2, 3}


@pytest.mark.parametrize('size', [(150, 225), (100, 451), (97, 131), (300, 200), (450, 700), (600, 100)])
def test_resizing_keeps_the_mean(size, chelsea):
    """scikit-image's chelsea, 300x451; shrinking, growing, and one of each."""
    out = t.PairedResize(size=size)(dict(gt=chelsea))['gt']
    assert out.shape[:2] == size
    np.testing.assert_allclose(out.mean((0, 1)), chelsea.mean((0, 1)), atol=1e-3)
    assert out.min() >= 0 and out.max() <= 1


def test_small_images_are_not_enlarged_to_the_longest_side(pair):
    np.testing.assert_array_equal(t.PairedResize(max_side=100)(dict(pair))['low'], pair['low'])


def test_views_cover_the_stated_share_of_the_picture():
    """A picture whose values are its coordinates: the view's extent shows which window it was."""
    height, width = 240, 320
    rows, columns = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing='ij')
    picture = np.stack([rows, columns, rows], -1).astype(np.float32)
    view, shares = t.RandomResizedView((60, 60), fraction=(0.55, 1.0)), []
    for seed in range(100):
        np.random.seed(seed)
        out = view(dict(gt=picture))['gt']
        shares.append(np.ptp(out[..., 0]) * 60 / 59)
        across = np.ptp(out[..., 1]) * 60 / 59 * width / height
        assert across == pytest.approx(shares[-1], abs=0.02)  # squares stay squares
    assert 0.53 < min(shares) < 0.6 and 0.95 < max(shares) <= 1.01


def test_mixup_is_the_same_convex_mix_on_both_sides():
    mixup, others = t.PairedMixup(alpha=1.0, probability=1.0, max_cached=1), []
    for value in (0.0, 1.0):
        np.random.seed(3)
        image = np.full((4, 4, 3), value, np.float32)
        others.append(mixup(dict(low=image, gt=1 - image)))
    np.testing.assert_array_equal(others[0]['low'], 0)  # no partner yet
    low, gt = others[1]['low'], others[1]['gt']
    assert low.dtype == np.float32 and 0 < low[0, 0, 0] < 1 and np.ptp(low) == 0
    np.testing.assert_allclose(low + gt, 1, atol=1e-6)


def test_mixup_wants_equal_sizes():
    mixup = t.PairedMixup(probability=1.0)
    mixup(dict(low=np.zeros((4, 4, 3), np.float32), gt=np.zeros((4, 4, 3), np.float32)))
    out = mixup(dict(low=np.ones((5, 4, 3), np.float32), gt=np.ones((5, 4, 3), np.float32)))
    np.testing.assert_array_equal(out['low'], 1)


def test_packing(pair):
    packed = t.PackEnhanceInputs()(dict(pair, low_path='a.png', gt_path='b.png', ori_shape=(1, 2), img_shape=SIZE))
    sample = packed['data_samples']
    assert packed['inputs'].dtype == torch.float32 and packed['inputs'].shape == (3, *SIZE)
    np.testing.assert_array_equal(packed['inputs'].permute(1, 2, 0).numpy(), pair['low'])
    np.testing.assert_array_equal(sample.gt_img.permute(1, 2, 0).numpy(), pair['gt'])
    assert sample.metainfo == dict(low_path='a.png', gt_path='b.png', ori_shape=(1, 2), img_shape=SIZE)
    assert 'gt_img' not in t.PackEnhanceInputs()(dict(low=pair['low']))['data_samples']


@pytest.mark.parametrize('build, error, message', [
    (lambda: t.PairedRandomFlip(horizontal=2), ValueError, r'horizontal must be in \[0, 1\], got 2'),
    (lambda: t.PairedResize(), ValueError, 'exactly one of size and max_side'),
    (lambda: t.RandomResizedView((8, 8), fraction=(0.9, 0.5)), ValueError, r'got \(0.9, 0.5\)'),
    (lambda: t.PairedMixup(alpha=0), ValueError, 'alpha must be positive, got 0'),
    (lambda: t.PairedRandomFlip()(dict(img=1)), KeyError, 'PairedRandomFlip needs low or gt'),
    (lambda: t.PackEnhanceInputs()(dict(gt=1)), KeyError, 'PackEnhanceInputs needs low'),
])
def test_bad_arguments(build, error, message):
    with pytest.raises(error, match=message):
        build()


def test_upright_pictures_are_turned_to_landscape(pair):
    turned = t.PairedLandscape()(dict(low=np.ascontiguousarray(np.rot90(pair['low'], -1))))
    np.testing.assert_array_equal(turned['low'], pair['low'])
    assert turned['img_shape'] == SIZE
    np.testing.assert_array_equal(t.PairedLandscape()(dict(pair))['low'], pair['low'])


@pytest.mark.parametrize('options, area', [
    (dict(whole_probability=1.0), 36 * 54), (dict(crop_probability=1.0), 12 * 18)])
def test_views_of_the_whole_and_at_native_scale(options, area):
    """36x54 under a view of 12x18: the whole reduced by three keeps the mean exactly, a native crop is a window."""
    image = np.random.default_rng(0).random((36, 54, 3), dtype=np.float32)
    view = t.RandomResizedView((12, 18), **options)
    for seed in range(5):
        np.random.seed(seed)
        out = view(dict(gt=image))['gt']
        if area == image[..., 0].size:
            np.testing.assert_allclose(out, image.reshape(12, 3, 18, 3, 3).mean((1, 3)), atol=1e-5)
        else:
            top, left = np.argwhere((image == out[0, 0]).all(-1))[0]
            np.testing.assert_array_equal(out, image[top:top + 12, left:left + 18])


def test_kinds_of_views_come_in_their_shares():
    view, kinds = t.RandomResizedView((12, 18), fraction=(0.4, 0.9), crop_probability=0.5, whole_probability=0.3), []
    for seed in range(400):
        np.random.seed(seed)
        kinds.append(view.draw(36, 54)[2])
    assert np.mean(np.array(kinds) == 12) == pytest.approx(0.5, abs=0.08)
    assert np.mean(np.array(kinds) == 36) == pytest.approx(0.3, abs=0.07)


def test_kinds_of_views_must_leave_room():
    with pytest.raises(ValueError, match=r'whole_probability must be in \[0, 0.4\], got 0.5'):
        t.RandomResizedView((12, 18), crop_probability=0.6, whole_probability=0.5)
