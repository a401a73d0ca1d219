# The same training as yolox_nano_exposure_aware.py behind isalux_detect as it is, half as long: enhancer and detector both.
# Expected: docs/detection.md, first table, row "detector trained behind `isalux_detect`", of a run stopped after
# 40 iterations.
# python tools/train.py configs/dark_coco/yolox_nano_exposure_aware_frozen.py
_base_ = './yolox_nano_exposure_aware.py'

model = dict(enhancer=dict(_delete_=True, **_base_.isalux_frozen))
max_iters = 60
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=10),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=10, end=max_iters, T_max=max_iters - 10, eta_min=1e-6),
]
default_hooks = dict(checkpoint=dict(interval=20))
