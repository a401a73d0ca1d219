# isalux_lol_finetune_whole once more, after isalux_lol_256 and with its losses, on a CPU: whole pictures tell the
# exposure. The packaged weights began at the mean of isalux_lol_256's end and of weights that had seen all 485 pairs,
# and saw all of them.
# Expected: see docs/results.md.
# On all 485 pairs at the end: train_dataloader.dataset.leave_out="[]".
# python tools/train.py configs/isalux_lol_256_whole.py --cfg-options load_from=work_dirs/isalux_lol_256/iter_1500.pth
_base_ = ['./isalux_lol_finetune_whole.py']

model = dict(losses=dict(loss_charbonnier=dict(loss_weight=0.5), loss_gt_mean=dict(type='GTMeanLoss', loss_weight=0.5)))
optim_wrapper = dict(optimizer=dict(lr=4e-4))
max_iters = 1100
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, T_max=max_iters - 50, eta_min=1e-6),
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
