# Ahead of a detector at little cost: a network of 0.1 M parameters that learned what `isalux_detect` makes of small copies.
# For `ISALuxNeck(mode='fast')`. Expected: docs/detection.md.
# The packaged weights learned from BSDS500's training part and 160 of COCO's training pictures:
# python tools/distill.py configs/isalux_detect_small.py isalux_detect OUT.safetensors --photographs FOLDER FOLDER
# On photographs made dark instead, as any network of the package:
# python tools/train.py configs/isalux_detect_small.py
_base_ = ['./isalux_detect.py']

model = dict(
    network=dict(_delete_=True, type='AffineNetwork', safeguards=('fade', 'gray', 'black')),
    init_cfg=dict(type='Pretrained', checkpoint='isalux_detect_small'))
