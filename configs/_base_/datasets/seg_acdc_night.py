# ACDC, night: 400 training and 106 validation images, both labelled; real darkness, hence no reference image.
night_crop = (512, 1024)
night_train = dict(
    _delete_=True,
    type='isalux_mm.ACDCDataset',
    data_root='data/acdc/',
    data_prefix=dict(img_path='rgb_anon/night/train', seg_map_path='gt/night/train'),
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='RandomResize', scale=(1920, 1080), ratio_range=(0.5, 2.0), keep_ratio=True),
        dict(type='RandomCrop', crop_size=night_crop, cat_max_ratio=0.75),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PackSegInputs'),
    ])
night_test = dict(
    type='isalux_mm.ACDCDataset',
    data_root='data/acdc/',
    data_prefix=dict(img_path='rgb_anon/night/val', seg_map_path='gt/night/val'),
    pipeline=[  # mmseg's, at the images' own size
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(1920, 1080), keep_ratio=True),
        dict(type='LoadAnnotations'),
        dict(type='PackSegInputs'),
    ])
