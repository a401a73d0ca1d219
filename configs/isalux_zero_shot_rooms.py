# After isalux_zero_shot_graded, in views of 200x300: half of the samples are photographs of houses and their rooms, for
# LOL-v1 shows rooms, and few photographs of the other half do; both in the look of LOL-v1's references, made dark
# as there. No real pair is trained on. It starts from the packaged weights, which are a mean of its ends and others.
# Expected: see docs/results.md.
# Put photographs into data/photos and photographs of rooms into data/rooms (docs/synthesis.md names a set), then:
# python tools/train.py configs/isalux_zero_shot_rooms.py
_base_ = ['./isalux_zero_shot_graded.py', './_base_/datasets/rooms.py']

train_dataloader = dict(
    batch_size=2,
    sampler=dict(_delete_=True, type='SharedInfiniteSampler', shares=(0.5, 0.5)),  # ours
    dataset=dict(
        _delete_=True, type='ConcatDataset', datasets=[{{_base_.graded_photographs}}, {{_base_.rooms}}]))
max_iters = 5000
optim_wrapper = dict(optimizer=dict(lr=4e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=100, end=max_iters, T_max=max_iters - 100, eta_min=1e-6),
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
