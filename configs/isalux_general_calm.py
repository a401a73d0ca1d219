# After isalux_general_256, on a CPU: photographs as bright or dark as they are, more of them well lit and more of them
# only exposed less, so that what is not dark stays as it is whether its things are bright or dark; LOL-v1 and pairs of
# another camera as there, and what is held out. It starts from the packaged weights.
# Expected: see docs/results.md.
# python tools/train.py configs/isalux_general_calm.py
_base_ = ['./isalux_general_256.py', './_base_/datasets/calm_photographs.py']

train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    dataset=dict(datasets=[{{_base_.calm_photographs}}, {{_base_.lol_v1}}, {{_base_.other_camera}}]))
max_iters = 4000
optim_wrapper = dict(optimizer=dict(lr=2e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, T_max=max_iters - 50, eta_min=1e-6),
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(logger=dict(interval=50), checkpoint=dict(interval=250, max_keep_ckpts=2))
custom_hooks = [  # kernels compiled and recorded are an accelerator's
    dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.002, update_buffers=True),
    dict(type='ExpertUsageHook', interval=50),
    dict(type='EnhanceVisualizationHook', num_images=3),
]
