# Small ablation on LOL-v1 (configs/tables/ablation.py): both priors, LoRA, four experts of which two are chosen, the
# three terms of Eq. 13; 0.5 M parameters, the packaged semantic prior and its features, so nothing to download.
# Expected: not trained yet; every row of the table has the same iterations, and is compared within the table alone.
# python tools/train.py configs/ablation/small/full.py
_base_ = [
    '../../_base_/models/isalux.py',
    '../../_base_/datasets/lol_v1_by_scene.py',
    '../../_base_/schedules/hours.py',
]

model = dict(
    network=dict(
        embed_dims=(12, 24, 48),
        semantic_prior=dict(_delete_=True, type='PackagedSemanticPrior')),
    losses=dict(
        loss_perceptual=dict(
            loss_weight=0.001, features=dict(_delete_=True, type='PackagedFeatures', layers=(3, 6, 13))),
        loss_ms_ssim=dict(auto_scales=True)))  # views are below 176 pixels

max_iters = 2000  # ours: the budget of every row
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=200),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=200, end=max_iters, T_max=max_iters - 200, eta_min=1e-6),
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(checkpoint=dict(save_best=None))  # the last one counts: none is chosen
