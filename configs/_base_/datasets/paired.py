# Paired data in the LOL-v1 layout; siblings change the folders.
data_root = 'data/LOL'
layout = 'Expected: data/LOL/our485/{low,high} and data/LOL/eval15/{low,high}, 485 and 15 PNG pairs with equal names.'
train_prefix = dict(low='our485/low', gt='our485/high')
test_prefix = dict(low='eval15/low', gt='eval15/high')

train_pipeline = [
    dict(type='LoadImages'),
    dict(type='PairedRandomCrop', crop_size=256, pad_small=True),  # the paper's patch
    dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.5),
    dict(type='PairedRandomRotate90'),
    dict(type='PackEnhanceInputs'),
]
test_pipeline = [dict(type='LoadImages'), dict(type='PackEnhanceInputs')]

train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='PairedImageDataset',
        data_root=data_root,
        data_prefix=train_prefix,
        layout=layout,
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='PairedImageDataset',
        data_root=data_root,
        data_prefix=test_prefix,
        layout=layout,
        pipeline=test_pipeline,
        test_mode=True))
test_dataloader = val_dataloader
val_evaluator = [dict(type='PairedImageQuality')]
test_evaluator = val_evaluator
