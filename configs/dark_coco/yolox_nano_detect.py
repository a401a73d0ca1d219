# The training of `isalux_detect`: an enhancer ahead of a frozen YOLOX-nano learns from the detector's own losses on COCO's
# boxes, from its features of the enhanced picture against those of the bright one (photographs and LOL-v1's real pairs
# too, without boxes), from the packaged DeepLabv3's features, and a little from the bright picture itself. Exposures from
# bright to 1/256. The network works at a short side of 64; it learns without the fade, which is calibrated afterwards.
# Expected: docs/detection.md, first table, row "`isalux_detect`", of two runs: 600 iterations with model.enhancer.denoise=False (--seed 0), and
# 476 of 600 from their weights as load_from (--seed 1).
# In the package: python tools/model_converters/checkpoint2package.py configs/isalux_detect.py CHECKPOINT OUT
# python tools/train.py configs/dark_coco/yolox_nano_detect.py
_base_ = ['./yolox_nano_none.py', '../_base_/datasets/detect_pictures.py']

model = dict(
    _delete_=True,
    type='isalux_mm.EnhancedDetector',
    enhancer=dict(type='ISALuxNeck', network='isalux_general', work_short_side=64, fade=None),
    detector=_base_.model,
    freeze_detector=True,
    enhancement_loss=dict(
        loss_pixel=dict(type='CharbonnierLoss', loss_weight=2.0),
        loss_segmentor=dict(
            type='PerceptualLoss', loss_weight=0.3, features=dict(type='PackagedFeatures', layers=(3, 6, 13)))),
    consistency_loss=dict(type='FeatureConsistencyLoss', loss_weight=8.0),
    backbone=dict())
train_dataloader = dict(
    _delete_=True,
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='isalux_mm.SharedInfiniteSampler', shares=(0.5, 0.25, 0.25)),  # ours
    dataset=dict(
        type='mmengine.ConcatDataset',
        ignore_keys=['dataset_type', 'task_name', 'classes', 'palette'],
        datasets=[_base_.detect_coco, _base_.detect_photos, _base_.detect_pairs]))

max_iters = 600
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(constructor='isalux_mm.TrainableOptimWrapperConstructor', optimizer=dict(lr=2e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=20, end=max_iters, T_max=max_iters - 20, eta_min=1e-6),
]
custom_hooks = [dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.02, update_buffers=True)]
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(by_epoch=False, interval=50, max_keep_ckpts=20))
log_processor = dict(window_size=10)
