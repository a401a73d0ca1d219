# Minutes of an accelerator instead of hours of a CPU: 8 views of about the paper's patch a step, in bfloat16; AdamW at
# 5e-4, cosine to 1e-6, weights averaged (ours). Kernels are compiled, in a minute or two before the first iteration,
# and forward and backward replayed as CUDA graphs.
_base_ = ['../default_runtime.py']

max_iters = 7000
optim_wrapper = dict(
    type='BFloat16OptimWrapper',
    constructor='TrainableOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=5e-4, betas=(0.9, 0.99), weight_decay=1e-4, fused=True),
    clip_grad=dict(max_norm=1.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=100, end=max_iters, T_max=max_iters - 100, eta_min=1e-6),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(logger=dict(interval=100), checkpoint=dict(interval=500, max_keep_ckpts=1))
custom_hooks = [
    dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.02, interval=10, update_buffers=True),
    dict(type='ExpertUsageHook', interval=100),
    dict(type='EnhanceVisualizationHook', num_images=3),
    dict(type='CompileBlocksHook'),
    dict(type='CudaGraphHook'),
]
