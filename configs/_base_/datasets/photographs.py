# Photographs alone, made dark on the fly, in the views of LOL-v1 by scene; what is watched are its held-out scenes.
_base_ = ['./lol_v1_by_scene.py']

photo_pipeline = [
    dict(type='LoadImages'),
    dict(type='PairedResize', max_side=640),
    dict(type='PairedLandscape'),
    dict(type='KeepLuma'),  # of the whole picture, so that a dark corner stays dark
    dict(type='RandomResizedView', size={{_base_.view}}, fraction=(0.5, 1.0), crop_probability=0.5,
         whole_probability=0.35),
    dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.1),
    dict(type='SynthesizeLowLight', mixture=dict(), luma_band=None),
    dict(type='PackEnhanceInputs'),
]
photographs = dict(
    type='PhotoDataset',
    data_root='data/photos',
    data_prefix=dict(gt=''),
    layout='Put any well-lit photographs there; a few hundred will do.',
    pipeline=photo_pipeline)
train_dataloader = dict(dataset=dict(_delete_=True, **photographs))
