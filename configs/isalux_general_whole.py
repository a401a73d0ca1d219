# After isalux_general_last: whole pictures, one a step, so that the exposure, which only a whole picture tells, is
# learned too (ours). The learning rate falls to nothing. The packaged weights began at the mean of the ends of
# isalux_general and isalux_general_last, which tools/model_converters/checkpoint2package.py takes.
# Expected: see docs/results.md.
# python tools/train.py configs/isalux_general_whole.py --cfg-options load_from=work_dirs/isalux_general_last/iter_600.pth
_base_ = [
    './_base_/models/isalux_hours.py',
    './_base_/datasets/photographs.py',
    './_base_/datasets/other_camera_holdout.py',
    './_base_/schedules/last_phase.py',
]

pair_pipeline = [
    dict(type='LoadImages'),
    dict(type='PairedResize', max_side=600),
    dict(type='PairedLandscape'),
    dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.1),
    dict(type='PackEnhanceInputs'),
]
photographs = dict(
    type='PhotoDataset',
    data_root='data/photos',
    data_prefix=dict(gt=''),
    layout='Put any well-lit photographs there; a few hundred will do.',
    pipeline=[
        dict(type='LoadImages'),
        dict(type='PairedResize', max_side=600),
        dict(type='PairedLandscape'),
        dict(type='KeepLuma'),
        dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.1),
        dict(type='SynthesizeLowLight', mixture=dict(), luma_band=None),
        dict(type='PackEnhanceInputs'),
    ])
lol_v1 = dict(
    type='PairedImageDataset',
    data_root={{_base_.data_root}},
    data_prefix={{_base_.train_prefix}},
    layout={{_base_.layout}},
    leave_out={{_base_.lol_v1_holdout}},
    pipeline=pair_pipeline)
other_camera = dict(
    type='PairedImageDataset',
    data_root='data/other_camera',
    data_prefix=dict(low='low', gt='high'),
    layout='Expected: data/other_camera/{low,high}, pairs with equal names.',
    leave_out={{_base_.other_camera_holdout}},
    pipeline=pair_pipeline)
train_dataloader = dict(
    batch_size=1,
    sampler=dict(_delete_=True, type='SharedInfiniteSampler', shares=(0.4, 0.4, 0.2)),  # ours
    dataset=dict(_delete_=True, type='ConcatDataset', datasets=[photographs, lol_v1, other_camera]))
max_iters = 1800
optim_wrapper = dict(optimizer=dict(lr=3e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, T_max=max_iters - 50, eta_min=1e-6),
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
