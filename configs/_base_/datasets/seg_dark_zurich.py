# Dark Zurich's night validation images (50, labelled): data/dark_zurich/{rgb_anon,gt}/val/night/GOPR0356.
_base_ = './seg_cityscapes_dark.py'
night_test = dict(
    type='DarkZurichDataset',
    data_root='data/dark_zurich/',
    data_prefix=dict(img_path='rgb_anon/val/night/GOPR0356', seg_map_path='gt/val/night/GOPR0356'),
    pipeline=[  # mmseg's, at the images' own size
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(1920, 1080), keep_ratio=True),
        dict(type='LoadAnnotations'),
        dict(type='PackSegInputs'),
    ])
