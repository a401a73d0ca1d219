# After isalux_zero_shot: photographs made dark by cameras near to that of LOL-v1, by the numbers that docs/synthesis.md
# reads off real pairs; still no real pair is trained on.
# Expected: see docs/results.md.
# python tools/train.py configs/isalux_zero_shot_near.py --cfg-options load_from=work_dirs/isalux_zero_shot/iter_2750.pth
_base_ = [
    './_base_/models/isalux_hours.py',
    './_base_/datasets/photographs_near.py',
    './_base_/schedules/hours.py',
]

max_iters = 3600
optim_wrapper = dict(optimizer=dict(lr=6e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=200),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=200, end=max_iters, T_max=max_iters - 200, eta_min=1e-6),
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
