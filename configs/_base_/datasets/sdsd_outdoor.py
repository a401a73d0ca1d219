# SDSD-outdoor, the static version as it is published: frames as uint8 BGR arrays, one folder a scene.
# The scenes that are tested on are those of Retinexformer's published options.
_base_ = ['./paired.py']

data_root = 'data/SDSD/outdoor_static_np'
layout = 'Expected: data/SDSD/outdoor_static_np/{input,GT}/SCENE/FRAME.npy.'
prefix = dict(low='input', gt='GT')
test_scenes = [
    'MVI_0898', 'MVI_0906', 'MVI_0928', 'MVI_0975', 'MVI_0997', 'MVI_1001', 'MVI_1003', 'MVI_1026',
    'MVI_1030', 'MVI_1032'
]

train_pipeline = [
    dict(type='LoadImages', array_order='bgr'),
    dict(type='PairedRandomCrop', crop_size=256, pad_small=True),
    dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.5),
    dict(type='PairedRandomRotate90'),
    dict(type='PackEnhanceInputs'),
]
test_pipeline = [dict(type='LoadImages', array_order='bgr'), dict(type='PackEnhanceInputs')]

train_dataloader = dict(
    dataset=dict(
        data_root=data_root, data_prefix=prefix, without_scenes=test_scenes, layout=layout, pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(data_root=data_root, data_prefix=prefix, scenes=test_scenes, layout=layout, pipeline=test_pipeline))
test_dataloader = val_dataloader
