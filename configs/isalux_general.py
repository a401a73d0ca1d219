# The illumination-prior variant for people's own pictures: photographs made dark, LOL-v1 and pairs of another camera,
# mixed; 40 scenes of LOL-v1 and a third of the other camera's pairs are held out. It starts from the packaged zero-shot
# weights; from others by --cfg-options load_from=work_dirs/isalux_zero_shot/iter_12000.pth
# Expected: see docs/results.md.
# python tools/train.py configs/isalux_general.py
_base_ = [
    './_base_/models/isalux_hours.py',
    './_base_/datasets/photographs.py',
    './_base_/datasets/other_camera_holdout.py',
    './_base_/schedules/hours.py',
]

model = dict(init_cfg=dict(type='Pretrained', checkpoint='isalux_zero_shot'))

lol_v1 = dict(
    type='PairedImageDataset',
    data_root={{_base_.data_root}},
    data_prefix={{_base_.train_prefix}},
    layout={{_base_.layout}},
    leave_out={{_base_.lol_v1_holdout}},
    pipeline={{_base_.train_pipeline}})
other_camera = dict(
    type='PairedImageDataset',
    data_root='data/other_camera',
    data_prefix=dict(low='low', gt='high'),
    layout='Expected: data/other_camera/{low,high}, pairs with equal names.',
    leave_out={{_base_.other_camera_holdout}},
    pipeline={{_base_.train_pipeline}})
train_dataloader = dict(
    sampler=dict(_delete_=True, type='SharedInfiniteSampler', shares=(0.45, 0.35, 0.2)),  # ours
    dataset=dict(_delete_=True, type='ConcatDataset', datasets=[{{_base_.photographs}}, lol_v1, other_camera]))
