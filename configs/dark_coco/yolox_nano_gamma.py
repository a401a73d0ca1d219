# YOLOX-nano on darkened COCO behind a fixed power law.
# Expected: docs/detection.md, first table, row "gamma 0.45".
# python tools/test.py configs/dark_coco/yolox_nano_gamma.py data/yolox_nano.pth --gains 1 0.12 0.02 0.004
_base_ = './yolox_nano_frozen.py'

model = dict(
    enhancer=dict(_delete_=True, type='ISALuxNeck', network=dict(type='GammaCurve', gamma=0.45), frozen=True))
