# Photographs of houses and their rooms, and any others, in the look of LOL-v1's references, made dark as there, in views
# of 200x300; no real pair. isalux_zero_shot_rooms trains on both, isalux_general_rooms on the rooms.
rooms_darkness = dict(
    type='SynthesizeLowLight',
    base='lol',
    ranges=dict(
        mean_ratio=(0.04, 0.3), slope=(1.1, 2.7), saturation=(0.6, 2.1), red_cast=(0.8, 1.25), blue_cast=(0.68, 1.1),
        black=(-0.06, 0.02), red_black=(-0.02, 0.2), blue_black=(-0.06, 0.13), noise_levels=(1.5, 2.3),
        red_noise=(1.4, 2.1), blue_noise=(1.1, 1.5), correlated_share=0.08, mosaic_share=0.05,
        chroma_noise=(0.7, 1.3), blurred_share=0.1, tinted_share=0.02, camera_share=0.2, lit_ratio=(0.5, 1.2)),
    mixture=dict(pale_share=0.0),
    luma_band=None)
before_grading = [
    dict(type='LoadImages'),
    dict(type='PairedResize', max_side=640),
    dict(type='PairedLandscape'),
]
after_grading = [
    dict(type='KeepLuma', band=(0.24, 0.68)),  # of the whole picture; dark things stay dark
    dict(type='RandomResizedView', size=(200, 300), fraction=(0.5, 1.0), crop_probability=0.4, whole_probability=0.5),
    dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.1),
    rooms_darkness,
    dict(type='PackEnhanceInputs'),
]
graded_photographs = dict(
    type='PhotoDataset',
    data_root='data/photos',
    data_prefix=dict(gt=''),
    layout='Put any well-lit photographs there; a few hundred will do.',
    pipeline=[*before_grading, dict(type='GradeReference', brightness=(0.9, 1.24)), *after_grading])
rooms = dict(
    graded_photographs,
    data_root='data/rooms',
    layout='Put any well-lit photographs of rooms there; a few hundred will do.',
    pipeline=[  # they are brighter than LOL-v1's references by a fifth, warmer, and more colourful by three quarters
        *before_grading,
        dict(type='GradeReference', contrast=(0.8, 1.1), neutrality=(0.0, 0.9), saturation=(0.45, 1.3),
             brightness=(0.8, 1.18)),
        *after_grading,
    ])
