# After isalux_lol_finetune_last: whole pictures at native size, one a step, so that the exposure, which only a whole
# picture tells, is learned too (ours). The learning rate falls to nothing.
# Expected: see docs/results.md.
# On all 485 pairs at the end: train_dataloader.dataset.leave_out="[]".
# python tools/train.py configs/isalux_lol_finetune_whole.py --cfg-options load_from=work_dirs/isalux_lol_finetune_last/iter_600.pth
_base_ = [
    './_base_/models/isalux_hours.py',
    './_base_/datasets/lol_v1_by_scene.py',
    './_base_/schedules/last_phase.py',
]

train_dataloader = dict(
    batch_size=1,
    dataset=dict(pipeline=[
        dict(type='LoadImages'),
        dict(type='PairedLandscape'),
        dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.1),
        dict(type='PackEnhanceInputs'),
    ]))
optim_wrapper = dict(optimizer=dict(lr=3e-4))
