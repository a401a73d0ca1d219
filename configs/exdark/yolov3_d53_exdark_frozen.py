# YOLOv3-608 on ExDark, 80/20 split, behind the packaged ISALux, which stays as it is while the detector learns.
# Expected: not trained by us (the images are not freely to be had); compare with yolov3_d53_exdark_none.py.
# python tools/train.py configs/exdark/yolov3_d53_exdark_frozen.py
_base_ = './yolov3_d53_exdark_none.py'

model = dict(
    _delete_=True,
    type='isalux_mm.EnhancedDetector',
    enhancer=_base_.isalux_frozen,
    detector=_base_.model,
    backbone=dict())
