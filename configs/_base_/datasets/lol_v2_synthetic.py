# LOL-v2-synthetic.
_base_ = ['./paired.py']

data_root = 'data/LOLv2/Synthetic'
layout = 'Expected: data/LOLv2/Synthetic/{Train,Test}/{Low,Normal}, 900 and 100 pairs with equal names.'

train_dataloader = dict(
    dataset=dict(data_root=data_root, data_prefix=dict(low='Train/Low', gt='Train/Normal'), layout=layout))
val_dataloader = dict(
    dataset=dict(data_root=data_root, data_prefix=dict(low='Test/Low', gt='Test/Normal'), layout=layout))
test_dataloader = val_dataloader
