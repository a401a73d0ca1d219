# YOLOX-nano on darkened COCO without an enhancer; base of its siblings.
# Expected: docs/detection.md, first table, row "no enhancer".
# Weights: tools/model_converters/yolox_onnx2mmdet.py yolox_nano.onnx data/yolox_nano.pth --calibrate data/coco/train2017
# python tools/test.py configs/dark_coco/yolox_nano_none.py data/yolox_nano.pth --gains 1 0.12 0.02 0.004
_base_ = [
    'mmdet::yolox/yolox_nano_8xb8-300e_coco.py',
    '../_base_/datasets/dark_coco.py',
    '../_base_/models/isalux_neck.py',
]
custom_imports = dict(imports=['isalux_mm.det'])

model = dict(data_preprocessor=dict(batch_augments=None), test_cfg=dict(score_thr=0.001))
load_from = 'data/yolox_nano.pth'

train_dataloader = dict(_delete_=True, **_base_.dark_coco.train)
val_dataloader = dict(_delete_=True, **_base_.dark_coco.test)
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, **_base_.dark_coco.evaluator)
test_evaluator = val_evaluator

max_iters = 80
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-5, weight_decay=1e-4),
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0),
    clip_grad=dict(max_norm=10))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=10),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=10, end=max_iters, T_max=max_iters - 10, eta_min=1e-6),
]
custom_hooks = [dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.03, update_buffers=True)]
default_hooks = dict(
    logger=dict(interval=5), checkpoint=dict(by_epoch=False, interval=max_iters, max_keep_ckpts=1))
log_processor = dict(by_epoch=False, window_size=5)
randomness = dict(seed=0)
