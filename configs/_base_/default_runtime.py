# What every config shares: scope, logging, checkpoints, hooks.
default_scope = 'isalux_mm'

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='CheckpointHook', by_epoch=False, interval=5000, max_keep_ckpts=3, save_best='PSNR', rule='greater'),
    sampler_seed=dict(type='DistSamplerSeedHook'))
custom_hooks = [
    dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.001, update_buffers=True),
    dict(type='ExpertUsageHook', interval=50),
    dict(type='EnhanceVisualizationHook', num_images=4),
]

visualizer = dict(
    type='EnhanceVisualizer',
    vis_backends=[
        dict(type='LocalVisBackend', img_save_dir='../../vis'),  # WORK_DIR/vis
        dict(type='TensorboardVisBackend')
    ])
log_processor = dict(type='LogProcessor', window_size=50, by_epoch=False)
env_cfg = dict(
    cudnn_benchmark=False, mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0), dist_cfg=dict(backend='nccl'))
randomness = dict(seed=0)
log_level = 'INFO'
load_from = None
resume = False
