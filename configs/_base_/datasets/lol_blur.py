# LOL-Blur.
_base_ = ['./paired.py']

data_root = 'data/LOL-Blur'
layout = 'Expected: data/LOL-Blur/{train,test}/{low_blur,high_sharp_scaled}/SCENE/FRAME.png.'

train_dataloader = dict(
    dataset=dict(data_root=data_root, data_prefix=dict(low='train/low_blur', gt='train/high_sharp_scaled'), layout=layout))
val_dataloader = dict(
    dataset=dict(data_root=data_root, data_prefix=dict(low='test/low_blur', gt='test/high_sharp_scaled'), layout=layout))
test_dataloader = val_dataloader
