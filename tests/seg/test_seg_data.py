"""ACDC from its own layout; darkness and references in mmseg pipelines."""
import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import Compose

pytest.importorskip('mmseg')

from mmseg.datasets import CityscapesDataset
from mmseg.utils import register_all_modules

from isalux_mm.functional.development import srgb_to_linear
from isalux_mm.registry import DATASETS, TRANSFORMS
from isalux_mm.seg.datasets import ACDCDataset


@pytest.fixture(autouse=True)
def _mmseg():
    register_all_modules(init_default_scope=False)


def build(*pipeline: dict) -> Compose:
    return Compose([TRANSFORMS.build(dict(step, _scope_='mmseg')) for step in pipeline])


@pytest.fixture
def acdc(tmp_path):
    """One night and one fog image with their maps, as the release lays them out, and the night's bright twin."""
    for condition, level in (('night', 20), ('fog', 200)):
        name = f'{condition}/train/GOPR0351/GOPR0351_frame_000159'
        for part, suffix, value in (('rgb_anon', 'rgb_anon', np.full((37, 53, 3), level, np.uint8)),
                                    ('gt', 'gt_labelTrainIds', np.full((37, 53), 10, np.uint8)),
                                    ('gt', 'gt_labelColor', np.zeros((37, 53, 3), np.uint8))):
            path = tmp_path / part / f'{name}_{suffix}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), value)
    twin = tmp_path / 'rgb_anon/night/train_ref/GOPR0351/GOPR0351_frame_000159_ref_rgb_anon.png'
    twin.parent.mkdir(parents=True)
    cv2.imwrite(str(twin), np.full((37, 53, 3), 90, np.uint8))
    return tmp_path


def test_acdc_takes_one_condition_and_its_maps(acdc):
    steps = ('LoadImageFromFile', 'LoadAnnotations', 'PackSegInputs')
    dataset = DATASETS.build(dict(
        type='ACDCDataset', data_root=str(acdc), pipeline=[dict(type=f'mmseg.{name}') for name in steps],
        data_prefix=dict(img_path='rgb_anon/night/train', seg_map_path='gt/night/train')))
    assert isinstance(dataset, ACDCDataset) and len(dataset) == 1
    item = dataset[0]
    assert (item['inputs'] == 20).all() and item['inputs'].shape == (3, 37, 53)
    assert (item['data_samples'].gt_sem_seg.data == 10).all()
    assert dataset.metainfo['classes'] == CityscapesDataset.METAINFO['classes']
    assert dataset.metainfo['classes'][10] == 'sky' and len(dataset.metainfo['classes']) == 19


def item(side: tuple = (37, 53)) -> dict:
    rng = np.random.default_rng(3)
    image = cv2.GaussianBlur(rng.integers(60, 230, (*side, 3), np.uint8), (0, 0), 3)
    return dict(img=image, img_path='some/aachen_000000.png', ori_shape=side, img_shape=side,
                gt_seg_map=rng.integers(0, 19, side, np.uint8), seg_fields=['gt_seg_map'])


def test_the_bright_image_becomes_the_reference():
    given = item()
    packed = build(dict(type='isalux_mm.DarkenImage', gain=0.1), dict(type='isalux_mm.PackDarkSegInputs'))(given.copy())
    reference = packed['data_samples'].reference_img
    assert reference.dtype == torch.uint8
    assert torch.equal(reference, torch.from_numpy(given['img'][..., ::-1].transpose(2, 0, 1).copy()))  # RGB
    assert torch.equal(packed['data_samples'].gt_sem_seg.data[0], torch.from_numpy(given['gt_seg_map']).long())
    dark, bright = (srgb_to_linear(x.float().numpy() / 255).mean() for x in (packed['inputs'], reference))
    assert dark / bright == pytest.approx(0.1, rel=0.25)  # white balance and noise move it


def test_darkness_hangs_on_the_files_name_where_there_is_no_id():
    darken = build(dict(type='isalux_mm.DarkenImage', gain=0.1, seed=5))
    first, again = (darken(item())['img'] for _ in range(2))
    assert np.array_equal(first, again)
    other = darken(dict(item(), img_path='some/bremen_000000.png'))['img']
    assert not np.array_equal(first, other)


def test_a_reference_must_be_there_and_have_the_images_size():
    pack = build(dict(type='isalux_mm.PackDarkSegInputs'))
    with pytest.raises(KeyError, match='needs reference_img'):
        pack(item())
    with pytest.raises(ValueError, match=r'\(37, 53, 3\), got \(30, 53, 3\)'):
        pack(dict(item(), reference_img=np.zeros((30, 53, 3), np.uint8)))
