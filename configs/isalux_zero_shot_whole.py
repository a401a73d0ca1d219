# After isalux_zero_shot_near: whole photographs, one a step, so that the exposure, which only a whole picture tells, is
# learned too (ours). The learning rate falls to nothing.
# Expected: see docs/results.md.
# python tools/train.py configs/isalux_zero_shot_whole.py --cfg-options load_from=work_dirs/isalux_zero_shot_near/iter_3600.pth
_base_ = [
    './_base_/models/isalux_hours.py',
    './_base_/datasets/photographs_near.py',
    './_base_/schedules/last_phase.py',
]

train_dataloader = dict(
    batch_size=1,
    dataset=dict(pipeline=[
        dict(type='LoadImages'),
        dict(type='PairedResize', max_side=600),
        dict(type='PairedLandscape'),
        dict(type='KeepLuma'),
        dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.1),
        {{_base_.darkness}},
        dict(type='PackEnhanceInputs'),
    ]))
max_iters = 1500
optim_wrapper = dict(optimizer=dict(lr=3e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, T_max=max_iters - 50, eta_min=1e-6),
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
