# Photographs alone, made dark on the fly by cameras near to that of LOL-v1, in the views of LOL-v1 by scene; what is
# watched are its held-out scenes. `darkness` is for the pipelines of later phases.
_base_ = ['./lol_v1_by_scene.py']

darkness = dict(type='SynthesizeLowLight', base='lol', mixture=dict(pale_share=0.15), luma_band=None)
photographs = dict(
    type='PhotoDataset',
    data_root='data/photos',
    data_prefix=dict(gt=''),
    layout='Put any well-lit photographs there; a few hundred will do.',
    pipeline=[
        dict(type='LoadImages'),
        dict(type='PairedResize', max_side=640),
        dict(type='PairedLandscape'),
        dict(type='KeepLuma'),  # of the whole picture, so that a dark corner stays dark
        dict(type='RandomResizedView', size={{_base_.view}}, fraction=(0.5, 1.0), crop_probability=0.5,
             whole_probability=0.35),
        dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.1),
        darkness,
        dict(type='PackEnhanceInputs'),
    ])
train_dataloader = dict(dataset=dict(_delete_=True, **photographs))
