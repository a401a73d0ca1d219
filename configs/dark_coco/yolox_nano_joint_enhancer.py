# YOLOX-nano on darkened COCO behind ISALux, the detector frozen: the enhancer alone learns, from the same losses.
# Expected: docs/detection.md, "A pretrained detector in the dark", row "joint, enhancer alone".
# python tools/train.py configs/dark_coco/yolox_nano_joint_enhancer.py
_base_ = './yolox_nano_joint.py'

model = dict(freeze_detector=True)
optim_wrapper = dict(constructor='isalux_mm.TrainableOptimWrapperConstructor')
