# After isalux_lol_finetune_whole: LOL-v1 in the paper's patches of 256x256, 8 a step, in minutes of an accelerator; 40
# scenes held out of training, eval15 for the test alone.
# Expected: see docs/results.md.
# python tools/train.py configs/isalux_lol_256.py --cfg-options load_from=work_dirs/isalux_lol_finetune_whole/iter_500.pth
_base_ = [
    './_base_/models/isalux_gt_mean.py',
    './_base_/datasets/lol_v1_by_scene.py',
    './_base_/schedules/accelerator.py',
]

train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    dataset=dict(pipeline=[
        dict(type='LoadImages'),
        dict(type='PairedRandomCrop', crop_size=256),
        dict(type='PairedRandomFlip', horizontal=0.5, vertical=0.5),
        dict(type='PairedRandomRotate90'),
        dict(type='PackEnhanceInputs'),
    ]))
