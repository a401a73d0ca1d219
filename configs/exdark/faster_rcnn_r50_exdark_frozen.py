# Faster R-CNN R50 on ExDark, official split, behind the packaged ISALux, which stays as it is while the detector learns.
# Expected: not trained by us (the images are not freely to be had); compare with faster_rcnn_r50_exdark_none.py.
# python tools/train.py configs/exdark/faster_rcnn_r50_exdark_frozen.py
_base_ = './faster_rcnn_r50_exdark_none.py'

model = dict(
    _delete_=True,
    type='isalux_mm.EnhancedDetector',
    enhancer=_base_.isalux_frozen,
    detector=_base_.model,
    backbone=dict())
