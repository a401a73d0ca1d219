# The last phase of isalux_lol_finetune: two views of 200x300 a step, the learning rate falls to nothing.
# Expected: see docs/results.md.
# python tools/train.py configs/isalux_lol_finetune_last.py --cfg-options load_from=work_dirs/isalux_lol_finetune/iter_12000.pth
_base_ = [
    './_base_/models/isalux_hours.py',
    './_base_/datasets/lol_v1_by_scene.py',
    './_base_/schedules/last_phase.py',
]

train_dataloader = dict(
    batch_size=2,
    dataset=dict(pipeline=[
        dict(type='LoadImages'),
        dict(type='PairedLandscape'),
        dict(type='RandomResizedView', size=(200, 300), fraction=(0.5, 1.0), crop_probability=0.5,
             whole_probability=0.35),
        dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.1),
        dict(type='PackEnhanceInputs'),
    ]))
