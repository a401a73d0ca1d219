# SDSD-indoor; the scenes that are tested on are those of Retinexformer's published options.
_base_ = ['./sdsd.py']

data_root = 'data/SDSD/indoor_static_np'
layout = 'Expected: data/SDSD/indoor_static_np/{input,GT}/SCENE/FRAME.npy.'
test_scenes = [
    'pair1', 'pair4', 'pair9', 'pair11', 'pair19', 'pair21'
]

train_dataloader = dict(dataset=dict(data_root=data_root, without_scenes=test_scenes, layout=layout))
val_dataloader = dict(dataset=dict(data_root=data_root, scenes=test_scenes, layout=layout))
test_dataloader = val_dataloader
