# LOL-v1 with 40 of its scenes held out of training, to choose and to stop by; eval15 is for the test alone.
# Views: one in two at native scale, one in three a whole picture. All of them are landscapes of 2 to 3, as LOL's are.
_base_ = ['./paired.py', './lol_v1_holdout.py']

view = (104, 156)
train_pipeline = [
    dict(type='LoadImages'),
    dict(type='PairedLandscape'),
    dict(type='RandomResizedView', size=view, fraction=(0.5, 1.0), crop_probability=0.5, whole_probability=0.35),
    dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.1),
    dict(type='PackEnhanceInputs'),
]
train_dataloader = dict(
    batch_size=4, num_workers=1, dataset=dict(leave_out={{_base_.lol_v1_holdout}}, pipeline=train_pipeline))
val_dataloader = dict(
    num_workers=1, dataset=dict(data_prefix={{_base_.train_prefix}}, only={{_base_.lol_v1_holdout}}))
test_dataloader = dict(num_workers=1)
