# SDSD, the static version as it is published: frames as uint8 BGR arrays, one folder a scene. Siblings name the part.
_base_ = ['./paired.py']

prefix = dict(low='input', gt='GT')
train_pipeline = [
    dict(type='LoadImages', array_order='bgr'),
    dict(type='PairedRandomCrop', crop_size=256, pad_small=True),
    dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.5),
    dict(type='PairedRandomRotate90'),
    dict(type='PackEnhanceInputs'),
]
test_pipeline = [dict(type='LoadImages', array_order='bgr'), dict(type='PackEnhanceInputs')]

train_dataloader = dict(dataset=dict(data_prefix=prefix, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(data_prefix=prefix, pipeline=test_pipeline))
test_dataloader = val_dataloader
