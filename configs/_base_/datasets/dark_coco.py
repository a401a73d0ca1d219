# COCO made dark on the fly, at 416 x 416: `dark_coco.train`, `.test`, `.evaluator`. Training draws the exposure anew for
# every view; testing makes each image dark by one gain in linear light and a fixed seed, so that all detectors meet the
# same darkness.
dark_coco_root = 'data/coco/'
dark_coco_size = (416, 416)
dark_coco_pad = dict(type='Pad', pad_to_square=True, pad_val=dict(img=(114.0, 114.0, 114.0)))

dark_coco = dict(
    train=dict(
        batch_size=8,
        num_workers=1,
        persistent_workers=True,
        sampler=dict(type='DefaultSampler', shuffle=True),
        dataset=dict(
            type='CocoDataset',
            data_root=dark_coco_root,
            ann_file='annotations/instances_train2017.json',
            data_prefix=dict(img='train2017/'),
            filter_cfg=dict(filter_empty_gt=True, min_size=8),
            pipeline=[
                dict(type='LoadImageFromFile', backend_args=None),
                dict(type='LoadAnnotations', with_bbox=True),
                dict(type='Resize', scale=dark_coco_size, keep_ratio=True),
                dict(type='RandomFlip', prob=0.5),
                dict(  # three to eight stops under, plain sRGB
                    type='isalux_mm.DarkenImage',
                    ranges=dict(mean_ratio=None, slope=None, reference_toe=(1.0, 1.0), stops=(-8.0, -3.0))),
                dark_coco_pad,
                dict(type='FilterAnnotations', min_gt_bbox_wh=(1, 1), keep_empty=False),
                dict(type='isalux_mm.PackDarkDetInputs'),
            ])),
    test=dict(
        batch_size=4,
        num_workers=1,
        persistent_workers=True,
        drop_last=False,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(
            type='CocoDataset',
            data_root=dark_coco_root,
            ann_file='annotations/instances_val2017.json',
            data_prefix=dict(img='val2017/'),
            test_mode=True,
            pipeline=[
                dict(type='LoadImageFromFile', backend_args=None),
                dict(type='isalux_mm.DarkenImage', gain=0.02, seed=0, keep_reference=False),
                dict(type='Resize', scale=dark_coco_size, keep_ratio=True),
                dark_coco_pad,
                dict(type='LoadAnnotations', with_bbox=True),
                dict(type='PackDetInputs',
                     meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
            ])),
    evaluator=dict(
        type='CocoMetric', ann_file=dark_coco_root + 'annotations/instances_val2017.json', metric='bbox'))
