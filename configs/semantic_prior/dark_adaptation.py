# Adapts the packaged semantic prior to darkness: the stock network labels the bright picture, the student, started
# from it, learns to give the same probabilities for the dark one. Photographs are made dark on the fly, by plain gains
# in linear light from 0.5 down to 0.003, or as real cameras do; LOL-v1's training pairs are real.
# Expected (ours): see docs/semantic_prior.md. 1,000 iterations take half an hour of one CPU core.
# Convert the stock weights first (tools/model_converters/deeplab_tflite2torch.py), put photographs into data/photos, then
# python tools/train.py configs/semantic_prior/dark_adaptation.py
_base_ = ['../_base_/datasets/paired.py', '../_base_/default_runtime.py']

stock = dict(
    type='PackagedSemanticPrior', checkpoint='checkpoints/deeplabv3_mnv2_pascal.safetensors', short_side=257)
model = dict(type='PriorAdaptation', teacher=dict(least_luma=0, **stock), student=dict(force=1.0, **stock))

# a view holds more pixels than the prior works at, so that its resizing averages noise as it will in use
view = [
    dict(type='RandomResizedView', size=(353, 481), fraction=(0.5, 1.0)),
    dict(type='PairedRandomFlip', horizontal=0.5),
]
plain_gain = dict(
    type='SynthesizeLowLight', base='plain', luma_band=None,
    ranges=dict(mean_ratio=None, stops=(-8.5, -1.0), slope=None, reference_toe=(1.0, 1.0)))
darkness = dict(
    type='RandomChoice',
    transforms=[[plain_gain], [dict(type='SynthesizeLowLight', luma_band=None)]],
    prob=[0.6, 0.4])
photos = dict(
    type='PhotoDataset',
    data_root='data/photos',
    data_prefix=dict(gt=''),
    layout='Put any well-lit photographs there; a few hundred will do.',
    pipeline=[dict(type='LoadImages'), *view, darkness, dict(type='PackEnhanceInputs')])
pairs = dict(
    type='PairedImageDataset',
    data_root='data/LOL',
    data_prefix=dict(low='our485/low', gt='our485/high'),
    layout='Expected: data/LOL/our485/{low,high}, 485 PNG pairs with equal names.',
    pipeline=[dict(type='LoadImages'), *view, dict(type='PackEnhanceInputs')])
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    sampler=dict(_delete_=True, type='SharedInfiniteSampler', shares=(0.65, 0.35)),  # ours
    dataset=dict(_delete_=True, type='ConcatDataset', datasets=[photos, pairs]))
# watched while training, not used to choose anything
watched = dict(
    photos,
    data_root='data/photos_held_out',
    pipeline=[dict(type='LoadImages'), dict(plain_gain, seed=0), dict(type='PackEnhanceInputs')],
    test_mode=True)
val_dataloader = dict(num_workers=1, dataset=dict(_delete_=True, **watched))
test_dataloader = val_dataloader
val_evaluator = [dict(type='LabelAgreement')]
test_evaluator = val_evaluator

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='TrainableOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=2e-3, betas=(0.9, 0.99), weight_decay=0.0),
    clip_grad=dict(max_norm=1.0))
max_iters = 1000
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, T_max=max_iters - 50, eta_min=2e-5),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

default_hooks = dict(logger=dict(interval=25), checkpoint=dict(interval=100, max_keep_ckpts=2, save_best=None))
custom_hooks = [dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.01, update_buffers=True)]
