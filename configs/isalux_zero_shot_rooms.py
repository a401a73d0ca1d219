# After isalux_zero_shot_graded, in views of 200x300: half of the samples are photographs of houses and their rooms, for
# LOL-v1 shows rooms, and few photographs of the other half do; both in the look of LOL-v1's references, made dark
# as there. No real pair is trained on. It starts from the packaged weights, which are a mean of its ends and others.
# Expected: see docs/results.md.
# Put photographs into data/photos and photographs of rooms into data/rooms (docs/synthesis.md names a set), then:
# python tools/train.py configs/isalux_zero_shot_rooms.py
_base_ = ['./isalux_zero_shot_graded.py']

darkness = dict(
    type='SynthesizeLowLight',
    base='lol',
    ranges=dict(
        mean_ratio=(0.04, 0.3), slope=(1.1, 2.7), saturation=(0.6, 2.1), red_cast=(0.8, 1.25), blue_cast=(0.68, 1.1),
        black=(-0.06, 0.02), red_black=(-0.02, 0.2), blue_black=(-0.06, 0.13), noise_levels=(1.5, 2.3),
        red_noise=(1.4, 2.1), blue_noise=(1.1, 1.5), correlated_share=0.08, mosaic_share=0.05,
        chroma_noise=(0.7, 1.3), blurred_share=0.1, tinted_share=0.02, camera_share=0.2, lit_ratio=(0.5, 1.2)),
    mixture=dict(pale_share=0.0),
    luma_band=None)
start_of_pipeline = [
    dict(type='LoadImages'),
    dict(type='PairedResize', max_side=640),
    dict(type='PairedLandscape'),
]
end_of_pipeline = [
    dict(type='KeepLuma', band=(0.24, 0.68)),  # of the whole picture; dark things stay dark
    dict(type='RandomResizedView', size=(200, 300), fraction=(0.5, 1.0), crop_probability=0.4, whole_probability=0.5),
    dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.1),
    darkness,
    dict(type='PackEnhanceInputs'),
]
photographs = dict(
    type='PhotoDataset',
    data_root='data/photos',
    data_prefix=dict(gt=''),
    layout='Put any well-lit photographs there; a few hundred will do.',
    pipeline=[*start_of_pipeline, dict(type='GradeReference', brightness=(0.9, 1.24)), *end_of_pipeline])
rooms = dict(
    photographs,
    data_root='data/rooms',
    layout='Put any well-lit photographs of rooms there; a few hundred will do.',
    pipeline=[  # they are brighter than LOL-v1's references by a fifth, warmer, and more colourful by three quarters
        *start_of_pipeline,
        dict(type='GradeReference', contrast=(0.8, 1.1), neutrality=(0.0, 0.9), saturation=(0.45, 1.3),
             brightness=(0.8, 1.18)),
        *end_of_pipeline,
    ])
train_dataloader = dict(
    batch_size=2,
    sampler=dict(_delete_=True, type='SharedInfiniteSampler', shares=(0.5, 0.5)),  # ours
    dataset=dict(_delete_=True, type='ConcatDataset', datasets=[photographs, rooms]))
max_iters = 5000
optim_wrapper = dict(optimizer=dict(lr=4e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=100, end=max_iters, T_max=max_iters - 100, eta_min=1e-6),
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
