# YOLOv3-608 on ExDark, 80/20 split, behind ISALux, both trained by the detector's losses, the enhancer ten times slower.
# Expected: not trained by us (the images are not freely to be had); compare with yolov3_d53_exdark_none.py.
# python tools/train.py configs/exdark/yolov3_d53_exdark_joint.py
_base_ = './yolov3_d53_exdark_frozen.py'

model = dict(enhancer=dict(frozen=False))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=_base_.slow_enhancer))
