# Cityscapes made dark on the fly, the bright image kept as the reference: what networks for Dark Zurich and Night Driving,
# which have no labelled training images, are trained on. `night_train` and `night_test` are laid over
# a segmentor's own data sets.
night_crop = (512, 1024)
night_train = dict(
    _delete_=True,
    type='CityscapesDataset',
    data_root='data/cityscapes/',
    data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='RandomResize', scale=(2048, 1024), ratio_range=(0.5, 2.0), keep_ratio=True),
        dict(type='RandomCrop', crop_size=night_crop, cat_max_ratio=0.75),
        dict(type='RandomFlip', prob=0.5),
        dict(type='isalux_mm.DarkenImage'),
        dict(type='isalux_mm.PackDarkSegInputs'),
    ])
