# Photographs as bright or dark as they are, in views of 200x300, made dark by cameras of any kind: more of them well lit
# and more of them only exposed less, so that what is not dark stays as it is whether its things are bright or dark.
calm_photographs = dict(
    type='PhotoDataset',
    data_root='data/photos',
    data_prefix=dict(gt=''),
    layout='Put any well-lit photographs there; a few hundred will do.',
    pipeline=[
        dict(type='LoadImages'),
        dict(type='PairedResize', max_side=640),
        dict(type='PairedLandscape'),
        dict(type='KeepLuma', band=(0.24, 0.68)),  # photographs of dark things are dark
        dict(type='RandomResizedView', size=(200, 300), fraction=(0.5, 1.0), crop_probability=0.5,
             whole_probability=0.35),
        dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.1),
        dict(type='SynthesizeLowLight', ranges=dict(lit_share=0.3, lit_ratio=(0.5, 1.2), exposed_share=0.2),
             mixture=dict(), luma_band=None),
        dict(type='PackEnhanceInputs'),
    ])
