# DETR-R50 on ExDark, official split, from COCO weights, without an enhancer; base of its siblings.
# Expected: not trained by us (the images are not freely to be had); the schedule is of the public config of IAT, 21 epochs, on the 80/20 split there.
# python tools/train.py configs/exdark/detr_r50_exdark_none.py
_base_ = [
    'mmdet::detr/detr_r50_8xb2-150e_coco.py',
    '../_base_/datasets/exdark_official.py',
    '../_base_/models/isalux_neck.py',
]
custom_imports = dict(imports=['isalux_mm.det'])

model = dict(bbox_head=dict(num_classes=12))
load_from = 'https://download.openmmlab.com/mmdetection/v3.0/detr/detr_r50_8xb2-150e_coco/detr_r50_8xb2-150e_coco_20221023_153551-436d03e8.pth'  # noqa: E501

train_dataloader = dict(batch_size=8, num_workers=4, dataset=_base_.exdark.train)
val_dataloader = dict(dataset=_base_.exdark.val)
test_dataloader = dict(dataset=_base_.exdark.test)
val_evaluator = _base_.exdark.val_evaluator
test_evaluator = _base_.exdark.test_evaluator

train_cfg = dict(max_epochs=21, val_interval=1)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=True, milestones=[14, 20], gamma=0.1),
]
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=2, save_best=_base_.exdark.save_best))
