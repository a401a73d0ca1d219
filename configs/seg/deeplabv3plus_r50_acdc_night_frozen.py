# DeepLabV3+ R50 for ACDC night, trained on its night images, behind the packaged ISALux, which stays as it is.
# Expected: not trained by us (the images are not freely to be had); compare with deeplabv3plus_r50_acdc_night_none.py.
# python tools/train.py configs/seg/deeplabv3plus_r50_acdc_night_frozen.py
_base_ = './deeplabv3plus_r50_acdc_night_none.py'

model = dict(
    _delete_=True,
    type='isalux_mm.EnhancedSegmentor',
    enhancer=_base_.isalux_frozen,
    segmentor=_base_.model)
