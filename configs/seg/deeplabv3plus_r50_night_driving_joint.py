# DeepLabV3+ R50 for Night Driving, trained on Cityscapes made dark, behind ISALux, both trained, the enhancer ten times slower.
# Expected: not trained by us (the images are not freely to be had); compare with deeplabv3plus_r50_night_driving_none.py.
# python tools/train.py configs/seg/deeplabv3plus_r50_night_driving_joint.py
_base_ = './deeplabv3plus_r50_night_driving_frozen.py'

model = dict(enhancer=dict(frozen=False), enhancement_loss=dict(loss_pixel=dict(type='CharbonnierLoss', loss_weight=1.0)))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=_base_.slow_enhancer))
