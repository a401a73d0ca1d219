# ExDark, the official split: 3000 images to train on, 1800 to validate, 2563 to test. `exdark.train` and its like are
# laid over a detector's own dataset, so that the detector keeps its pipelines.
# Files: tools/dataset_converters/exdark2coco.py --split official --out data/exdark/annotations
exdark_root = 'data/exdark/'
exdark_meta = dict(split='official')
exdark_subset = {
    name: dict(
        type='isalux_mm.ExDarkDataset',
        data_root=exdark_root,
        ann_file=f'annotations/official_{name}.json',
        data_prefix=dict(img='images/'),
        metainfo=exdark_meta)
    for name in ('train', 'val', 'test')
}
exdark = dict(
    **exdark_subset,
    val_evaluator=dict(
        _delete_=True, type='isalux_mm.ExDarkMetric', ann_file=exdark_root + 'annotations/official_val.json'),
    test_evaluator=dict(
        _delete_=True, type='isalux_mm.ExDarkMetric', resamples=1000,
        ann_file=exdark_root + 'annotations/official_test.json'),
    save_best='exdark/official/bbox_mAP_50')
