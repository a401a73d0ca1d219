# What an enhancer for detectors learns from, at 320 x 320: COCO's pictures with boxes, photographs, and the real pairs of
# LOL-v1 without its 40 held-out scenes. Photographs and COCO are made dark by 0 to 8 stops in linear light, with noise.
# The COCO set is without the images by which one chooses (tools/dataset_converters/split_coco.py); photographs that lie
# in both places have to be left out by name, here those of the 160-image set.
_base_ = ['./lol_v1_holdout.py']

detect_size = (320, 320)
detect_darkness = dict(
    type='isalux_mm.DarkenImage',
    ranges=dict(mean_ratio=None, slope=None, reference_toe=(1.0, 1.0), stops=(-8.0, 0.0)))
detect_ending = [dict(type='Pad', size=detect_size, pad_val=dict(img=(114.0, 114.0, 114.0))),
                 dict(type='isalux_mm.PackDarkDetInputs')]
detect_coco = dict(
    type='CocoDataset',
    data_root='data/',
    ann_file='coco_split/learn.json',
    data_prefix=dict(img='coco/train2017/'),
    filter_cfg=dict(filter_empty_gt=True, min_size=8),
    pipeline=[
        dict(type='LoadImageFromFile', backend_args=None),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='Resize', scale=detect_size, keep_ratio=True),
        dict(type='RandomFlip', prob=0.5),
        detect_darkness,
        dict(type='FilterAnnotations', min_gt_bbox_wh=(1, 1), keep_empty=False),
        *detect_ending,
    ])
detect_photos = dict(
    type='isalux_mm.PhotoDataset',
    data_root='data/photos',
    data_prefix=dict(gt=['bsds500', 'free']),
    layout='Put any well-lit photographs there; a few hundred will do.',
    pipeline=[
        dict(type='isalux_mm.LoadImages'),
        dict(type='isalux_mm.PairedResize', max_side=detect_size[0]),
        dict(type='isalux_mm.PairedRandomFlip'),
        dict(type='isalux_mm.UnlabeledDetInputs'),
        detect_darkness,
        *detect_ending,
    ])
detect_pairs = dict(
    type='isalux_mm.PairedImageDataset',
    data_root='data/LOL',
    data_prefix=dict(low='our485/low', gt='our485/high'),
    layout='Expected: data/LOL/{our485,eval15}/{low,high}, images with equal names.',
    leave_out={{_base_.lol_v1_holdout}},
    pipeline=[
        dict(type='isalux_mm.LoadImages'),
        dict(type='isalux_mm.PairedResize', max_side=detect_size[0]),
        dict(type='isalux_mm.PairedRandomFlip'),
        dict(type='isalux_mm.UnlabeledDetInputs'),
        *detect_ending,
    ])
