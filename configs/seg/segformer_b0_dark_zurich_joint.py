# SegFormer-B0 for Dark Zurich, trained on Cityscapes made dark, behind ISALux, both trained, the enhancer ten times slower.
# Expected: not trained by us (the images are not freely to be had); compare with segformer_b0_dark_zurich_none.py.
# python tools/train.py configs/seg/segformer_b0_dark_zurich_joint.py
_base_ = './segformer_b0_dark_zurich_frozen.py'

model = dict(enhancer=dict(frozen=False), enhancement_loss=dict(loss_pixel=dict(type='CharbonnierLoss', loss_weight=1.0)))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=_base_.slow_enhancer))
