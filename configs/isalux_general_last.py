# The last phase of isalux_general: two views of 200x300 a step, the learning rate falls to nothing.
# Expected: see docs/results.md.
# python tools/train.py configs/isalux_general_last.py --cfg-options load_from=work_dirs/isalux_general/iter_12000.pth
_base_ = [
    './_base_/models/isalux_hours.py',
    './_base_/datasets/photographs.py',
    './_base_/datasets/other_camera_holdout.py',
    './_base_/schedules/last_phase.py',
]

large_view = [
    dict(type='RandomResizedView', size=(200, 300), fraction=(0.5, 1.0), crop_probability=0.5, whole_probability=0.35),
    dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.1),
]
pair_pipeline = [
    dict(type='LoadImages'),
    dict(type='PairedLandscape'),
    *large_view,
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
        dict(type='KeepLuma'),
        *large_view,
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
    batch_size=2,
    sampler=dict(_delete_=True, type='SharedInfiniteSampler', shares=(0.45, 0.35, 0.2)),  # ours
    dataset=dict(_delete_=True, type='ConcatDataset', datasets=[photographs, lol_v1, other_camera]))
