# After isalux_lol_256_whole, on a CPU, for pictures that are only exposed less: half of the views are references of
# LOL-v1 at a plain gain, from hardly darker to 8 stops less, so that a scene's brightness holds over its exposures; half
# of these are brought to a mean luma of .46 at least, for photographs are brighter than LOL-v1's rooms (ours). LOL-v1
# alone still.
# Expected: see docs/results.md.
# On all 485 pairs at the end: train_dataloader.dataset.leave_out="[]".
# python tools/train.py configs/isalux_lol_calm.py --cfg-options load_from=work_dirs/isalux_lol_256_whole/iter_1600.pth
_base_ = [
    './_base_/models/isalux_gt_mean.py',
    './_base_/datasets/lol_v1_by_scene.py',
    './_base_/schedules/last_phase.py',
]

plain_gain = dict(
    type='SynthesizeLowLight',
    base='plain',
    luma_band=None,
    ranges=dict(mean_ratio=None, stops=(-8.0, 0.0), slope=None, reference_toe=(1.0, 1.0), gain_jitter=0.0,
                noise_left=(0.02, 0.4), blurred_share=0.0))
bright_gain = dict(plain_gain, luma_band=(0.46, 0.66))
train_dataloader = dict(
    batch_size=2,
    dataset=dict(pipeline=[
        dict(type='LoadImages'),
        dict(type='PairedLandscape'),
        dict(type='RandomResizedView', size=(200, 300), fraction=(0.5, 1.0), crop_probability=0.5,
             whole_probability=0.35),
        dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.1),
        dict(type='RandomChoice', transforms=[[], [plain_gain], [bright_gain]], prob=[0.52, 0.24, 0.24]),
        dict(type='PackEnhanceInputs'),
    ]))
max_iters = 3600
optim_wrapper = dict(optimizer=dict(lr=3e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, T_max=max_iters - 50, eta_min=1e-6),
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
