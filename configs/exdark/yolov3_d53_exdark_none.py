# YOLOv3-608 on ExDark, 80/20 split, from COCO weights, without an enhancer; base of its siblings. The setting of MAET and
# IAT: 25 epochs, batch 8, learning rate 1e-3, steps at 18 and 23 (IAT's public config).
# Expected: VOC mAP50 76.8 for this row (MAET's repository; published siblings there: MAET 77.7, Zero-DCE 76.9; PE-YOLO's
# paper: 78.0). Not trained by us: the images are not freely to be had.
# python tools/train.py configs/exdark/yolov3_d53_exdark_none.py
_base_ = [
    'mmdet::yolo/yolov3_d53_8xb8-ms-608-273e_coco.py',
    '../_base_/datasets/exdark_80_20.py',
    '../_base_/models/isalux_neck.py',
]
custom_imports = dict(imports=['isalux_mm.det'])

model = dict(bbox_head=dict(num_classes=12))
load_from = 'https://download.openmmlab.com/mmdetection/v2.0/yolo/yolov3_d53_mstrain-608_273e_coco/yolov3_d53_mstrain-608_273e_coco_20210518_115020-a2c3acb8.pth'  # noqa: E501

train_dataloader = dict(dataset=_base_.exdark.train)
val_dataloader = dict(dataset=_base_.exdark.val)
test_dataloader = dict(dataset=_base_.exdark.test)
val_evaluator = _base_.exdark.val_evaluator
test_evaluator = _base_.exdark.test_evaluator

train_cfg = dict(max_epochs=25, val_interval=1)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=2000),
    dict(type='MultiStepLR', by_epoch=True, milestones=[18, 23], gamma=0.1),
]
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=2, save_best=_base_.exdark.save_best))
