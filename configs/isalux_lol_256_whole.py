# After isalux_lol_256: whole pictures at native size, 4 a step, so that the exposure, which only a whole picture
# tells, is learned too (ours).
# Expected: see docs/results.md.
# On all 485 pairs at the end: train_dataloader.dataset.leave_out="[]".
# python tools/train.py configs/isalux_lol_256_whole.py --cfg-options load_from=work_dirs/isalux_lol_256/iter_7000.pth
_base_ = ['./isalux_lol_256.py']

train_dataloader = dict(
    batch_size=4,
    dataset=dict(pipeline=[
        dict(type='LoadImages'),
        dict(type='PairedLandscape'),
        dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.5),
        dict(type='PackEnhanceInputs'),
    ]))
max_iters = 1600
optim_wrapper = dict(optimizer=dict(lr=2e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=100, end=max_iters, T_max=max_iters - 100, eta_min=1e-6),
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
