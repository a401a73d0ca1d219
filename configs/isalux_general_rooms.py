# After isalux_general_calm, in minutes of an accelerator: photographs of rooms in the look of LOL-v1's references, too,
# made dark as there; what is held out is held out. It starts from the packaged weights.
# Expected: see docs/results.md.
# Put photographs into data/photos and photographs of rooms into data/rooms (docs/synthesis.md names a set), then:
# python tools/train.py configs/isalux_general_rooms.py
_base_ = ['./isalux_general_256.py', './_base_/datasets/calm_photographs.py', './_base_/datasets/rooms.py']

train_dataloader = dict(
    sampler=dict(shares=(0.28, 0.4, 0.17, 0.15)),
    dataset=dict(datasets=[
        {{_base_.calm_photographs}}, {{_base_.lol_v1}}, {{_base_.other_camera}}, {{_base_.rooms}},
    ]))
max_iters = 11700
optim_wrapper = dict(optimizer=dict(lr=4e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=100, end=max_iters, T_max=max_iters - 100, eta_min=1e-6),
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
