# A small ISALux (0.33 M parameters, no semantic prior, no downloads) that trains on 2 CPU cores in minutes, on the pairs
# that tools/dataset_converters/prepare_demo.py makes from photographs inside packages. It shows that everything works;
# it is no model for use.
# Expected (ours, raw, on the held-out photographs): PSNR 18 to 21 dB, SSIM 0.70; the dark input has 8.3 dB and 0.23.
# python tools/dataset_converters/prepare_demo.py && python tools/train.py configs/isalux_cpu.py
_base_ = [
    './_base_/models/isalux.py',
    './_base_/datasets/paired.py',
    './_base_/default_runtime.py',
]

model = dict(
    network=dict(
        embed_dims=(16, 32, 64),
        depths=(1, 1, 2),
        semantic_prior=dict(_delete_=True, type='NoPrior')),
    losses=dict(
        _delete_=True,
        loss_mse=dict(type='MSELoss', loss_weight=1.0),
        loss_l1=dict(type='L1Loss', loss_weight=0.5),  # a stronger pull than MSE's once the error is small
        loss_ms_ssim=dict(type='MSSSIMLoss', loss_weight=0.2, auto_scales=True)))  # views are below 176 pixels

data_root = 'data/demo'
layout = 'Run python tools/dataset_converters/prepare_demo.py first.'
train_pipeline = [
    dict(type='LoadImages'),
    dict(type='RandomResizedView', size=(112, 112), crop_probability=0.25),
    dict(type='PairedRandomFlip', horizontal=0.5),
    dict(type='PackEnhanceInputs'),
]
train_dataloader = dict(
    batch_size=4, num_workers=1, dataset=dict(data_root=data_root, layout=layout, pipeline=train_pipeline))
val_dataloader = dict(num_workers=1, dataset=dict(data_root=data_root, layout=layout))
test_dataloader = val_dataloader
val_evaluator = [dict(type='PairedImageQuality'), dict(type='PairedImageQuality', of_input=True)]
test_evaluator = val_evaluator

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-4),
    clip_grad=dict(max_norm=1.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=400, T_max=350, eta_min=1e-5),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=400, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=100, max_keep_ckpts=1))
custom_hooks = [
    dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.02, update_buffers=True),
    dict(type='ExpertUsageHook', interval=20),
    dict(type='EnhanceVisualizationHook', num_images=4),
]
env_cfg = dict(dist_cfg=dict(backend='gloo'))
