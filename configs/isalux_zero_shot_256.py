# isalux_zero_shot trained on in minutes of an accelerator, in views of 200x300: photographs made dark by cameras near to
# that of LOL-v1, by the numbers that docs/synthesis.md reads off real pairs; no real pair is trained on. It starts from
# the packaged weights.
# Expected: see docs/results.md.
# python tools/train.py configs/isalux_zero_shot_256.py
_base_ = [
    './_base_/models/isalux_gt_mean.py',
    './_base_/datasets/photographs_near.py',
    './_base_/schedules/accelerator.py',
]

model = dict(init_cfg=dict(type='Pretrained', checkpoint='isalux_zero_shot'))
darkness = dict(
    type='SynthesizeLowLight',
    base='lol',
    ranges=dict(  # nearer still to LOL-v1's noise, tones and colours
        mean_ratio=(0.04, 0.3), slope=(1.2, 2.9), saturation=(1.1, 4.5), blue_cast=(0.7, 1.15), black=(-0.05, 0.03),
        noise_levels=(1.1, 2.2), correlated_share=0.1, mosaic_share=0.08, chroma_noise=(0.7, 1.6), blurred_share=0.1,
        tinted_share=0.05),
    mixture=dict(pale_share=0.15),
    luma_band=None)
train_dataloader = dict(
    batch_size=8,
    num_workers=5,
    dataset=dict(pipeline=[
        dict(type='LoadImages'),
        dict(type='PairedResize', max_side=640),
        dict(type='PairedLandscape'),
        dict(type='KeepLuma'),  # of the whole picture, so that a dark corner stays dark
        dict(type='RandomResizedView', size=(200, 300), fraction=(0.5, 1.0), crop_probability=0.5,
             whole_probability=0.35),
        dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.1),
        darkness,
        dict(type='PackEnhanceInputs'),
    ]))
