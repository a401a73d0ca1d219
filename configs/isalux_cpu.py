# The demo: the illumination-prior variant on photographs that lie inside installed packages, on 2 CPU cores in minutes.
# Expected (ours, 3 held-out synthetic pairs): see README.
# make demo, or: python tools/dataset_converters/prepare_demo.py && python tools/train.py configs/isalux_cpu.py
_base_ = [
    './_base_/models/isalux_illumination.py',
    './_base_/datasets/paired.py',
    './_base_/default_runtime.py',
]

data_root = 'data/demo'
layout = 'python tools/dataset_converters/prepare_demo.py makes it.'
train_pipeline = [
    dict(type='LoadImages'),
    dict(type='RandomResizedView', size=(96, 96)),
    dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.25),
    dict(type='PairedRandomRotate90', probability=0.5),
    dict(type='PackEnhanceInputs'),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    dataset=dict(data_root=data_root, layout=layout, pipeline=train_pipeline))
val_dataloader = dict(num_workers=1, dataset=dict(data_root=data_root, layout=layout))
test_dataloader = val_dataloader
val_evaluator = [dict(type='PairedImageQuality'), dict(type='PairedImageQuality', of_input=True)]
test_evaluator = val_evaluator

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-4),
    clip_grad=dict(max_norm=1.0))
max_iters = 400
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=30),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=30, end=max_iters, T_max=max_iters - 30, eta_min=1e-5),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=200)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=200))
custom_hooks = [
    dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.02, update_buffers=True),
    dict(type='ExpertUsageHook', interval=20),
    dict(type='EnhanceVisualizationHook', num_images=3),
]
