"""ACDC (Sakaridis et al., ICCV 2021), which mmseg has not; its Dark Zurich and Night Driving are used as they are."""
from collections.abc import Sequence

from mmseg.datasets import CityscapesDataset

from isalux_mm.registry import DATASETS


@DATASETS.register_module()
class ACDCDataset(CityscapesDataset):
    """ACDC: 19 Cityscapes classes under adverse conditions, night among them.

    Layout of the release: `rgb_anon/night/{train,val,test}/SEQUENCE/*_rgb_anon.png` and
    `gt/night/{train,val}/SEQUENCE/*_gt_labelTrainIds.png`; the condition and the split are chosen by `data_prefix`.

    Args:
        img_suffix: end of the images' names.
        seg_map_suffix: end of the label maps' names.
        data_root: folder of the set.
        data_prefix: `img_path` and `seg_map_path` below `data_root`.
        pipeline: transforms.
        test_mode: as of mmseg's datasets.
        indices: the first N images, or their numbers.
        lazy_init: as of mmengine's datasets.
    """

    def __init__(self,
                 img_suffix: str = '_rgb_anon.png',
                 seg_map_suffix: str = '_gt_labelTrainIds.png',
                 *,
                 data_root: str | None = None,
                 data_prefix: dict = dict(img_path='', seg_map_path=''),
                 pipeline: Sequence[dict] = (),
                 test_mode: bool = False,
                 indices: int | list | None = None,
                 lazy_init: bool = False):
        super().__init__(
            img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, data_root=data_root, data_prefix=data_prefix,
            pipeline=list(pipeline), test_mode=test_mode, indices=indices, lazy_init=lazy_init)
