# YOLOX-nano on darkened COCO behind ISALux, both trained: detection losses, and the enhanced image against the bright one.
# The enhancer learns at five times the detector's rate, and works at a short side of 64 (a CPU's pace).
# Expected: nothing is stated; it has not been run from the weights that are packaged now.
# python tools/train.py configs/dark_coco/yolox_nano_joint.py
_base_ = './yolox_nano_none.py'

model = dict(
    _delete_=True,
    type='isalux_mm.EnhancedDetector',
    enhancer=_base_.isalux_joint,
    detector=_base_.model,
    detector_norm_eval=True,  # batches are small
    enhancement_loss=dict(loss_pixel=dict(type='CharbonnierLoss', loss_weight=2.0)),
    backbone=dict())
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(enhancer=dict(lr_mult=5))))
