# isalux_zero_shot trained on in minutes of an accelerator, in views of 200x300: photographs made dark by cameras near to
# that of LOL-v1, by the numbers that docs/synthesis.md reads off real pairs; no real pair is trained on. It starts from
# the packaged weights.
# Expected: see docs/results.md.
# python tools/train.py configs/isalux_zero_shot_256.py
_base_ = [
    './_base_/models/isalux_gt_mean.py',
    './_base_/datasets/photographs_near.py',
    './_base_/schedules/accelerator.py',
]

model = dict(init_cfg=dict(type='Pretrained', checkpoint='isalux_zero_shot'))
train_dataloader = dict(
    batch_size=8,
    num_workers=5,
    dataset=dict(pipeline=[
        dict(type='LoadImages'),
        dict(type='PairedResize', max_side=640),
        dict(type='PairedLandscape'),
        dict(type='KeepLuma'),  # of the whole picture, so that a dark corner stays dark
        dict(type='RandomResizedView', size=(200, 300), fraction=(0.5, 1.0), crop_probability=0.5,
             whole_probability=0.35),
        dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.1),
        {{_base_.darkness}},
        dict(type='PackEnhanceInputs'),
    ]))
