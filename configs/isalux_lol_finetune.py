# The illumination-prior variant on LOL-v1 alone: its recipe is chosen and stopped by 40 held-out scenes, which the
# packaged weights were trained on at the end. eval15 is for the test alone. It starts from the packaged zero-shot
# weights; model.init_cfg=None starts from scratch. Hours of a CPU.
# Expected: see docs/results.md.
# To train on all 485 pairs at the end: --cfg-options train_dataloader.dataset.leave_out="[]"
# python tools/train.py configs/isalux_lol_finetune.py
_base_ = [
    './_base_/models/isalux_hours.py',
    './_base_/datasets/lol_v1_by_scene.py',
    './_base_/schedules/hours.py',
]

model = dict(init_cfg=dict(type='Pretrained', checkpoint='isalux_zero_shot'))
