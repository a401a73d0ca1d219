# YOLOX-s on ExDark, official split, from COCO weights, without an enhancer; base of its siblings.
# Expected: not trained by us (the images are not freely to be had); the schedule is ours.
# python tools/train.py configs/exdark/yolox_s_exdark_none.py
_base_ = [
    'mmdet::yolox/yolox_s_8xb8-300e_coco.py',
    '../_base_/datasets/exdark_official.py',
    '../_base_/models/isalux_neck.py',
]
custom_imports = dict(imports=['isalux_mm.det'])

model = dict(bbox_head=dict(num_classes=12))
load_from = 'https://download.openmmlab.com/mmdetection/v2.0/yolox/yolox_s_8x8_300e_coco/yolox_s_8x8_300e_coco_20211121_095711-4592a793.pth'  # noqa: E501

train_dataloader = dict(dataset=dict(dataset=_base_.exdark.train))  # inside the dataset of mosaics
val_dataloader = dict(dataset=_base_.exdark.val)
test_dataloader = dict(dataset=_base_.exdark.test)
val_evaluator = _base_.exdark.val_evaluator
test_evaluator = _base_.exdark.test_evaluator

max_epochs = 30
num_last_epochs = 5  # without mosaics
train_cfg = dict(max_epochs=max_epochs, val_interval=1)
param_scheduler = [
    dict(type='mmdet.QuadraticWarmupLR', by_epoch=True, begin=0, end=1, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', by_epoch=True, begin=1, end=max_epochs - num_last_epochs,
         T_max=max_epochs - num_last_epochs, eta_min=5e-5, convert_to_iter_based=True),
    dict(type='ConstantLR', by_epoch=True, factor=1, begin=max_epochs - num_last_epochs, end=max_epochs),
]
optim_wrapper = dict(optimizer=dict(lr=1e-3))
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=2, save_best=_base_.exdark.save_best))
custom_hooks = [
    dict(type='YOLOXModeSwitchHook', num_last_epochs=num_last_epochs, priority=48),
    dict(type='SyncNormHook', priority=48),
    dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.0001, update_buffers=True, priority=49),
]
