# A small detector learned in the dark, without an enhancer: YOLOX-nano for people alone, backbone from COCO weights, neck
# and head from scratch; base of its sibling.
# Expected: docs/detection.md, "A detector learned in the dark".
# python tools/train.py configs/dark_coco/yolox_nano_person_none.py
_base_ = './yolox_nano_none.py'

model = dict(
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='data/yolox_nano.pth', prefix='backbone.')),
    bbox_head=dict(num_classes=1))
load_from = None

people = dict(metainfo=dict(classes=('person', )))
train_dataloader = dict(dataset=people)
val_dataloader = dict(dataset=people)
test_dataloader = dict(dataset=people)

optim_wrapper = dict(optimizer=dict(lr=1e-3))
