# Night Driving's 50 coarsely labelled test images: data/NighttimeDrivingTest/{leftImg8bit,gtCoarse_daytime_trainvaltest}/test/night.
_base_ = './seg_cityscapes_dark.py'
night_test = dict(
    type='NightDrivingDataset',
    data_root='data/NighttimeDrivingTest/',
    data_prefix=dict(img_path='leftImg8bit/test/night', seg_map_path='gtCoarse_daytime_trainvaltest/test/night'),
    pipeline=[  # mmseg's, at the images' own size
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(1920, 1080), keep_ratio=True),
        dict(type='LoadAnnotations'),
        dict(type='PackSegInputs'),
    ])
