# LOL-v2-real.
_base_ = ['./paired.py']

data_root = 'data/LOLv2/Real_captured'
layout = 'Expected: data/LOLv2/Real_captured/{Train,Test}/{Low,Normal}, 689 and 100 pairs low00001.png, normal00001.png.'

train_dataloader = dict(
    dataset=dict(data_root=data_root, data_prefix=dict(low='Train/Low', gt='Train/Normal'), layout=layout))
val_dataloader = dict(
    dataset=dict(data_root=data_root, data_prefix=dict(low='Test/Low', gt='Test/Normal'), layout=layout))
test_dataloader = val_dataloader
