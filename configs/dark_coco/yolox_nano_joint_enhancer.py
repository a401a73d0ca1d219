# YOLOX-nano on darkened COCO behind ISALux, the detector frozen: the enhancer alone learns, from the same losses.
# Expected: nothing is stated; it has not been run from the weights that are packaged now.
# python tools/train.py configs/dark_coco/yolox_nano_joint_enhancer.py
_base_ = './yolox_nano_joint.py'

model = dict(freeze_detector=True)
optim_wrapper = dict(constructor='isalux_mm.TrainableOptimWrapperConstructor')
