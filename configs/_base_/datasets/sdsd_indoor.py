# SDSD-indoor, the static version as it is published: frames as uint8 BGR arrays, one folder a scene.
# The scenes that are tested on are those of Retinexformer's published options.
_base_ = ['./paired.py']

data_root = 'data/SDSD/indoor_static_np'
layout = 'Expected: data/SDSD/indoor_static_np/{input,GT}/SCENE/FRAME.npy.'
prefix = dict(low='input', gt='GT')
test_scenes = [
    'pair1', 'pair4', 'pair9', 'pair11', 'pair19', 'pair21'
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
