# Dark Zurich's night validation images (50, labelled): data/dark_zurich/{rgb_anon,gt}/val/night/GOPR0356.
_base_ = './seg_cityscapes_dark.py'
night_test = dict(
    type='DarkZurichDataset',
    data_root='data/dark_zurich/',
    data_prefix=dict(img_path='rgb_anon/val/night/GOPR0356', seg_map_path='gt/val/night/GOPR0356'))
