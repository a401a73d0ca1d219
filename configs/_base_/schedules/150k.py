# 150,000 iterations, AdamW, 500 of warm-up, cosine to 1e-6 (ours; paper silent): the length and the learning rate of
# Retinexformer's published schedule, whose data, patch size and number of parameters are close to ours.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='TrainableOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=2e-4, betas=(0.9, 0.999), weight_decay=1e-4),
    clip_grad=dict(max_norm=1.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=500),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=500, end=150000, T_max=149500, eta_min=1e-6),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=150000, val_interval=2500)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
