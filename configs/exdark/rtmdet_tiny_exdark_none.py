# RTMDet-tiny on ExDark, official split, from COCO weights, without an enhancer; base of its siblings.
# Expected: not trained by us (the images are not freely to be had); the schedule is ours.
# python tools/train.py configs/exdark/rtmdet_tiny_exdark_none.py
_base_ = [
    'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py',
    '../_base_/datasets/exdark_official.py',
    '../_base_/models/isalux_neck.py',
]
custom_imports = dict(imports=['isalux_mm.det'])

model = dict(bbox_head=dict(num_classes=12))
load_from = 'https://download.openmmlab.com/mmdetection/v3.0/rtmdet/rtmdet_tiny_8xb32-300e_coco/rtmdet_tiny_8xb32-300e_coco_20220902_112414-78e30dcc.pth'  # noqa: E501

train_dataloader = dict(batch_size=8, num_workers=4, dataset=_base_.exdark.train)
val_dataloader = dict(dataset=_base_.exdark.val)
test_dataloader = dict(dataset=_base_.exdark.test)
val_evaluator = _base_.exdark.val_evaluator
test_evaluator = _base_.exdark.test_evaluator

max_epochs = 30
num_last_epochs = 5  # without mosaics
train_cfg = dict(max_epochs=max_epochs, val_interval=1, dynamic_intervals=None)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=300),
    dict(type='CosineAnnealingLR', by_epoch=True, begin=max_epochs // 2, end=max_epochs, T_max=max_epochs // 2,
         eta_min=1e-5, convert_to_iter_based=True),
]
optim_wrapper = dict(optimizer=dict(lr=2e-4))
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=2, save_best=_base_.exdark.save_best))
custom_hooks = [
    dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.0002, update_buffers=True, priority=49),
    dict(type='PipelineSwitchHook', switch_epoch=max_epochs - num_last_epochs,
         switch_pipeline=_base_.train_pipeline_stage2),
]
