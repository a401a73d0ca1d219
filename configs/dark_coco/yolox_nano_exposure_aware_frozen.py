# The same training as yolox_nano_exposure_aware.py behind isalux_detect as it is, as long: enhancer and detector both.
# Expected: docs/detection.md, first table, row "detector trained behind `isalux_detect`".
# python tools/train.py configs/dark_coco/yolox_nano_exposure_aware_frozen.py
_base_ = './yolox_nano_exposure_aware.py'

model = dict(enhancer=dict(_delete_=True, **_base_.isalux_frozen))
default_hooks = dict(checkpoint=dict(interval=40))
