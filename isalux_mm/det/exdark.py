"""ExDark (Loh and Chan, 2019): 12 classes in the dark, and the splits, which are never mixed."""
import json
from collections import Counter

from mmdet.datasets import CocoDataset
from mmengine.fileio import get_text
from mmengine.logging import print_log

from isalux_mm.functional.checks import check_choice
from isalux_mm.registry import DATASETS

EXDARK_CLASSES = ('Bicycle', 'Boat', 'Bottle', 'Bus', 'Car', 'Cat', 'Chair', 'Cup', 'Dog', 'Motorbike', 'People',
                  'Table')  # order of the official list, 1 to 12
EXDARK_LIGHTING = ('Low', 'Ambient', 'Object', 'Single', 'Weak', 'Strong', 'Screen', 'Window', 'Shadow',
                   'Twilight')  # official list, 1 to 10
EXDARK_IN_OUT = ('Indoor', 'Outdoor')  # official list, 1 and 2
EXDARK_SPLITS = {
    # Column 5 of the official list (YOLA, FRBNet): counted there.
    'official': dict(train=3000, val=1800, test=2563),
    # The detection papers (MAET, IAT): their list files, which hold these numbers of images.
    '80/20': dict(train=5891, test=1472),
    # Ours: the same sizes, drawn by a hash within each class; never to be called 80/20 in a table.
    '80/20-ours': dict(train=5891, test=1472),
}
PALETTE = [(220, 20, 60), (0, 0, 142), (0, 226, 252), (0, 60, 100), (0, 0, 230), (255, 77, 255), (153, 69, 1),
           (120, 166, 157), (197, 226, 255), (119, 11, 32), (250, 170, 30), (102, 102, 156)]


def read_exdark_info(ann_file: str, backend_args: dict | None = None) -> dict:
    """Split and subset of a COCO file that `tools/dataset_converters/exdark2coco.py` wrote.

    Args:
        ann_file: the COCO file.
        backend_args: of mmengine's file reading.

    Returns:
        `split`, a key of `EXDARK_SPLITS`, and `subset`, one of its subsets.

    Raises:
        ValueError: if the file is empty or no JSON, has no images, names no split or one that does not exist, or has
            a category that ExDark does not have.
    """
    text = get_text(ann_file, backend_args=backend_args)
    if not text.strip():
        raise ValueError(f'{ann_file}: the annotation file is empty')
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f'{ann_file}: no JSON ({error})') from error
    if not isinstance(content, dict) or not content.get('images'):
        raise ValueError(f'{ann_file}: expected a COCO file with images, got none')
    strange = sorted({c['name'] for c in content.get('categories', ())} - set(EXDARK_CLASSES))
    if strange:
        raise ValueError(f'{ann_file}: ExDark has the classes {", ".join(EXDARK_CLASSES)}, got also {strange}')
    info = content.get('info', {})
    if 'split' not in info or 'subset' not in info:
        raise ValueError(f'{ann_file}: info must name split and subset, got {sorted(info)}; '
                         'write the file with tools/dataset_converters/exdark2coco.py')
    check_choice(info['split'], EXDARK_SPLITS, f'{ann_file}: split')
    check_choice(info['subset'], EXDARK_SPLITS[info['split']], f'{ann_file}: subset')
    return dict(split=info['split'], subset=info['subset'])


@DATASETS.register_module()
class ExDarkDataset(CocoDataset):
    """ExDark from the COCO files of `tools/dataset_converters/exdark2coco.py`; arguments as of `CocoDataset`.

    The split stands in the file. It is written into `metainfo` (`split`, `subset`) and logged; a config that states
    it, `metainfo=dict(split='official')`, gets an error where the file says otherwise. Every sample carries
    `lighting` and `in_out` by name. Boxes that mmdet leaves out (outside the image, under one pixel) are counted in
    the log.
    """
    METAINFO = dict(classes=EXDARK_CLASSES, palette=PALETTE, lighting=EXDARK_LIGHTING, in_out=EXDARK_IN_OUT)

    def load_data_list(self) -> list[dict]:
        strange = sorted(set(self._metainfo['classes']) - set(EXDARK_CLASSES))
        if strange:
            raise ValueError(f'metainfo.classes must be among {", ".join(EXDARK_CLASSES)}, got {strange}')
        info = read_exdark_info(self.ann_file, self.backend_args)
        for name, value in info.items():
            expected = self._metainfo.get(name, value)
            if expected != value:
                raise ValueError(f'metainfo.{name} must be {value!r}, as {self.ann_file} says, got {expected!r}')
        self._metainfo.update(info)
        self._left_out = 0
        data_list = super().load_data_list()
        self._log(data_list)
        return data_list

    def parse_data_info(self, raw_data_info: dict) -> dict:
        data_info = super().parse_data_info(raw_data_info)
        image = raw_data_info['raw_img_info']
        for name, names in (('lighting', EXDARK_LIGHTING), ('in_out', EXDARK_IN_OUT)):
            check_choice(image.get(name), names, f"{self.ann_file}: {name} of {image['file_name']}")
            data_info[name] = image[name]
        wanted = sum(a['category_id'] in self.cat_ids for a in raw_data_info['raw_ann_info'])
        self._left_out += wanted - len(data_info['instances'])
        return data_info

    def _log(self, data_list: list[dict]) -> None:
        lighting = Counter(sample['lighting'] for sample in data_list)
        print_log(
            f"ExDark, split {self._metainfo['split']}, {self._metainfo['subset']}: {len(data_list)} images, "
            f"{sum(len(sample['instances']) for sample in data_list)} boxes, {self._left_out} boxes left out; "
            + ', '.join(f'{name} {lighting[name]}' for name in EXDARK_LIGHTING),
            logger='current')
