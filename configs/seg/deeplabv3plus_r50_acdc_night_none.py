# DeepLabV3+ R50 for ACDC night, trained on its night images, without an enhancer; base of its siblings.
# Expected: not trained by us (the images are not freely to be had). Starts from mmseg's weights, 80.09 mIoU on Cityscapes by
# day (mmseg's metafile), and keeps mmseg's schedule; crops are ours.
# python tools/train.py configs/seg/deeplabv3plus_r50_acdc_night_none.py
_base_ = [
    # of the installed mmseg, whatever package it came with
    __import__('mmseg').__path__[0] + '/.mim/configs/deeplabv3plus/deeplabv3plus_r50-d8_4xb2-80k_cityscapes-512x1024.py',
    '../_base_/datasets/seg_acdc_night.py',
    '../_base_/models/isalux_neck.py',
]
custom_imports = dict(imports=['isalux_mm.seg'])
load_from = 'https://download.openmmlab.com/mmsegmentation/v0.5/deeplabv3plus/deeplabv3plus_r50-d8_512x1024_80k_cityscapes/deeplabv3plus_r50-d8_512x1024_80k_cityscapes_20200606_114049-f9fb496d.pth'  # noqa: E501

train_dataloader = dict(dataset=_base_.night_train)
val_dataloader = dict(dataset=_base_.night_test)
test_dataloader = dict(dataset=_base_.night_test)
default_hooks = dict(checkpoint=dict(max_keep_ckpts=2, save_best='mIoU'))
