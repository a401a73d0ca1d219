# Faster R-CNN R50 on ExDark, official split, behind ISALux, both trained by the detector's losses, the enhancer ten times slower.
# Expected: not trained by us (the images are not freely to be had); compare with faster_rcnn_r50_exdark_none.py.
# python tools/train.py configs/exdark/faster_rcnn_r50_exdark_joint.py
_base_ = './faster_rcnn_r50_exdark_frozen.py'

model = dict(enhancer=dict(frozen=False))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=_base_.slow_enhancer))
