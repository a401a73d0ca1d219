# RetinaNet-R50 on ExDark, official split, from COCO weights, without an enhancer; base of its siblings.
# Expected: not trained by us (the images are not freely to be had); the schedule is ours.
# python tools/train.py configs/exdark/retinanet_r50_exdark_none.py
_base_ = [
    'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py',
    '../_base_/datasets/exdark_official.py',
    '../_base_/models/isalux_neck.py',
]
custom_imports = dict(imports=['isalux_mm.det'])

model = dict(bbox_head=dict(num_classes=12))
load_from = 'https://download.openmmlab.com/mmdetection/v2.0/retinanet/retinanet_r50_fpn_1x_coco/retinanet_r50_fpn_1x_coco_20200130-c2398f9e.pth'  # noqa: E501

train_dataloader = dict(batch_size=8, num_workers=4, dataset=_base_.exdark.train)
val_dataloader = dict(dataset=_base_.exdark.val)
test_dataloader = dict(dataset=_base_.exdark.test)
val_evaluator = _base_.exdark.val_evaluator
test_evaluator = _base_.exdark.test_evaluator

train_cfg = dict(max_epochs=12, val_interval=1)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=300),
    dict(type='MultiStepLR', by_epoch=True, milestones=[8, 11], gamma=0.1),
]
optim_wrapper = dict(optimizer=dict(lr=0.0025))
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=2, save_best=_base_.exdark.save_best))
