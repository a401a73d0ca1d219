# Hours of a CPU instead of 150,000 iterations of a GPU: four views a step, since many small steps learn more in an hour
# than few large ones; AdamW at 8e-4, cosine to 1e-6, weights averaged (ours). A checkpoint every 250 iterations is one
# every ten minutes or less.
_base_ = ['../default_runtime.py']

max_iters = 12000
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=8e-4, betas=(0.9, 0.99), weight_decay=1e-4),
    clip_grad=dict(max_norm=1.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=200),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=200, end=max_iters, T_max=max_iters - 200, eta_min=1e-6),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=3000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(logger=dict(interval=50), checkpoint=dict(interval=250, max_keep_ckpts=2))
custom_hooks = [
    dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.002, update_buffers=True),
    dict(type='ExpertUsageHook', interval=50),
    dict(type='EnhanceVisualizationHook', num_images=3),
]
