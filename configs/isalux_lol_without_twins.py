# The illumination-prior variant on LOL-v1's training pairs without the 24 that show scenes of eval15, so that eval15 is
# a test of scenes that were not seen; the 40 held-out scenes are trained on. It starts from the packaged zero-shot
# weights. For a comparison leave as many other pairs out: 13 scenes of as many pictures, drawn at random.
# Expected: eval15 see docs/results.md. An hour of a CPU core.
# python tools/train.py configs/isalux_lol_without_twins.py
_base_ = ['./isalux_lol_finetune_last.py', './_base_/datasets/lol_v1_twins.py']

model = dict(init_cfg=dict(type='Pretrained', checkpoint='isalux_zero_shot'))
train_dataloader = dict(dataset=dict(leave_out={{_base_.lol_v1_twins}}))

max_iters = 2600
optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, T_max=max_iters - 50, eta_min=1e-6),
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
