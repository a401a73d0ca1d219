# Small ablation on LOL-v1 (configs/tables/ablation.py): both priors, LoRA, four experts of which two are chosen, the
# three terms of Eq. 13; 0.5 M parameters, the packaged semantic prior and its features, so nothing to download.
# Expected: docs/benchmarks.md; every row of the table has the same iterations, and is compared within the table alone.
# python tools/train.py configs/ablation/small/full.py
_base_ = [
    '../../_base_/models/isalux.py',
    '../../_base_/datasets/lol_v1_by_scene.py',
    '../../_base_/schedules/hours.py',
]

model = dict(
    network=dict(
        embed_dims=(12, 24, 48),
        semantic_prior=dict(_delete_=True, type='PackagedSemanticPrior'),
        attention=dict(form='by_image'),  # the fastest on a CPU; the numbers are those of the others
        ffn=dict(dispatch='by_image')),
    losses=dict(
        loss_perceptual=dict(
            loss_weight=0.001, features=dict(_delete_=True, type='PackagedFeatures', layers=(3, 6, 13))),
        loss_ms_ssim=dict(auto_scales=True)))  # views are below 176 pixels

# ours: the budget of every row, less than a minute of one core
max_iters = 50
warm_up = 5
view = (64, 96)
train_pipeline = [
    dict(type='LoadImages'),
    dict(type='PairedLandscape'),
    dict(type='RandomResizedView', size=view, fraction=(0.5, 1.0), crop_probability=0.5, whole_probability=0.35),
    dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.1),
    dict(type='PackEnhanceInputs'),
]
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(num_workers=0, persistent_workers=False)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=warm_up),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=warm_up, end=max_iters, T_max=max_iters - warm_up,
         eta_min=1e-6),
]
train_cfg = dict(max_iters=max_iters, val_begin=max_iters + 1)  # no validation: the table scores the last checkpoint
default_hooks = dict(checkpoint=dict(interval=max_iters, save_best=None))  # the last one counts: none is chosen
custom_hooks = [dict(type='ExpertUsageHook', interval=25)]  # weights are not averaged: the average would lag behind
