# SDSD-outdoor.
_base_ = ['./paired.py']

data_root = 'data/SDSD/outdoor'
layout = 'Expected: data/SDSD/outdoor/{train,test}/{low,gt}/SCENE/FRAME.png (the static version; .npy frames in [0, 1] are read, too).'

train_dataloader = dict(
    dataset=dict(data_root=data_root, data_prefix=dict(low='train/low', gt='train/gt'), layout=layout))
val_dataloader = dict(
    dataset=dict(data_root=data_root, data_prefix=dict(low='test/low', gt='test/gt'), layout=layout))
test_dataloader = val_dataloader
