# SegFormer-B0 for ACDC night, trained on its night images, behind ISALux, both trained, the enhancer ten times slower.
# Expected: not trained by us (the images are not freely to be had); compare with segformer_b0_acdc_night_none.py.
# python tools/train.py configs/seg/segformer_b0_acdc_night_joint.py
_base_ = './segformer_b0_acdc_night_frozen.py'

model = dict(enhancer=dict(frozen=False))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=_base_.slow_enhancer))
