# After isalux_zero_shot_256: photographs in the look of LOL-v1's references, paler and softer than photographs are, and
# made dark by cameras whose colours are nearer still to LOL-v1's, by the numbers that docs/synthesis.md reads off real
# pairs; no real pair is trained on. It starts from the packaged weights.
# Expected: see docs/results.md.
# python tools/train.py configs/isalux_zero_shot_graded.py
_base_ = [
    './_base_/models/isalux_gt_mean.py',
    './_base_/datasets/photographs_near.py',
    './_base_/schedules/hours.py',
]

model = dict(init_cfg=dict(type='Pretrained', checkpoint='isalux_zero_shot'))
darkness = dict(
    type='SynthesizeLowLight',
    base='lol',
    ranges=dict(
        mean_ratio=(0.04, 0.3), slope=(1.2, 2.9), saturation=(0.8, 2.4), red_cast=(0.82, 1.22), blue_cast=(0.72, 1.1),
        black=(-0.05, 0.03), noise_levels=(1.1, 2.2), correlated_share=0.1, mosaic_share=0.08, chroma_noise=(0.7, 1.6),
        blurred_share=0.1, tinted_share=0.02, camera_share=0.2),
    mixture=dict(pale_share=0.0),
    luma_band=None)
train_dataloader = dict(
    dataset=dict(pipeline=[
        dict(type='LoadImages'),
        dict(type='PairedResize', max_side=640),
        dict(type='PairedLandscape'),
        dict(type='GradeReference'),
        dict(type='KeepLuma'),
        dict(type='RandomResizedView', size={{_base_.view}}, fraction=(0.5, 1.0), crop_probability=0.4,
             whole_probability=0.5),
        dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.1),
        darkness,
        dict(type='PackEnhanceInputs'),
    ]))
max_iters = 3600
optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=100, end=max_iters, T_max=max_iters - 100, eta_min=1e-6),
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
