# YOLOX-nano trained further on COCO at all exposures, without an enhancer: exposure-aware training of the detector itself,
# the strongest thing to compare an enhancer with. From bright to eight stops under, evenly in stops.
# Expected: docs/detection.md, row "detector trained on dark pictures".
# python tools/train.py configs/dark_coco/yolox_nano_exposure_aware.py
_base_ = './yolox_nano_detector.py'

exposure_pipeline = [
    dict(t, ranges=dict(t.ranges, stops=(-8.0, 0.0))) if t.type == 'isalux_mm.DarkenImage' else t
    for t in _base_.train_dataloader.dataset.pipeline
]
train_dataloader = dict(dataset=dict(pipeline=exposure_pipeline))
max_iters = 120
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=10),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=10, end=max_iters, T_max=max_iters - 10, eta_min=1e-6),
]
