# SegFormer-B0 for Night Driving, trained on Cityscapes made dark, behind the packaged ISALux, which stays as it is.
# Expected: not trained by us (the images are not freely to be had); compare with segformer_b0_night_driving_none.py.
# python tools/train.py configs/seg/segformer_b0_night_driving_frozen.py
_base_ = './segformer_b0_night_driving_none.py'

model = dict(
    _delete_=True,
    type='isalux_mm.EnhancedSegmentor',
    enhancer=_base_.isalux_frozen,
    segmentor=_base_.model)
