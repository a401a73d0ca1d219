# YOLOX-nano on darkened COCO, the detector alone trained further, behind the identity: what joint training is compared with.
# Expected: nothing is stated; docs/detection.md has yolox_nano_exposure_aware.py, which is longer and meets all exposures.
# python tools/train.py configs/dark_coco/yolox_nano_detector.py
_base_ = './yolox_nano_joint.py'

model = dict(
    enhancer=dict(_delete_=True, type='ISALuxNeck', network=dict(type='Identity')),
    enhancement_loss=None)
