# SDSD-outdoor; the scenes that are tested on are those of Retinexformer's published options.
_base_ = ['./sdsd.py']

data_root = 'data/SDSD/outdoor_static_np'
layout = 'Expected: data/SDSD/outdoor_static_np/{input,GT}/SCENE/FRAME.npy.'
test_scenes = [
    'MVI_0898', 'MVI_0906', 'MVI_0928', 'MVI_0975', 'MVI_0997', 'MVI_1001', 'MVI_1003', 'MVI_1026',
    'MVI_1030', 'MVI_1032'
]

train_dataloader = dict(dataset=dict(data_root=data_root, without_scenes=test_scenes, layout=layout))
val_dataloader = dict(dataset=dict(data_root=data_root, scenes=test_scenes, layout=layout))
test_dataloader = val_dataloader
