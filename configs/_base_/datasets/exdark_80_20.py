# ExDark, the 80/20 split of the detection papers (MAET, IAT): 5891 images to train on, 1472 to test, which are watched
# during training as those papers do. The split's list files are theirs.
# Files: tools/dataset_converters/exdark2coco.py --split 80/20 --lists train=train.txt test=val.txt --out data/exdark/annotations
exdark_root = 'data/exdark/'
exdark_meta = dict(split='80/20')
exdark_subset = {
    name: dict(
        type='isalux_mm.ExDarkDataset',
        data_root=exdark_root,
        ann_file=f'annotations/80-20_{name}.json',
        data_prefix=dict(img='images/'),
        metainfo=exdark_meta)
    for name in ('train', 'test')
}
exdark = dict(
    train=exdark_subset['train'],
    val=exdark_subset['test'],
    test=exdark_subset['test'],
    val_evaluator=dict(
        _delete_=True, type='isalux_mm.ExDarkMetric', ann_file=exdark_root + 'annotations/80-20_test.json'),
    test_evaluator=dict(
        _delete_=True, type='isalux_mm.ExDarkMetric', resamples=1000,
        ann_file=exdark_root + 'annotations/80-20_test.json'),
    save_best='exdark/80-20/bbox_mAP_50')
