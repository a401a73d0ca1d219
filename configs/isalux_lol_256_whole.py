# After isalux_lol_256: whole pictures at native size, one a step, on a CPU, so that the exposure, which only a whole
# picture tells, is learned too (ours). The learning rate falls to nothing. The packaged weights began at the mean of
# isalux_lol_256's end and of weights that had seen all 485 pairs, and saw all of them.
# Expected: see docs/results.md.
# On all 485 pairs at the end: train_dataloader.dataset.leave_out="[]".
# python tools/train.py configs/isalux_lol_256_whole.py --cfg-options load_from=work_dirs/isalux_lol_256/iter_1500.pth
_base_ = [
    './_base_/models/isalux_gt_mean.py',
    './_base_/datasets/lol_v1_by_scene.py',
    './_base_/schedules/last_phase.py',
]

train_dataloader = dict(
    batch_size=1,
    dataset=dict(pipeline=[
        dict(type='LoadImages'),
        dict(type='PairedLandscape'),
        dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.1),
        dict(type='PackEnhanceInputs'),
    ]))
max_iters = 1100
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, T_max=max_iters - 50, eta_min=1e-6),
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
