# The illumination-prior variant trained on photographs alone, made dark on the fly: no real pair is ever seen.
# Expected (ours, after two hours on one CPU core, in parts): see docs/results.md.
# Put photographs into data/photos (sub-folders are read) and pairs to watch into data/demo, then:
# python tools/train.py configs/isalux_zero_shot.py
_base_ = [
    './_base_/models/isalux_illumination.py',
    './_base_/datasets/paired.py',
    './_base_/default_runtime.py',
]

# the transposed convolutions would leave a grid in smooth areas
model = dict(losses=dict(loss_checkerboard=dict(type='CheckerboardLoss', loss_weight=5.0, cells=14)))

train_pipeline = [
    dict(type='LoadImages'),
    dict(type='PairedResize', max_side=640),
    dict(type='RandomResizedView', size=(112, 112), fraction=(0.55, 1.0), crop_probability=0.25),
    dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.1),
    dict(type='PairedRandomRotate90', probability=0.3),
    dict(type='SynthesizeLowLight', ranges=dict(shot=(1e-3, 1.2e-2), noise_left=(0.12, 0.4))),  # about 2 levels
    dict(type='PackEnhanceInputs'),
]
train_dataloader = dict(
    batch_size=6,
    num_workers=2,
    dataset=dict(
        _delete_=True,
        type='PhotoDataset',
        data_root='data/photos',
        data_prefix=dict(gt=''),
        layout='Put any well-lit photographs there; a few hundred will do.',
        pipeline=train_pipeline))
val_dataloader = dict(num_workers=1, dataset=dict(data_root='data/demo'))
test_dataloader = val_dataloader
val_evaluator = [dict(type='PairedImageQuality'), dict(type='PairedImageQuality', of_input=True)]
test_evaluator = val_evaluator

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-4),
    clip_grad=dict(max_norm=1.0))

max_iters = 2400
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=100, end=max_iters, T_max=max_iters - 100, eta_min=1e-5),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=500)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

default_hooks = dict(logger=dict(interval=50), checkpoint=dict(interval=250))
custom_hooks = [
    dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.005, update_buffers=True),
    dict(type='ExpertUsageHook', interval=50),
    dict(type='EnhanceVisualizationHook', num_images=3),
]
