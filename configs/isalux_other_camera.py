# The illumination-prior variant on pairs of another camera than LOL's in hours of a CPU, a third of them held out to
# choose and to stop by; the way back from LOL-v1 for the table of what crosses from one camera to the other.
# Expected: see docs/benchmarks.md (across cameras).
# python tools/train.py configs/isalux_other_camera.py
_base_ = ['./isalux_lol_finetune.py', './_base_/datasets/other_camera_holdout.py']

max_iters = 600  # ours: 67 pictures are soon learnt by heart
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=100, end=max_iters, T_max=max_iters - 100, eta_min=1e-6),
]
train_cfg = dict(max_iters=max_iters, val_interval=300)

data_root = 'data/other_camera'
layout = 'Expected: data/other_camera/{low,high}, pairs with equal names.'
prefix = dict(low='low', gt='high')
train_dataloader = dict(dataset=dict(
    data_root=data_root, data_prefix=prefix, layout=layout, leave_out={{_base_.other_camera_holdout}}))
val_dataloader = dict(dataset=dict(
    data_root=data_root, data_prefix=prefix, layout=layout, only={{_base_.other_camera_holdout}}))
test_dataloader = val_dataloader
