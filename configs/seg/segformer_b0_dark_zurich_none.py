# SegFormer-B0 for Dark Zurich, trained on Cityscapes made dark, without an enhancer; base of its siblings.
# Expected: not trained by us (the images are not freely to be had). Starts from mmseg's weights, 76.54 mIoU on Cityscapes by
# day (mmseg's metafile), and keeps mmseg's schedule; crops are ours.
# python tools/train.py configs/seg/segformer_b0_dark_zurich_none.py
_base_ = [
    # of the installed mmseg, whatever package it came with
    __import__('mmseg').__path__[0] + '/.mim/configs/segformer/segformer_mit-b0_8xb1-160k_cityscapes-1024x1024.py',
    '../_base_/datasets/seg_dark_zurich.py',
    '../_base_/models/isalux_neck.py',
]
custom_imports = dict(imports=['isalux_mm.seg'])
load_from = 'https://download.openmmlab.com/mmsegmentation/v0.5/segformer/segformer_mit-b0_8x1_1024x1024_160k_cityscapes/segformer_mit-b0_8x1_1024x1024_160k_cityscapes_20211208_101857-e7f88502.pth'  # noqa: E501

model = dict(data_preprocessor=dict(size=_base_.night_crop))

train_dataloader = dict(dataset=_base_.night_train)
val_dataloader = dict(dataset=_base_.night_test)
test_dataloader = dict(dataset=_base_.night_test)
default_hooks = dict(checkpoint=dict(max_keep_ckpts=2, save_best='mIoU'))
