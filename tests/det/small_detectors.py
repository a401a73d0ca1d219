"""mmdet's own detectors made small, and batches for them; for the tests of the chain."""
import copy

import numpy as np
import torch

from isalux_mm.det import EnhancedDetector  # isort: skip  # puts the operators in place before mmdet's models

from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config
from mmengine.model import revert_sync_batchnorm
from mmengine.structures import InstanceData, PixelData

SIZES = ((70, 93), (61, 80))
# ResNet-18 with an eighth of the parameters: channels of its four stages
STAGES = (16, 32, 64, 128)


def resnet(stages: tuple = STAGES, **others) -> dict:
    """Changes that put a small ResNet under a config's FPN."""
    return dict(backbone=dict(depth=18, base_channels=STAGES[0], init_cfg=None), neck=dict(in_channels=list(stages)),
                **others)


def transformer(stages: tuple) -> dict:
    return resnet(stages, encoder=dict(num_layers=1), decoder=dict(num_layers=1))


def two_stage(**heads: dict) -> dict:
    return resnet(
        roi_head=dict(bbox_head=dict(fc_out_channels=64), **heads),
        train_cfg=dict(rpn_proposal=dict(max_per_img=50), rcnn=dict(sampler=dict(num=64))),
        # scores of untrained weights are low: let some pass
        test_cfg=dict(rpn=dict(max_per_img=20), rcnn=dict(score_thr=0.01, max_per_img=20)))


# name: (config of mmdet, changes that make it small, multiple that its pipeline pads images to)
DETECTORS = {
    'RetinaNet': ('retinanet/retinanet_r50_fpn_1x_coco.py', resnet(), 1),
    'Faster R-CNN': ('faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py', two_stage(), 1),
    'Mask R-CNN': ('mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py',
                   two_stage(mask_head=dict(num_convs=1, conv_out_channels=16)), 1),
    'YOLOv3': ('yolo/yolov3_d53_8xb8-320-273e_coco.py', dict(backbone=dict(init_cfg=None)), 1),
    'YOLOX': ('yolox/yolox_tiny_8xb8-300e_coco.py', {}, 1),
    'RTMDet': ('rtmdet/rtmdet_tiny_8xb32-300e_coco.py', dict(backbone=dict(init_cfg=None)), 32),
    'FCOS': ('fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py', resnet(), 1),
    'TOOD': ('tood/tood_r50_fpn_1x_coco.py', resnet(), 1),
    'DETR': ('detr/detr_r50_8xb2-150e_coco.py', transformer(STAGES[3:]), 1),
    'Deformable DETR': ('deformable_detr/deformable-detr_r50_16xb2-50e_coco.py', transformer(STAGES[1:]), 1),
    'Panoptic FPN': ('panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py',
                     two_stage(mask_head=dict(num_convs=1, conv_out_channels=16)), 1),
}


def whole_config(name: str) -> Config:
    """The config as mmdet ships it, with the small model."""
    path, changes, _ = DETECTORS[name]
    config = get_config(f'mmdet::{path}')
    config.merge_from_dict(dict(model=changes))
    for augment in config.model.data_preprocessor.get('batch_augments') or ():
        augment.random_size_range = (64, 160)
    return config


def build_plain(model: ConfigDict, seed: int = 0):
    torch.manual_seed(seed)
    plain = revert_sync_batchnorm(MODELS.build(ConfigDict(copy.deepcopy(model), _scope_='mmdet')))
    if hasattr(plain, 'level_embed'):  # Deformable DETR leaves raw memory there until init_weights; the rest of that
        torch.nn.init.normal_(plain.level_embed)  # would lower all scores, and nothing would be detected
    return plain


def build_chain(model: ConfigDict, weights=None, **options) -> EnhancedDetector:
    """The chain around a detector; the identity is the default enhancer."""
    options.setdefault('enhancer', dict(type='ISALuxNeck', network=dict(type='Identity')))
    chain = revert_sync_batchnorm(EnhancedDetector(detector=copy.deepcopy(model), **options))
    if weights is not None:
        chain.detector.load_state_dict(weights)
    return chain


def batch(multiple: int = 1, sizes: tuple = SIZES, *, seed: int = 0, masks: bool = False,
          reference: bool = False) -> dict:
    """Images as a pipeline gives them (uint8, BGR, padded with 114 to a multiple), with boxes, masks and maps."""
    rng = np.random.default_rng(seed)
    samples, inputs = [], []
    for index, (h, w) in enumerate(sizes):
        height, width = (-(-side // multiple) * multiple for side in (h, w))
        image = np.full((3, height, width), 114, np.uint8)
        image[:, :h, :w] = rng.integers(0, 120, (3, h, w))
        inputs.append(torch.from_numpy(image))
        boxes = torch.tensor([[5., 7., 40., 45.], [20., 10., 60., 55.]])[:index + 1]
        sample = DetDataSample(
            metainfo=dict(img_shape=(height, width), ori_shape=(2 * h, 2 * w), scale_factor=(0.5, 0.5), img_id=index,
                          flip=False))
        sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([3, 1])[:index + 1])
        if masks:
            sample.gt_instances.masks = BitmapMasks(np.ones((len(boxes), height, width), np.uint8), height, width)
        sample.ignored_instances = InstanceData(bboxes=boxes[:0], labels=torch.zeros(0, dtype=torch.long))
        sample.gt_sem_seg = PixelData(sem_seg=torch.from_numpy(rng.integers(0, 50, (1, height, width))))
        if reference:
            sample.reference_img = torch.full((3, height, width), 200, dtype=torch.uint8)
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)
