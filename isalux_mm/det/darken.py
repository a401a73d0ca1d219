"""Darkness for detection data: references of a dark set on disk, and their packing; see `datasets.darkening`."""
import json
from collections.abc import Sequence
from pathlib import Path

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.datasets.transforms import PackDetInputs

from isalux_mm.chain.task import LABELED
from isalux_mm.datasets.darkening import as_rgb_tensor, checked_image, packed_reference
from isalux_mm.registry import TRANSFORMS

META_KEYS = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'flip', 'flip_direction', LABELED)


@TRANSFORMS.register_module()
class LoadReferenceImage(BaseTransform):
    """Loads the bright image behind a dark file of `tools/dataset_converters/darken_coco.py`.

    Place: behind `LoadImageFromFile`. The two travel as one image of six channels through transforms that do not mind
    the number of channels (`Resize`, `RandomFlip`, crops); `SplitReferenceImage` parts them.

    Args:
        ann_file: the dark set's COCO file, which names the reference of every image.
    """

    def __init__(self, ann_file: str):
        content = json.loads(Path(ann_file).read_text())
        without = [image['file_name'] for image in content['images'] if 'reference' not in image]
        if without:
            raise ValueError(f'{ann_file}: expected a reference for every image, as darken_coco.py writes it, got none '
                             f'for {len(without)} such as {without[0]}')
        folder = Path(ann_file).parent
        self.references = {image['id']: folder / image['reference'] for image in content['images']}

    def transform(self, results: dict) -> dict:
        image = checked_image(results)
        path = self.references[results['img_id']]
        reference = mmcv.imread(path)
        if reference is None or reference.shape != image.shape:
            raise ValueError(f'{path}: expected a reference of shape {image.shape}, '
                             f'got {"no image" if reference is None else reference.shape}')
        results['img'] = np.concatenate([image, reference.astype(image.dtype)], axis=2)
        return results


@TRANSFORMS.register_module()
class SplitReferenceImage(BaseTransform):
    """Parts the six channels of `LoadReferenceImage` into `img` and `reference_img`; before `Pad`."""

    def transform(self, results: dict) -> dict:
        stacked = results['img']
        if stacked.ndim != 3 or stacked.shape[2] != 6:
            raise ValueError(f'img must be (H, W, 6), from LoadReferenceImage, got {stacked.shape}')
        results['img'] = np.ascontiguousarray(stacked[..., :3])
        results['reference_img'] = np.clip(np.round(stacked[..., 3:]), 0, 255).astype(np.uint8)
        return results


@TRANSFORMS.register_module()
class UnlabeledDetInputs(BaseTransform):
    """Takes a picture without boxes, or a real pair, into an mmdet pipeline; for losses that need no labels.

    Place: behind the transforms of pairs, before `DarkenImage` (photographs) or `Pad`.

    Required keys: `gt`, and `low` of a pair, (H, W, 3), float32, RGB in [0, 1]. Added: `img` (of a pair the dark
    picture), BGR, uint8; of a pair `reference_img`; `img_path`, `img_shape`, and `labeled`, which is False: the
    detector's own losses leave the picture out.
    """

    def transform(self, results: dict) -> dict:
        if 'gt' not in results:
            raise KeyError(f'UnlabeledDetInputs needs gt in the sample, got {sorted(results)}')
        gt = _as_loaded(results['gt'])
        image = _as_loaded(results['low']) if 'low' in results else gt
        moved = dict(img=image, img_path=results.get('low_path', results.get('gt_path', '')),
                     img_shape=image.shape[:2], ori_shape=image.shape[:2])
        if 'low' in results:
            moved['reference_img'] = gt
        return {**moved, LABELED: False}


def _as_loaded(image: np.ndarray) -> np.ndarray:
    """RGB in [0, 1] to BGR, uint8, as mmcv loads it."""
    return np.ascontiguousarray(np.round(np.clip(image[..., ::-1], 0, 1) * 255).astype(np.uint8))


@TRANSFORMS.register_module()
class PackDarkDetInputs(PackDetInputs):
    """`PackDetInputs` that packs `reference_img` too: `data_sample.reference_img`, (3, H, W), uint8, RGB.

    The reference gets the image's own padding (below and to the right), so it has the size of `inputs`.

    Args:
        meta_keys: as of `PackDetInputs`.
    """

    def __init__(self, meta_keys: Sequence[str] = META_KEYS):
        super().__init__(meta_keys)

    def transform(self, results: dict) -> dict:
        packed = super().transform(results)
        image, reference = results['img'], packed_reference(results, 'PackDarkDetInputs')
        h, w = reference.shape[:2]
        if h > image.shape[0] or w > image.shape[1] or ('pad_shape' not in results and image.shape[:2] != (h, w)):
            raise ValueError(f'reference_img must have the size of img before Pad, {image.shape[:2]}, got {(h, w)}; '
                             'was the image moved after it was made dark?')
        padded = np.clip(np.round(image), 0, 255).astype(np.uint8)
        padded[:h, :w] = reference
        packed['data_samples'].reference_img = as_rgb_tensor(padded)
        return packed
