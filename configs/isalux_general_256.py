# isalux_general trained on in minutes of an accelerator, in views of 200x300: photographs made dark, LOL-v1 and pairs of
# another camera, mixed; what isalux_general.py holds out is held out. It starts from the packaged weights.
# Expected: see docs/results.md.
# python tools/train.py configs/isalux_general_256.py
_base_ = [
    './_base_/models/isalux_gt_mean.py',
    './_base_/datasets/lol_v1_by_scene.py',
    './_base_/datasets/other_camera_holdout.py',
    './_base_/schedules/accelerator.py',
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
        dict(type='KeepLuma'),  # of the whole picture, so that a dark corner stays dark
        resized_view,
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
    batch_size=8,
    num_workers=4,
    sampler=dict(_delete_=True, type='SharedInfiniteSampler', shares=(0.4, 0.4, 0.2)),  # ours
    dataset=dict(_delete_=True, type='ConcatDataset', datasets=[photographs, lol_v1, other_camera]))
