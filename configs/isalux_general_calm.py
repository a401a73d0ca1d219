# After isalux_general_256, on a CPU: photographs as bright or dark as they are, more of them well lit and more of them
# only exposed less, so that what is not dark stays as it is whether its things are bright or dark; LOL-v1 and pairs of
# another camera as there, and what is held out. It starts from the packaged weights.
# Expected: see docs/results.md.
# python tools/train.py configs/isalux_general_calm.py
_base_ = [
    './_base_/models/isalux_gt_mean.py',
    './_base_/datasets/lol_v1_by_scene.py',
    './_base_/datasets/other_camera_holdout.py',
    './_base_/schedules/hours.py',
]

model = dict(init_cfg=dict(type='Pretrained', checkpoint='isalux_general'))
resized_view = dict(
    type='RandomResizedView', size=(200, 300), fraction=(0.5, 1.0), crop_probability=0.5, whole_probability=0.35)
pair_pipeline = [
    dict(type='LoadImages'),
    dict(type='PairedLandscape'),
    resized_view,
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
        dict(type='PairedResize', max_side=640),
        dict(type='PairedLandscape'),
        dict(type='KeepLuma', band=(0.24, 0.68)),  # photographs of dark things are dark
        resized_view,
        dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.1),
        dict(type='SynthesizeLowLight', ranges=dict(lit_share=0.3, lit_ratio=(0.5, 1.2), exposed_share=0.2),
             mixture=dict(), luma_band=None),
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
    batch_size=2,
    sampler=dict(_delete_=True, type='SharedInfiniteSampler', shares=(0.4, 0.4, 0.2)),  # ours
    dataset=dict(_delete_=True, type='ConcatDataset', datasets=[photographs, lol_v1, other_camera]))
max_iters = 4000
optim_wrapper = dict(type='BFloat16OptimWrapper', optimizer=dict(lr=2e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, T_max=max_iters - 50, eta_min=1e-6),
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
