# YOLOX-nano on darkened COCO behind the packaged weights for detectors as they are: nothing is trained.
# Expected: docs/detection.md, first table, row "`isalux_detect`".
# python tools/test.py configs/dark_coco/yolox_nano_frozen.py data/yolox_nano.pth --gains 1 0.12 0.02 0.004
_base_ = './yolox_nano_joint.py'

model = dict(enhancer=dict(frozen=True, mode='fast'), enhancement_loss=None)
