# A small detector learned in the dark together with the enhancer ahead of it: YOLOX-nano for people alone behind ISALux,
# which starts from the packaged weights and learns at a tenth of the detector's rate, from its losses and a reference.
# Expected: docs/detection.md, "A detector learned in the dark".
# python tools/train.py configs/dark_coco/yolox_nano_person_joint.py
_base_ = './yolox_nano_person_none.py'

model = dict(
    _delete_=True,
    type='isalux_mm.EnhancedDetector',
    enhancer=dict(work_short_side=64, **{k: v for k, v in _base_.isalux_joint.items() if k != 'work_short_side'}),
    detector=_base_.model,
    enhancement_loss=dict(loss_pixel=dict(type='CharbonnierLoss', loss_weight=2.0)),
    backbone=dict())
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=_base_.slow_enhancer))
