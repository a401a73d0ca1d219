# Weights for detectors: the general model, trained on through a frozen detector and a frozen segmentation network.
# Its training is that of configs/dark_coco/yolox_nano_detect.py; this is its network and, for what it is alone, the data
# and losses of the general model.
# Expected: see docs/detection.md.
# python tools/train.py configs/isalux_detect.py
_base_ = ['./isalux_general.py']

model = dict(init_cfg=dict(type='Pretrained', checkpoint='isalux_detect'))
